/**
 * The client as a program that a test of another language drives: commands as lines of JSON on standard input,
 * everything that a caller would see as lines of JSON on standard output.
 *
 *     {"name", "baseUrl", "run" | "request", "fromSnapshot"?}     follows; several go side by side
 *     {"name", "baseUrl", "runs"}                               follows several over one connection
 *     {"name", "cancel": true}                                    cancels the run that this name follows
 *
 * Out: {"name", "record", "of": its run where there are several}, {"name", "status"}, and last {"name", "ended": the
 * fold's snapshot} or {"name", "error"}.
 */

import { createInterface } from "node:readline";

import { ClientError, Headwater, type LinkStatus, type RunRequest, type Subscription } from "../src/index.ts";
import { emptySnapshot, fold } from "../src/fold.ts";
import { followMany } from "../src/many.ts";

interface Command {
  readonly name: string;
  readonly baseUrl: string;
  readonly run?: string;
  readonly runs?: readonly string[];
  readonly request?: RunRequest;
  readonly fromSnapshot?: boolean;
  readonly cancel?: boolean;
}

const subscriptions = new Map<string, Subscription>();

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function clientOf(baseUrl: string): Headwater {
  // Short waits: what is tried is that the client comes back, not when.
  const retry = { baseMs: 20, capMs: 200, triesMax: 1000 };
  return new Headwater({ baseUrl, followRetry: retry, callRetry: retry });
}

function subscribed({ name, baseUrl, run, request, fromSnapshot }: Command): Subscription {
  const headwater = clientOf(baseUrl);
  const onStatus = ({ state, cursor, attempt }: { state: string; cursor: number; attempt: number }): void =>
    say({ name, status: state, cursor, attempt });
  return run === undefined
    ? headwater.startAndFollow(request ?? { model: "simulated" }, { onStatus })
    : headwater.follow(run, { onStatus, fromSnapshot: fromSnapshot ?? false });
}

async function follow(command: Command): Promise<void> {
  const { name } = command;
  const subscription = subscribed(command);
  subscriptions.set(name, subscription);
  let snapshot = emptySnapshot();
  try {
    for await (const record of subscription) {
      snapshot = fold(snapshot, record);
      say({ name, record });
    }
    say({ name, ended: snapshot, run: subscription.run });
  } catch (error) {
    say({ name, error: error instanceof ClientError ? error.code : String(error) });
  }
}

async function followAll({ name, baseUrl, runs = [] }: Command): Promise<void> {
  const onStatus = ({ state, attempt }: LinkStatus): void => say({ name, status: state, attempt });
  const places = runs.map((run) => ({ run }));
  try {
    for await (const { run, record, error } of followMany(clientOf(baseUrl), places, { onStatus })) {
      say(error === undefined ? { name, record, of: run } : { name, error: error.code });
    }
    say({ name, ended: {}, run: null });
  } catch (error) {
    say({ name, error: error instanceof ClientError ? error.code : String(error) });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  if (command.cancel) {
    const run = await subscriptions.get(command.name)?.cancel();
    say({ name: command.name, cancelled: run?.state });
  } else if (command.runs) {
    void followAll(command);
  } else {
    void follow(command);
  }
}

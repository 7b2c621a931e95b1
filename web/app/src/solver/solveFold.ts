/** What is known of a solver's run: its model calls, its iterations and its log. A pure fold, without I/O. */

import { isFinal, type PartSnapshot, type ProtocolRecord, type RunResource, type Snapshot } from "@headwater/client";
import { RunFold, type RunView } from "../chat/runFold.ts";
import { type Iteration, iterationOf } from "./iteration.ts";
import { type Phase, phaseOf } from "./phase.ts";
import { resultOf, type SolveResult } from "./result.ts";

export interface LogLine {
  readonly seq: number;
  /** Milliseconds since the run was created. */
  readonly t: number;
  readonly level: string;
  readonly message: string;
}

/** What one model call has put out so far. */
export interface CallOutput {
  readonly call: number;
  readonly reasoning: string;
  readonly text: string;
}

/** What is shown of a solver's run. It never changes; a new one comes with every frame in which something did. */
export interface SolveView extends RunView {
  readonly iterations: readonly Iteration[];
  /** Of a solver that looks at pictures, in place of iterations. */
  readonly phases: readonly Phase[];
  readonly lines: readonly LogLine[];
  /** How many lines came before those that are kept. */
  readonly linesBefore: number;
  readonly calls: readonly CallOutput[];
  /** What the search does now, in its own words. */
  readonly doing: string | null;
  /** 0 to 1, null where the search does not say. */
  readonly progress: number | null;
  /** Null before the end, and of a search that had found nothing by then. */
  readonly result: SolveResult | null;
  /** Whether the log comes over a socket of its own; else it comes with the tokens. */
  readonly socket: boolean;
}

/** What a solver is doing, where it has no words of its own for it. */
const DOINGS: Readonly<Record<string, string>> = {
  asking: "The model writes programs",
  running: "The programs are tried on the training pairs",
  testing: "The best program answers the tests",
};

/** What the log panel and the cards are made of. It comes over the WebSocket, and among the tokens as well. */
export const STEP_TYPES: readonly ProtocolRecord["type"][] = ["status", "iteration", "log"];
export const LINES_MAX = 500;

export class SolveFold {
  readonly #run: RunFold;
  #cursor = 0;
  /** The newest step that was taken: each way brings all of them in order, so the first to bring one is believed. */
  #step = 0;
  #iterations: readonly Iteration[] = [];
  #phases: readonly Phase[] = [];
  #lines: readonly LogLine[] = [];
  #linesBefore = 0;
  #doing: string | null = null;
  #progress: number | null = null;
  #result: SolveResult | null = null;
  #socket = false;

  constructor(id: string, run: RunResource | null = null) {
    this.#run = new RunFold(id, run);
  }

  /** The run alone, as on every page. */
  get run(): RunFold {
    return this.#run;
  }

  /** The seq behind which the records are still to come on the event stream. */
  get cursor(): number {
    return this.#cursor;
  }

  /** The same on the socket. */
  get step(): number {
    return this.#step;
  }

  /** A record of the event stream. Throws `PastUnknown` where the run is to be asked for again. */
  take(record: ProtocolRecord): void {
    this.#cursor = record.seq;
    this.note(record);
    // Not the snapshot's value: that is what the model's answer was read as, where it was one.
    if (isFinal(record)) this.#result = resultOf(record.data.result);
    // Of a run that had ended, and of a long one, the server has said what its records amount to.
    if (!this.#run.over && record.seq > this.#run.cursor) this.#run.take(record);
  }

  /** A record of the socket. */
  note(record: ProtocolRecord): void {
    if (!STEP_TYPES.includes(record.type) || record.seq <= this.#step) return;
    this.#step = record.seq;
    switch (record.type) {
      case "status":
        // Between them are the states of the model call.
        this.#doing = record.data.message || (DOINGS[record.data.state] ?? this.#doing);
        this.#progress = record.data.progress ?? this.#progress;
        break;
      case "iteration": {
        const { number, data = {} } = record.data;
        const phase = phaseOf(number, data);
        if (phase === null) this.#iterations = placed(this.#iterations, iterationOf(number, data));
        else this.#phases = placed(this.#phases, phase);
        break;
      }
      case "log":
        this.#log({ seq: record.seq, t: record.t, ...record.data });
        break;
      default:
    }
  }

  socket(open: boolean): void {
    this.#socket = open;
  }

  look(): SolveView {
    const view = this.#run.look();
    return {
      ...view,
      iterations: this.#iterations,
      phases: this.#phases,
      lines: this.#lines,
      linesBefore: this.#linesBefore,
      calls: callsOf(view.snapshot),
      doing: this.#doing,
      progress: this.#progress,
      result: this.#result,
      socket: this.#socket,
    };
  }

  #log(line: LogLine): void {
    const lines = [...this.#lines, line];
    this.#linesBefore += Math.max(0, lines.length - LINES_MAX);
    this.#lines = lines.slice(-LINES_MAX);
  }
}

/** In the order of their numbers; one that is told of again takes the place of what was told before. */
function placed<Step extends { readonly number: number }>(steps: readonly Step[], step: Step): Step[] {
  const others = steps.filter(({ number }) => number !== step.number);
  return [...others, step].sort((one, other) => one.number - other.number);
}

/** What each call has put out, in the order in which they were made; those that have put out nothing are left out. */
export function callsOf({ parts, calls }: Snapshot): CallOutput[] {
  const only = calls[0]?.call ?? 1;
  const outputs = new Map<number, { call: number; reasoning: string; text: string }>();
  for (const part of parts) {
    const call = part.call ?? only;
    const output = outputs.get(call) ?? { call, reasoning: "", text: "" };
    outputs.set(call, output);
    output[memberOf(part)] += part.text;
  }
  // Its number says no more than which is which: a visual solver's first call is the one that answers, and comes last.
  const places = new Map(calls.map((each, at) => [each.call, at]));
  const placeOf = ({ call }: CallOutput): number => places.get(call) ?? calls.length;
  return [...outputs.values()].sort((one, other) => placeOf(one) - placeOf(other));
}

function memberOf({ kind }: PartSnapshot): "reasoning" | "text" {
  return kind === "reasoning" ? "reasoning" : "text";
}

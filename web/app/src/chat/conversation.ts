/** Conversations are made of runs: each holds the whole history, and its metadata says what it belongs to. */

import { newIdempotencyKey, type Message, type RunRequest, type RunResource, type RunSummary } from "@headwater/client";

const TITLE_CHARACTERS_MAX = 80;

export interface Turn {
  readonly role: Message["role"];
  readonly text: string;
}

/** The text of a message; what is not text is named. */
export function textOf(message: Message): string {
  const { content } = message;
  if (content === undefined || typeof content === "string") return content ?? "";
  return content
    .map((part) => ("text" in part ? part.text : part.type === "image" ? "[picture]" : String(part.content ?? "")))
    .join("\n");
}

export function turnsOf(request: RunRequest): Turn[] {
  return (request.messages ?? []).map((message) => ({ role: message.role, text: textOf(message) }));
}

export function titleOf(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  if (line.length <= TITLE_CHARACTERS_MAX) return line;
  // Not between the halves of a character beyond the first plane: half of one is no JSON, and is refused.
  const cut = line.slice(0, TITLE_CHARACTERS_MAX - 1).replace(/[\ud800-\udbff]$/, "");
  return `${cut.trimEnd()}…`;
}

/** What a conversation is called: a program that started it may have given it no title. */
export function titleOfRun(run: RunResource | null): string | undefined {
  if (run === null) return undefined;
  const asked = run.request.messages?.find(({ role }) => role === "user");
  return run.metadata.title ?? (asked === undefined ? undefined : titleOf(textOf(asked)));
}

/** What asks a model the next question of a conversation, or the first one. */
export function nextRequest(model: string, text: string, last: RunResource | null): RunRequest {
  const question: Message = { role: "user", content: text };
  if (last === null) {
    const metadata = { conversation: newIdempotencyKey(), title: titleOf(text) };
    return { model, messages: [question], metadata };
  }
  const answered = last.snapshot.text;
  const answer: Message[] = answered === "" ? [] : [{ role: "assistant", content: answered }];
  const metadata = {
    conversation: last.metadata.conversation ?? last.id,
    title: titleOfRun(last) ?? titleOf(text),
    previous: last.id,
  };
  return { model, messages: [...(last.request.messages ?? []), ...answer, question], metadata };
}

export interface ConversationSummary {
  readonly id: string;
  readonly title: string;
  /** The newest run, which holds the whole conversation. */
  readonly run: RunSummary;
  readonly runs: readonly string[];
  /** Of answers to one question side by side those that are shown, in the order in which they were asked for. */
  readonly compared: readonly string[] | null;
  /** How many of those are whole. */
  readonly complete: number;
}

const APPLICATIONS: Readonly<Record<string, string>> = {
  analysis: "Analysis by",
  solver: "Programs by",
  visual_solver: "Visual solution by",
  conversation: "Conversation with",
};

/** What a run is called that has no title: what it was asked is not part of a list. */
function nameOf({ metadata, workflow, model }: RunSummary): string {
  const application = APPLICATIONS[workflow];
  return metadata.title ?? (application === undefined ? `${model}, asked by a program` : `${application} ${model}`);
}

const placeOf = (run: RunSummary): number => Number(run.metadata.place ?? 0);

/** In the order in which they were asked for; a run that was asked for again is in the place of the old one. */
function shownOf(runs: readonly RunSummary[]): string[] {
  const oldest = [...runs].reverse().sort((one, other) => placeOf(one) - placeOf(other));
  const newest = new Map<string, string>();
  for (const { id, retry_of: old } of oldest) {
    const place = old === null ? undefined : [...newest].find(([, shown]) => shown === old)?.[0];
    newest.set(place ?? id, id);
  }
  return [...newest.values()];
}

/** Groups runs, which come newest first, into conversations in the same order. */
export function groupRuns(runs: readonly RunSummary[]): ConversationSummary[] {
  const groups = new Map<string, RunSummary[]>();
  for (const run of runs) {
    // A run that was started elsewhere and is gone on with here is the first of its own conversation.
    const id = run.metadata.conversation ?? run.metadata.comparison ?? run.id;
    const group = groups.get(id) ?? [];
    groups.set(id, group);
    if (!group.some((each) => each.id === run.id)) group.push(run);
  }
  return Array.from(groups, ([id, group]) => {
    const newest = group[0] as RunSummary;
    const compared = newest.metadata.conversation === undefined && newest.metadata.comparison !== undefined;
    // Of answers side by side one that is on its way stands for all.
    const run = (compared && group.find(({ state }) => state === "running")) || newest;
    const shown = compared ? shownOf(group) : null;
    return {
      id,
      title: nameOf(run),
      run,
      runs: group.map((each) => each.id),
      compared: shown,
      complete: group.filter((each) => each.state === "completed" && shown?.includes(each.id)).length,
    };
  });
}

/**
 * What the records of a run amount to: the same fold as the server's, so that a snapshot may come from either.
 *
 * A snapshot is data and never changes; what a record leaves alone is shared with the snapshot before, so that a page
 * can tell by identity what to draw again. A record costs a few objects and one string concatenation, whatever the
 * length of the text and of a structured answer: its `value` is made when it is read, from the one that was read
 * before and the fields since, and costs a copy of each array and object that those have changed.
 */

import { PastUnknown } from "./errors.ts";
import type {
  AttemptData,
  CallSnapshot,
  FieldData,
  PartSnapshot,
  ProtocolRecord,
  Snapshot,
  ToolCallData,
  ToolCallSnapshot,
  Usage,
} from "./protocol.ts";
import { withFields } from "./structured-value.ts";

/**
 * Where a piece of text begins: by its seq, and by its place in the text. A list from the newest backwards.
 *
 * In a past that is replayed joined, a piece is what several records said: those from `first` to `seq`.
 */
interface Mark {
  readonly first: number;
  readonly seq: number;
  readonly length: number;
  readonly before: Mark | null;
}

/** Text that can be cut off again from a seq on. */
interface Pieces {
  readonly text: string;
  readonly newest: Mark | null;
}

interface Part extends Pieces {
  readonly call: number;
  readonly index: number;
  readonly kind: PartSnapshot["kind"];
}

interface Tool {
  readonly call: number;
  readonly id: string;
  readonly seq: number;
  readonly name: Pieces;
  readonly arguments: Pieces;
  readonly doneAt: number | null;
}

/** What became known of a structured answer. A list from the newest backwards. */
interface FieldMark {
  readonly seq: number;
  readonly field: FieldData;
  readonly before: FieldMark | null;
}

/** A call's structured answer, of which fields can be taken back again. */
interface Answer {
  /** What it was before all of its fields. */
  readonly base: unknown;
  readonly newest: FieldMark | null;
  /** What it was when it was read last. One for all snapshots, until a field is taken back. */
  readonly known: { mark: FieldMark | null; value: unknown };
}

/** What a snapshot is made from, where a later record may take something back. */
interface History {
  /** The seq of the snapshot that this fold began with; of what came before it nothing can be taken back. */
  readonly since: number;
  /** By call, index and kind. */
  readonly parts: readonly Part[];
  readonly tools: readonly Tool[];
  /** Of each call's newest attempt. */
  readonly usage: ReadonlyMap<number, Usage>;
  /** Of all attempts before those: superseded or not, they were paid for. */
  readonly usageBefore: Usage | null;
  /** By call; those of which nothing is known have none. */
  readonly answers: ReadonlyMap<number, Answer>;
}

/** A snapshot but for what is made when it is read. */
type Shown = Omit<Snapshot, "value">;

interface Kept {
  readonly shown: Shown;
  readonly history: History;
}

const NOTHING: Pieces = { text: "", newest: null };
const KINDS = { chunk: "text", reasoning: "reasoning", refusal: "refusal" } as const;

/** Beside the snapshots and not in them: they stay the protocol's data. */
const pasts = new WeakMap<Snapshot, Kept>();

/** A run before its first record. */
export function emptySnapshot(): Snapshot {
  return {
    seq: 0,
    text: "",
    parts: [],
    reasoning: "",
    refusal: "",
    value: null,
    tool_calls: [],
    calls: [],
    state: {},
    usage: null,
    finish_reason: null,
    error: null,
    result: null,
  };
}

/**
 * The snapshot after one more record; a `snapshot` record takes the place of all before it.
 *
 * Throws `RangeError` for a record that is not after the snapshot, and `PastUnknown` for an `attempt` that takes back
 * some of what this fold was given as a whole.
 */
export function fold(snapshot: Snapshot, record: ProtocolRecord): Snapshot {
  if (record.seq <= snapshot.seq) {
    throw new RangeError(`record ${record.seq} does not follow ${snapshot.seq}`);
  }
  const { shown, history } = pasts.get(snapshot) ?? resumed(snapshot);
  return snapshotOf(applied({ ...shown, seq: record.seq }, history, record, snapshot.seq + 1));
}

function applied(snapshot: Shown, history: History, record: ProtocolRecord, first: number): Kept {
  switch (record.type) {
    case "chunk":
    case "reasoning":
    case "refusal":
      return withText(snapshot, history, record, first);
    case "tool_call": {
      const tools = withToolCall(history.tools, record.seq, record.data);
      return derived(snapshot, { ...history, tools });
    }
    case "usage": {
      const { call, ...usage } = record.data;
      return derived(snapshot, { ...history, usage: new Map(history.usage).set(call ?? 1, usage) });
    }
    case "call": {
      const { call, role, provider, model } = record.data;
      const added = { call, role, provider, model, attempt: 1, finish_reason: null };
      return derived({ ...snapshot, calls: withCall(snapshot.calls, added) }, history);
    }
    case "attempt":
      return withAttempt(snapshot, history, record.data);
    case "context":
      return kept({ ...snapshot, state: { ...snapshot.state, context: record.data.context } }, history);
    case "field": {
      const answers = new Map(history.answers).set(...withMark(history, record.seq, record.data));
      return kept(snapshot, { ...history, answers });
    }
    case "snapshot": {
      const { shown, history: newer } = resumed(record.data.snapshot);
      return kept({ ...shown, seq: record.seq }, newer);
    }
    case "complete": {
      const { finish_reason, usage, result } = record.data;
      const calls = snapshot.calls.map((call) => (call.role === "answer" ? { ...call, finish_reason } : call));
      const { shown } = derived({ ...snapshot, calls, finish_reason }, history);
      return withResult({ ...shown, usage: whole(usage) }, history, result);
    }
    case "error": {
      const { code, message, retryable, result } = record.data;
      return withResult({ ...snapshot, error: { code, message, retryable } }, history, result);
    }
    case "cancelled":
      return withResult(snapshot, history, record.data.result);
    default:
      return kept(snapshot, history);
  }
}

/** The end, with the application's result; that is the value where no answer is. */
function withResult(snapshot: Shown, history: History, result: unknown): Kept {
  return kept({ ...snapshot, result: result ?? null }, history);
}

/** What can be known of the past of a snapshot that came from elsewhere. */
function resumed({ value, ...snapshot }: Snapshot): Kept {
  const only = snapshot.calls[0]?.call ?? 1;
  const newest = snapshot.calls.at(-1)?.call ?? 1;
  const answer = snapshot.calls.findLast((call) => call.role === "answer")?.call ?? 1;
  const history: History = {
    since: snapshot.seq,
    parts: snapshot.parts.map((part) => ({ ...part, call: part.call ?? only, newest: null })),
    tools: snapshot.tool_calls.map((tool) => ({
      call: tool.call ?? only,
      id: tool.id,
      seq: 0,
      name: { text: tool.name, newest: null },
      arguments: { text: tool.arguments, newest: null },
      doneAt: tool.done ? 0 : null,
    })),
    // Of several calls only the sum is known; the newest is the one that may report again.
    usage: new Map(snapshot.usage === null ? [] : [[newest, snapshot.usage]]),
    usageBefore: null,
    answers: new Map(value === null ? [] : [[answer, unknownFrom(value)]]),
  };
  return { shown: snapshot, history };
}

function kept(shown: Shown, history: History): Kept {
  return { shown, history };
}

function snapshotOf(past: Kept): Snapshot {
  const { shown, history } = past;
  const hasAnswer = history.answers.size > 0;
  const snapshot = hasAnswer ? withAnswer(shown, history) : { ...shown, value: shown.result ?? null };
  pasts.set(snapshot, past);
  return snapshot;
}

function withAnswer(shown: Shown, history: History): Snapshot {
  let made: readonly [unknown] | null = null;
  return {
    ...shown,
    get value(): unknown {
      made ??= [answerValue(shown, history)];
      return made[0];
    },
  };
}

/** The members of a snapshot that are made from its history; what did not change keeps its identity. */
function derived(snapshot: Shown, history: History): Kept {
  const several = snapshot.calls.length > 1;
  const { parts, tools } = history;
  return kept(
    {
      ...snapshot,
      text: joined(snapshot, parts, "text"),
      reasoning: joined(snapshot, parts, "reasoning"),
      refusal: joined(snapshot, parts, "refusal"),
      parts: parts.map((part, at) => shownPart(part, several, snapshot.parts[at])),
      tool_calls: tools.map((tool, at) => shownTool(tool, several, snapshot.tool_calls[at])),
      usage: total(history),
    },
    history,
  );
}

function withText(
  snapshot: Shown,
  history: History,
  record: Extract<ProtocolRecord, { type: keyof typeof KINDS }>,
  first: number,
): Kept {
  const { content, index } = record.data;
  const call = record.data.call ?? 1;
  const kind = KINDS[record.type];
  const at = history.parts.findIndex((part) => part.call === call && part.index === index && part.kind === kind);
  const old = history.parts[at];
  const part: Part = { call, index, kind, ...appended(old ?? NOTHING, first, record.seq, content) };
  if (old === undefined) {
    return derived(snapshot, { ...history, parts: [...history.parts, part].sort(inOrder) });
  }
  const shown = [...snapshot.parts];
  shown[at] = { ...(snapshot.parts[at] as PartSnapshot), text: part.text };
  const parts = history.parts.with(at, part);
  const member = record.type === "chunk" ? "text" : record.type;
  return kept({ ...snapshot, parts: shown, [member]: joined(snapshot, parts, kind) }, { ...history, parts });
}

function inOrder(a: Part, b: Part): number {
  return a.call - b.call || a.index - b.index || (a.kind < b.kind ? -1 : 1);
}

function joined(snapshot: Shown, parts: readonly Part[], kind: Part["kind"]): string {
  let text = "";
  for (const part of parts) {
    if (part.kind === kind && answers(snapshot, part.call)) {
      text += part.text;
    }
  }
  return text;
}

function answers(snapshot: Shown, call: number): boolean {
  return (snapshot.calls.find((known) => known.call === call)?.role ?? "answer") === "answer";
}

function shownPart({ call, index, kind, text }: Part, several: boolean, old: PartSnapshot | undefined): PartSnapshot {
  const shown = { index, kind, text, ...(several ? { call } : {}) };
  const same = old?.index === index && old.kind === kind && old.text === text && old.call === shown.call;
  return same && old !== undefined ? old : shown;
}

function shownTool(tool: Tool, several: boolean, old: ToolCallSnapshot | undefined): ToolCallSnapshot {
  const shown = {
    id: tool.id,
    name: tool.name.text,
    arguments: tool.arguments.text,
    done: tool.doneAt !== null,
    ...(several ? { call: tool.call } : {}),
  };
  const same =
    old?.id === shown.id &&
    old.name === shown.name &&
    old.arguments === shown.arguments &&
    old.done === shown.done &&
    old.call === shown.call;
  return same && old !== undefined ? old : shown;
}

function withToolCall(tools: readonly Tool[], seq: number, data: ToolCallData): readonly Tool[] {
  const call = data.call ?? 1;
  const at = tools.findIndex((tool) => tool.call === call && tool.id === data.id);
  const old = tools[at] ?? { call, id: data.id, seq, name: NOTHING, arguments: NOTHING, doneAt: null };
  const tool: Tool = {
    ...old,
    name: old.name.text === "" ? appended(old.name, seq, seq, data.name) : old.name,
    arguments: appended(old.arguments, seq, seq, data.arguments),
    doneAt: data.done === true ? (old.doneAt ?? seq) : old.doneAt,
  };
  return at < 0 ? [...tools, tool] : tools.with(at, tool);
}

function withCall(calls: readonly CallSnapshot[], call: CallSnapshot): CallSnapshot[] {
  const at = calls.findIndex((known) => known.call === call.call);
  return at < 0 ? [...calls, call] : calls.with(at, call);
}

function withAttempt(snapshot: Shown, history: History, data: AttemptData): Kept {
  const { call, number, provider, model } = data;
  const role = snapshot.calls.find((known) => known.call === call)?.role ?? "answer";
  const calls = withCall(snapshot.calls, { call, role, provider, model, attempt: number, finish_reason: null });
  const usage = new Map(history.usage);
  usage.delete(call);
  const usageBefore = sum(history.usageBefore, history.usage.get(call) ?? null);
  const start = data.supersedes_from ?? null;
  if (start === null) {
    return derived({ ...snapshot, calls }, { ...history, usage, usageBefore });
  }
  if (start <= history.since) {
    throw new PastUnknown(`what is taken back from ${start} on is older than the snapshot at ${history.since}`);
  }
  return derived(
    { ...snapshot, calls },
    {
      ...history,
      parts: history.parts
        .map((part) => (part.call === call ? { ...part, ...cut(part, start) } : part))
        .filter((part) => part.call !== call || part.newest !== null || part.text !== ""),
      tools: history.tools
        .filter((tool) => tool.call !== call || tool.seq < start)
        .map((tool) => (tool.call === call ? cutTool(tool, start) : tool)),
      usage,
      usageBefore,
      answers: withoutMarks(history.answers, call, start),
    },
  );
}

function cutTool(tool: Tool, start: number): Tool {
  return {
    ...tool,
    name: cut(tool.name, start),
    arguments: cut(tool.arguments, start),
    doneAt: tool.doneAt !== null && tool.doneAt >= start ? null : tool.doneAt,
  };
}

function appended({ text, newest }: Pieces, first: number, seq: number, content: string): Pieces {
  return { text: text + content, newest: { first, seq, length: text.length, before: newest } };
}

/** The text of the pieces before a seq. Throws `PastUnknown` where that is inside a piece. */
function cut({ text, newest }: Pieces, start: number): Pieces {
  let mark = newest;
  let length = text.length;
  while (mark !== null && mark.seq >= start) {
    if (mark.first < start) {
      throw new PastUnknown(`the records ${mark.first} to ${mark.seq} came as one, and ${start} is among them`);
    }
    length = mark.length;
    mark = mark.before;
  }
  return { text: text.slice(0, length), newest: mark };
}

/** A call and its structured answer with one more field. */
function withMark(history: History, seq: number, field: FieldData): [number, Answer] {
  const call = field.call ?? 1;
  const { newest, ...answer } = history.answers.get(call) ?? unknownFrom(null);
  return [call, { ...answer, newest: { seq, field, before: newest } }];
}

/** The answers as they were without what a call told from a seq on. */
function withoutMarks(answers: History["answers"], call: number, start: number): History["answers"] {
  const answer = answers.get(call);
  let newest = answer?.newest ?? null;
  if (answer === undefined || newest === null || newest.seq < start) {
    return answers;
  }
  while (newest !== null && newest.seq >= start) {
    newest = newest.before;
  }
  const left = new Map(answers);
  if (newest === null && answer.base === null) {
    left.delete(call);
    return left;
  }
  return left.set(call, { ...unknownFrom(answer.base), newest });
}

function unknownFrom(base: unknown): Answer {
  return { base, newest: null, known: { mark: null, value: base } };
}

/** The structured answer of the newest answer call that has one, else the application's result. */
function answerValue(snapshot: Shown, history: History): unknown {
  const calls = [...history.answers.keys()].filter((call) => answers(snapshot, call));
  const answer = history.answers.get(Math.max(...calls));
  return answer === undefined ? (snapshot.result ?? null) : valueOf(answer);
}

function valueOf({ base, newest, known }: Answer): unknown {
  const fields: FieldData[] = [];
  let mark = newest;
  while (mark !== null && mark !== known.mark) {
    fields.push(mark.field);
    mark = mark.before;
  }
  const value = withFields(mark === null ? base : known.value, fields.reverse());
  if (newest !== null && newest.seq > (known.mark?.seq ?? 0)) {
    known.mark = newest;
    known.value = value;
  }
  return value;
}

/** The sum over all attempts of all calls, null where none has reported. */
function total(history: History): Usage | null {
  return [...history.usage.values()].reduce<Usage | null>(sum, history.usageBefore);
}

function sum(a: Usage | null, b: Usage | null): Usage | null {
  if (a === null || b === null) {
    const only = a ?? b;
    return only === null ? null : whole(only);
  }
  return added(whole(a), whole(b));
}

type Written = Pick<Usage, "cache_write_tokens" | "cache_write_1h_tokens">;
type WholeUsage = Required<Omit<Usage, keyof Written>> & Written;

function whole(usage: Usage): WholeUsage {
  return {
    input_tokens: usage.input_tokens ?? 0,
    cached_input_tokens: usage.cached_input_tokens ?? 0,
    output_tokens: usage.output_tokens ?? 0,
    reasoning_tokens: usage.reasoning_tokens ?? 0,
    cost_usd: usage.cost_usd ?? null,
    source: usage.source ?? "provider",
    ...written(usage, {}),
  };
}

/** What was put into a cache: left out where there was none. */
function written(a: Written, b: Written): Written {
  const all = (a.cache_write_tokens ?? 0) + (b.cache_write_tokens ?? 0);
  const forAnHour = (a.cache_write_1h_tokens ?? 0) + (b.cache_write_1h_tokens ?? 0);
  return {
    ...(all > 0 && { cache_write_tokens: all }),
    ...(forAnHour > 0 && { cache_write_1h_tokens: forAnHour }),
  };
}

function added(a: WholeUsage, b: WholeUsage): WholeUsage {
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    cached_input_tokens: a.cached_input_tokens + b.cached_input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    reasoning_tokens: a.reasoning_tokens + b.reasoning_tokens,
    // A sum in which one cost is unknown is unknown, never too small.
    cost_usd: a.cost_usd === null || b.cost_usd === null ? null : a.cost_usd + b.cost_usd,
    source: a.source === "provider" && b.source === "provider" ? "provider" : "estimated",
    ...written(a, b),
  };
}

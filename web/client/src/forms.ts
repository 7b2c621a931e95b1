/**
 * The forms in which servers put their events into a stream's data, and how a stream's form is settled: its first data
 * decides, and the decision is kept. Only JSON objects are JSON; anything else is raw text.
 *
 * Beside the envelope no form numbers its events, so the records are counted from 1 as they come, and their `t` is 0.
 * They can not be resumed either: a connection that breaks in mid-answer is an error, never an end.
 */

import { ParseError } from "./errors.ts";
import { type CompleteData, DATA_SHAPES, type ProtocolRecord, type Usage } from "./protocol.ts";
import { isObject } from "./json.ts";
import { decodeRecord } from "./record.ts";
import type { Frame } from "./sse.ts";

type JsonObject = Record<string, unknown>;
type RecordEvent = ProtocolRecord extends infer Each ? (Each extends unknown ? Omit<Each, "seq" | "t"> : never) : never;

/** Reads the data of one stream; it may keep state. */
export interface Form {
  readonly name: string;
  /** The records of one frame. Throws `ParseError`. */
  read(frame: Frame): ProtocolRecord[];
  /** What the clean end of the body says: nothing, where the form has an end of its own that did not come. */
  end(): ProtocolRecord[];
}

const DONE = "[DONE]";
const FINISH_REASONS: Readonly<Record<string, CompleteData["finish_reason"]>> = {
  stop: "stop",
  length: "length",
  content_filter: "content_filter",
  tool_calls: "tool_calls",
  refusal: "refusal",
  function_call: "tool_calls",
  max_tokens: "length",
};
const ERROR_CODES: ReadonlySet<string> = new Set(
  (
    "AUTH BAD_REQUEST BUDGET CANCELLED CIRCUIT_OPEN CONFLICT CONTENT_FILTER CONTEXT_LENGTH CURSOR_AHEAD " +
    "CURSOR_TRIMMED DISABLED DRAINING FORBIDDEN INTERRUPTED MAX_RETRIES_EXCEEDED MEDIA_TYPE METHOD_NOT_ALLOWED " +
    "NETWORK NOT_ACCEPTABLE NOT_FOUND OVERLOADED PARSE QUEUE_FULL RATE_LIMIT SERVER STORAGE STORAGE_FULL TIMEOUT " +
    "TOO_LARGE TRUNCATED UNSUPPORTED WRONG_HOST"
  ).split(" "),
);
/** What servers call the kinds of their events, in the forms that have a `type`. */
const KINDS: Readonly<Record<string, "text" | "reasoning" | "status" | "end" | "error">> = {
  ...all("text", "chunk", "content", "text", "token", "delta", "message"),
  ...all("reasoning", "reasoning", "thinking"),
  ...all("status", "status", "progress", "start"),
  ...all("end", "complete", "done", "end", "final"),
  ...all("error", "error"),
};

const OWN_MEMBERS: ReadonlySet<string> = new Set(
  "type chunk content text message final_response error".split(" "),
);

function all<Kind extends string>(kind: Kind, ...types: string[]): Record<string, Kind> {
  return Object.fromEntries(types.map((type) => [type, kind]));
}

/** In the order in which they are tried. */
const FORMS: readonly (readonly [fits: (first: JsonObject) => boolean, make: () => Form])[] = [
  [(first) => ["seq", "t", "type", "data"].every((name) => name in first), () => new Envelope()],
  [(first) => Array.isArray(first.choices) || isObject(first.error), () => new OpenAIChunks()],
  [
    (first) => typeof first.token === "string" || typeof first.done === "boolean" || text(first, "error") !== "",
    () => new Tokens(),
  ],
  [
    (first) => typeof first.chunk === "string" || Object.hasOwn(KINDS, text(first, "type")),
    () => new Typed(),
  ],
];

/** The form of the stream whose first frame this is. Throws `ParseError` for an object that is of none. */
export function settle(first: Frame): Form {
  const value = objectOf(first.data);
  if (value === null) {
    return new RawText();
  }
  for (const [fits, make] of FORMS) {
    if (fits(value)) {
      return make();
    }
  }
  throw new ParseError("The server speaks a form of stream that this client does not know");
}

/** The standard envelope: `{"seq":7,"t":1234,"type":"chunk","data":{…}}`, a record a frame. */
class Envelope implements Form {
  readonly name = "envelope";

  read(frame: Frame): ProtocolRecord[] {
    return [decodeRecord(frame.data)];
  }

  end(): ProtocolRecord[] {
    return [];
  }
}

/** Numbers a stream's events. */
abstract class Counted implements Form {
  abstract readonly name: string;
  #seq = 0;

  read(frame: Frame): ProtocolRecord[] {
    return this.#numbered(frame.data.trim() === DONE ? this.done() : this.events(frame));
  }

  end(): ProtocolRecord[] {
    return this.#numbered(this.ended());
  }

  protected abstract events(frame: Frame): RecordEvent[];

  protected done(): RecordEvent[] {
    return [complete()];
  }

  protected ended(): RecordEvent[] {
    return [];
  }

  #numbered(events: readonly RecordEvent[]): ProtocolRecord[] {
    return events.map((event) => {
      this.#seq += 1;
      return { seq: this.#seq, t: 0, ...event } as ProtocolRecord;
    });
  }
}

/** Text as it stands, a piece a frame. `[DONE]` or the clean end of the body is its end; it has no other. */
class RawText extends Counted {
  readonly name = "raw text";

  protected override ended(): RecordEvent[] {
    return [complete()];
  }

  protected override events({ data, event }: Frame): RecordEvent[] {
    return event === "error" ? [failure({ message: data }, null)] : said(data);
  }
}

/** A form whose data are JSON objects; each has its own way of reading one. */
abstract class Objects extends Counted {
  protected override events(frame: Frame): RecordEvent[] {
    const value = objectOf(frame.data);
    if (value === null) {
      throw new ParseError("The server sent data that is not a JSON object, in a stream of such");
    }
    if (value.error) {
      return [failure(isObject(value.error) ? value.error : value, value.error)];
    }
    return this.object(value);
  }

  protected abstract object(value: JsonObject): RecordEvent[];
}

/** `{"token":"Hello","done":false}` … `{"token":"","done":true,"fullText":"…"}`. */
class Tokens extends Objects {
  readonly name = "tokens";
  #said = false;

  protected override object(value: JsonObject): RecordEvent[] {
    const whole = text(value, "fullText");
    const done = value.done === true;
    // An answer that came in one piece may be in its end only.
    const shown = text(value, "token") || (done && !this.#said ? whole : "");
    this.#said ||= shown !== "";
    return [...said(shown), ...(done ? [complete(undefined, undefined, whole)] : [])];
  }
}

/** `{"chunk":"Hello","type":"status"}` and `{"type":"chunk","content":"Hello"}`: a type, and a text beside it. */
class Typed extends Objects {
  readonly name = "typed";

  protected override object(value: JsonObject): RecordEvent[] {
    const type = text(value, "type") || "chunk";
    const content = ["chunk", "content", "text", "message"].map((name) => text(value, name)).find(Boolean) ?? "";
    switch (Object.hasOwn(KINDS, type) ? KINDS[type] : undefined) {
      case "text":
        return said(content);
      case "reasoning":
        return content === "" ? [] : [{ type: "reasoning", data: { content, index: 0 } }];
      case "status": {
        const { progress } = value;
        const known = typeof progress === "number" && progress >= 0 && progress <= 1;
        return [
          { type: "status", data: { state: "streaming", message: content, ...(known ? { progress } : {}) } },
        ];
      }
      case "end": {
        // What stands beside its type and its text is the application's result.
        const others = Object.entries(value).filter(([name]) => !OWN_MEMBERS.has(name));
        const result = others.length === 0 ? undefined : Object.fromEntries(others);
        return [complete(undefined, undefined, text(value, "final_response") || content, result)];
      }
      case "error":
        return [failure({ ...value, message: content }, null)];
      default:
        if (type === "context" && isObject(value.context)) {
          return [{ type, data: { context: value.context } }];
        }
        // What only has the name of one of the protocol's is no record of it.
        return Object.hasOwn(DATA_SHAPES, type) ? [] : [{ type: "unknown", name: type, data: value }];
    }
  }
}

/** Chat Completions. Whole with `[DONE]`, or with a finish reason for the choice and then a clean end of the body. */
class OpenAIChunks extends Objects {
  readonly name = "openai chunks";
  #finishReason: string | undefined;
  #usage: Usage = {};
  /** By place: the id and name of each tool call, which only its first piece carries. */
  readonly #tools = new Map<number, { id: string; name: string }>();

  protected override ended(): RecordEvent[] {
    return this.#finishReason === undefined ? [] : this.done();
  }

  protected override done(): RecordEvent[] {
    const ended = Array.from(this.#tools, ([index, tool]): RecordEvent => {
      return { type: "tool_call", data: { ...tool, arguments: "", done: true, index } };
    });
    return [...ended, complete(this.#finishReason, this.#usage)];
  }

  protected override object(value: JsonObject): RecordEvent[] {
    if (isObject(value.usage)) {
      const { prompt_tokens, completion_tokens } = value.usage;
      this.#usage = { input_tokens: count(prompt_tokens), output_tokens: count(completion_tokens) };
    }
    return objects(value.choices).flatMap((choice) => {
      if (typeof choice.finish_reason === "string") {
        this.#finishReason = choice.finish_reason;
      }
      return isObject(choice.delta) ? this.#delta(choice.delta, count(choice.index)) : [];
    });
  }

  #delta(delta: JsonObject, index: number): RecordEvent[] {
    const events: RecordEvent[] = [];
    const thought = text(delta, "reasoning_content") || text(delta, "reasoning");
    if (thought !== "") {
      events.push({ type: "reasoning", data: { content: thought, index } });
    }
    events.push(...said(text(delta, "content"), index));
    const refused = text(delta, "refusal");
    if (refused !== "") {
      events.push({ type: "refusal", data: { content: refused, index } });
    }
    for (const call of objects(delta.tool_calls)) {
      const place = count(call.index);
      const called = isObject(call.function) ? call.function : {};
      const known = this.#tools.get(place);
      const tool = { id: text(call, "id") || (known?.id ?? ""), name: text(called, "name") || (known?.name ?? "") };
      this.#tools.set(place, tool);
      events.push({
        type: "tool_call",
        data: { ...tool, arguments: text(called, "arguments"), done: false, index: place },
      });
    }
    return events;
  }
}

function said(content: string, index = 0): RecordEvent[] {
  return content === "" ? [] : [{ type: "chunk", data: { content, index } }];
}

function complete(reason = "", usage: Usage = {}, whole = "", result?: unknown): RecordEvent {
  // A reason that this version does not know is an end all the same.
  const finish_reason = Object.hasOwn(FINISH_REASONS, reason) ? (FINISH_REASONS[reason] ?? "stop") : "stop";
  const said = whole === "" ? {} : { final_response: whole };
  return { type: "complete", data: { finish_reason, usage, ...said, ...(result === undefined ? {} : { result }) } };
}

/** From `{"error": {"message", "code", "type"}}` or `{"error", "message"}`. */
function failure(members: JsonObject, error: unknown): RecordEvent {
  const codes = [members.code, error].map((code) => (typeof code === "string" ? code.toUpperCase() : ""));
  const code = codes.find((each) => ERROR_CODES.has(each)) ?? "SERVER";
  const said = text(members, "message") || (typeof error === "string" ? error : "");
  const message = said || "The server reported an error";
  return { type: "error", data: { code, message, retryable: members.retryable === true } };
}

function objectOf(data: string): JsonObject | null {
  if (!data.trimStart().startsWith("{")) {
    return null;
  }
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function text(value: JsonObject, name: string): string {
  const found = value[name];
  return typeof found === "string" ? found : "";
}

function count(value: unknown): number {
  return Number.isInteger(value) && (value as number) >= 0 ? (value as number) : 0;
}

/** One record from the data of its frame. */

import { ParseError } from "./errors.ts";
import { DATA_SHAPES, type FinalRecord, type ProtocolRecord } from "./protocol.ts";

const FINAL_TYPES: ReadonlySet<string> = new Set(["complete", "error", "cancelled"]);
/** What `typeof` says of a value whose shape begins with this letter. */
const TYPE_OF: Readonly<Record<string, string>> = {
  s: "string",
  i: "number",
  n: "number",
  b: "boolean",
  o: "object",
  a: "object",
};

/**
 * A record from its JSON. A type that this version does not know becomes `unknown`; unknown fields stay.
 *
 * Throws `ParseError`, without the text: it is somebody's prompt or answer.
 */
export function decodeRecord(json: string): ProtocolRecord {
  return checked(parsed(json));
}

/** What one of several runs has to say: a record, or that nothing more comes of it (`closed` or `deleted`). */
export type Named =
  | { readonly run: string; readonly record: ProtocolRecord; readonly end?: never }
  | { readonly run: string; readonly end: string; readonly record?: never };

/** The same of a connection that carries several runs. */
export function decodeNamed(json: string): Named {
  const told = parsed(json);
  if (!isObject(told) || typeof told.run !== "string") {
    throw new ParseError("The server sent an event that names no run");
  }
  const { run, end, ...record } = told;
  return isObject(end) ? { run, end: String(end.reason) } : { run, record: checked(record) };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new ParseError("The server sent an event that is not JSON");
  }
}

function checked(record: unknown): ProtocolRecord {
  if (!isObject(record) || !isInteger(record.seq) || !isInteger(record.t) || typeof record.type !== "string") {
    throw new ParseError("The server sent an event that is not a record");
  }
  const { seq, t, type, data } = record;
  const shapes = Object.hasOwn(DATA_SHAPES, type) ? DATA_SHAPES[type] : undefined;
  if (shapes === undefined) {
    return { seq, t, type: "unknown", name: type, data };
  }
  if (!isObject(data)) {
    throw new ParseError(`The data of a ${type} record is not an object`);
  }
  for (const field in shapes) {
    if (!fits(data[field], shapes[field] ?? "")) {
      throw new ParseError(`The server sent a ${type} record whose ${field} is missing or of the wrong type`);
    }
  }
  return record as unknown as ProtocolRecord;
}

/** Whether this record is the last of its run. */
export function isFinal(record: ProtocolRecord): record is FinalRecord {
  return FINAL_TYPES.has(record.type);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}

function fits(value: unknown, shape: string): boolean {
  if (value === undefined) {
    return shape.includes("?");
  }
  if (value === null) {
    return shape.includes("0");
  }
  const letter = shape[0] ?? "x";
  if (letter === "x") {
    return true;
  }
  return (
    typeof value === TYPE_OF[letter] &&
    (letter !== "i" || isInteger(value)) &&
    (typeof value !== "object" || Array.isArray(value) === (letter === "a"))
  );
}

/** One record from the data of its frame. */

import { ParseError } from "./errors.ts";
import { isObject, objectIn } from "./json.ts";
import { DATA_SHAPES, type FinalRecord, type ProtocolRecord } from "./protocol.ts";

const FINAL_TYPES: ReadonlySet<string> = new Set(["complete", "error", "cancelled"]);
/**
 * A record from its JSON. A type that this version does not know becomes `unknown`; unknown fields stay.
 *
 * Throws `ParseError`, without the text: it is somebody's prompt or answer.
 */
export function decodeRecord(json: string): ProtocolRecord {
  return checked(objectIn(json));
}

/** What one of several runs has to say: a record, or that nothing more comes of it (`closed` or `deleted`). */
export type Named =
  | { readonly run: string; readonly record: ProtocolRecord; readonly end?: never }
  | { readonly run: string; readonly end: string; readonly record?: never };

/** The same of a connection that carries several runs. */
export function decodeNamed(json: string): Named {
  const told = objectIn(json);
  if (typeof told.run !== "string") {
    throw new ParseError("The server sent an event that names no run");
  }
  const { run, end, ...record } = told;
  return isObject(end) ? { run, end: String(end.reason) } : { run, record: checked(record) };
}

function checked(record: Record<string, unknown>): ProtocolRecord {
  if (!isInteger(record.seq) || !isInteger(record.t) || typeof record.type !== "string") {
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
  // The letters are those that the names of the types begin with, but for arrays and whole numbers.
  const own = Array.isArray(value) ? "a" : isInteger(value) ? "i" : (typeof value)[0];
  return letter === "x" || letter === own || (letter === "n" && own === "i");
}

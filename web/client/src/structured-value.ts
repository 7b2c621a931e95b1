/** The value that `field` records amount to (PROTOCOL, "Structured answers"). What a field leaves alone is shared. */

import type { FieldData } from "./protocol.ts";

/** A JSON object. Its members are its own: `__proto__` is a name like any other. */
type Members = Readonly<Record<string, unknown>>;

const INDEX = /^(?:0|[1-9][0-9]{0,8})$/u;

/** The value after one more field. */
export function withField(value: unknown, { path, value: told, delta }: FieldData): unknown {
  const steps = stepsOf(path);
  if (steps === null) {
    return value;
  }
  return delta === true ? extended(value, steps, 0, told) : placed(value, steps, 0, told);
}

/** The steps of a JSON pointer (RFC 6901); null where it is none. */
function stepsOf(path: string): readonly string[] | null {
  if (path === "") {
    return [];
  }
  const [first, ...steps] = path.split("/");
  return first === "" ? steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~")) : null;
}

/** `value` with `told` in the place that the steps from `at` on lead to. */
function placed(value: unknown, steps: readonly string[], at: number, told: unknown): unknown {
  const step = steps[at];
  if (step === undefined) {
    return told;
  }
  if (isItems(value)) {
    const index = indexOf(step);
    if (index === null || index > value.length) {
      return value;
    }
    const item = placed(value[index], steps, at + 1, told);
    return index === value.length ? [...value, item] : value.with(index, item);
  }
  const members = isMembers(value) ? value : {};
  return { ...members, [step]: placed(member(members, step), steps, at + 1, told) };
}

/** `value` with `more` behind what the steps from `at` on lead to; itself where that does not fit. */
function extended(value: unknown, steps: readonly string[], at: number, more: unknown): unknown {
  const step = steps[at];
  if (step === undefined) {
    return joined(value, more);
  }
  if (isItems(value)) {
    const index = indexOf(step);
    if (index === null || index >= value.length) {
      return value;
    }
    const item = extended(value[index], steps, at + 1, more);
    return item === value[index] ? value : value.with(index, item);
  }
  if (!isMembers(value)) {
    return value;
  }
  const old = member(value, step);
  const grown = extended(old, steps, at + 1, more);
  return grown === old ? value : { ...value, [step]: grown };
}

function joined(value: unknown, more: unknown): unknown {
  if (typeof value === "string" && typeof more === "string") {
    return value + more;
  }
  if (isItems(value) && isItems(more)) {
    return more.length === 0 ? value : [...value, ...more];
  }
  if (isMembers(value) && isMembers(more)) {
    return Object.keys(more).length === 0 ? value : { ...value, ...more };
  }
  return value;
}

function isItems(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function member(members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

function indexOf(step: string): number | null {
  return INDEX.test(step) ? Number(step) : null;
}

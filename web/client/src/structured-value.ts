/** The value that `field` records amount to (PROTOCOL, "Structured answers"). What no field touches is shared. */

import type { FieldData } from "./protocol.ts";

/** A JSON object or array. The members of an object are its own: `__proto__` is a name like any other. */
type Container = Record<string, unknown> | unknown[];

/** The copies that are made for several fields, which nobody else has yet. */
type Copies = Set<unknown>;

const INDEX = /^(?:0|[1-9][0-9]{0,8})$/u;

/**
 * The value after more fields, in their order. Each array and object that they change is copied once for all of them,
 * so that the work is that of the fields and of these copies. Neither the value nor what a field holds is changed.
 */
export function withFields(value: unknown, fields: readonly FieldData[]): unknown {
  const copies: Copies = new Set();
  return fields.reduce((before, { path, value: told, delta }) => {
    const [first, ...steps] = path.split("/");
    const names = steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    // What does not begin with a slash is no JSON pointer (RFC 6901).
    return first === "" ? changed(before, names, 0, told, delta === true, copies) : before;
  }, value);
}

/**
 * `value` with `told` in the place that the steps from `at` on lead to, or behind what is there; itself where that does
 * not fit.
 */
function changed(
  value: unknown,
  steps: readonly string[],
  at: number,
  told: unknown,
  isDelta: boolean,
  copies: Copies,
): unknown {
  const step = steps[at];
  if (step === undefined) {
    return isDelta ? joined(value, told, copies) : told;
  }
  if (!isContainer(value) && isDelta) {
    return value;
  }
  const container = isContainer(value) ? value : {};
  const place = Array.isArray(container) ? indexIn(container, step) : step;
  if (place === null) {
    return value;
  }
  const old = Object.hasOwn(container, place) ? (container as Record<string, unknown>)[place] : undefined;
  const next = changed(old, steps, at + 1, told, isDelta, copies);
  return isDelta && next === old ? value : withItem(container, place, next, copies);
}

function joined(value: unknown, more: unknown, copies: Copies): unknown {
  if (typeof value === "string" && typeof more === "string") {
    return value + more;
  }
  if (!isContainer(value) || !isContainer(more) || Array.isArray(value) !== Array.isArray(more)) {
    return value;
  }
  const behind = Array.isArray(value) ? value.length : null;
  return Object.entries(more).reduce<Container>(
    (grown, [name, item], at) => withItem(grown, behind === null ? name : behind + at, item, copies),
    value,
  );
}

/** The container with the item in this place: a copy, if it is not one yet. */
function withItem(container: Container, place: string | number, value: unknown, copies: Copies): Container {
  let copy = container;
  if (!copies.has(copy)) {
    copy = Array.isArray(container) ? [...container] : { ...container };
    copies.add(copy);
  }
  if (place === "__proto__") {
    Object.defineProperty(copy, place, { value, configurable: true, enumerable: true, writable: true });
  } else {
    (copy as Record<string, unknown>)[place] = value;
  }
  return copy;
}

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}

/** Null where there is no such place: an item's, or the next one's. */
function indexIn(items: readonly unknown[], step: string): number | null {
  return INDEX.test(step) && Number(step) <= items.length ? Number(step) : null;
}

import { useSyncExternalStore } from "react";

/** What the reader chose, kept in this browser. Where nothing can be kept, it lasts as long as the page. */
export class Preference<Value extends string> {
  readonly #key: string;
  readonly #fits: (value: string) => value is Value;
  readonly #listeners = new Set<() => void>();
  #value: Value;

  constructor(name: string, initial: Value, fits: (value: string) => value is Value) {
    this.#key = `headwater.${name}`;
    this.#fits = fits;
    this.#value = this.#stored() ?? initial;
  }

  readonly get = (): Value => this.#value;

  readonly set = (value: Value): void => {
    this.#value = value;
    try {
      localStorage.setItem(this.#key, value);
    } catch {
      // Storage is full or forbidden; the choice holds until the page is left.
    }
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #stored(): Value | null {
    try {
      const value = localStorage.getItem(this.#key);
      return value !== null && this.#fits(value) ? value : null;
    } catch {
      return null;
    }
  }
}

export function usePreference<Value extends string>(preference: Preference<Value>): [Value, (value: Value) => void] {
  return [useSyncExternalStore(preference.subscribe, preference.get), preference.set];
}

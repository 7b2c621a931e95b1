/** Keeps where a reader is over reloads: the cursor of each run, and what its records amounted to up to there. */

import { isObject } from "./json.ts";
import type { Snapshot } from "./protocol.ts";

/** What is needed of `sessionStorage` or `localStorage`. */
export interface KeyValueStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface CursorStoreOptions {
  /** `sessionStorage` if nothing else is said, and nothing at all where there is none. */
  readonly storage?: KeyValueStorage | null;
  /** What the keys begin with. */
  readonly prefix?: string;
  /** Runs that are kept; the one saved longest ago goes first. */
  readonly runsMax?: number;
  /** A snapshot above this, in UTF-16 units of JSON, is not kept: the server has it. */
  readonly charsMax?: number;
}

export interface SavedCursor {
  readonly run: string;
  readonly cursor: number;
  readonly snapshot: Snapshot;
}

/**
 * Saved cursors in a storage that may be full, switched off, or written by somebody else: what can not be kept is not,
 * and what can not be read is not there. It never throws.
 */
export class CursorStore {
  readonly #storage: KeyValueStorage | null;
  readonly #prefix: string;
  readonly #runsMax: number;
  readonly #charsMax: number;

  constructor(options: CursorStoreOptions = {}) {
    this.#storage = options.storage === undefined ? ownStorage() : options.storage;
    this.#prefix = options.prefix ?? "headwater";
    this.#runsMax = options.runsMax ?? 16;
    this.#charsMax = options.charsMax ?? 512 * 1024;
  }

  /** Keeps a run's cursor, its snapshot's seq. The work is that of writing the snapshot down: not for each record. */
  save(run: string, snapshot: Snapshot): void {
    const others = this.runs().filter((each) => each !== run);
    const text = JSON.stringify({ run, cursor: snapshot.seq, snapshot });
    if (text.length > this.#charsMax) {
      this.forget(run);
      return;
    }
    const kept = others.slice(-Math.max(0, this.#runsMax - 1));
    for (const old of others.slice(0, others.length - kept.length)) {
      this.#remove(this.#key(old));
    }
    // A full storage takes it once enough of the older ones are gone, or never.
    while (!this.#set(this.#key(run), text)) {
      const oldest = kept.shift();
      if (oldest === undefined) {
        this.#remove(this.#key(run));
        this.#setRuns(kept);
        return;
      }
      this.#remove(this.#key(oldest));
    }
    this.#setRuns([...kept, run]);
  }

  /** What was saved last for this run. */
  load(run: string): SavedCursor | null {
    const saved = this.#get(this.#key(run));
    if (!isObject(saved) || saved.run !== run || !isSnapshot(saved.snapshot) || saved.snapshot.seq !== saved.cursor) {
      return null;
    }
    return { run, cursor: saved.snapshot.seq, snapshot: saved.snapshot };
  }

  forget(run: string): void {
    this.#remove(this.#key(run));
    this.#setRuns(this.runs().filter((each) => each !== run));
  }

  /** The runs that are kept, the newest saved last. */
  runs(): string[] {
    const index = this.#get(`${this.#prefix}:runs`);
    return Array.isArray(index) ? index.filter((each) => typeof each === "string").slice(-this.#runsMax) : [];
  }

  #key(run: string): string {
    return `${this.#prefix}:run:${run}`;
  }

  #setRuns(runs: readonly string[]): void {
    this.#set(`${this.#prefix}:runs`, JSON.stringify(runs));
  }

  #get(key: string): unknown {
    try {
      return JSON.parse(this.#storage?.getItem(key) ?? "null");
    } catch {
      return null;
    }
  }

  #set(key: string, text: string): boolean {
    try {
      this.#storage?.setItem(key, text);
      return true;
    } catch {
      return false;
    }
  }

  #remove(key: string): void {
    try {
      this.#storage?.removeItem(key);
    } catch {
      // Switched off in the middle: then nothing is kept any more.
    }
  }
}

function ownStorage(): KeyValueStorage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

function isSnapshot(value: unknown): value is Snapshot {
  return (
    isObject(value) &&
    Number.isInteger(value.seq) &&
    (value.seq as number) >= 0 &&
    ["text", "reasoning", "refusal"].every((member) => typeof value[member] === "string") &&
    isListOf(value.parts, { index: "number", kind: "string", text: "string" }) &&
    isListOf(value.tool_calls, { id: "string", name: "string", arguments: "string", done: "boolean" }) &&
    isListOf(value.calls, { call: "number", role: "string", provider: "string", model: "string" }) &&
    isObject(value.state) &&
    (value.usage === null || isObject(value.usage)) &&
    (value.error === null || isObject(value.error))
  );
}

function isListOf(value: unknown, members: Readonly<Record<string, string>>): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (each) => isObject(each) && Object.entries(members).every(([name, type]) => typeof each[name] === type),
    )
  );
}

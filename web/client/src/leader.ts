/** The tab that has the connection: it reads what all tabs want, and tells all what comes. It does not try again. */

import { ServerError } from "./errors.ts";
import type { Http } from "./http.ts";
import { RUNS_MAX } from "./many.ts";
import { StreamReader } from "./reader.ts";
import { decodeNamed, isFinal, type Named } from "./record.ts";
import type { LeaderMessage, TabMessage, WantedRun } from "./tab-messages.ts";
import type { Wakes } from "./wakes.ts";

export interface LeaderParts {
  readonly channel: BroadcastChannel;
  readonly http: Http;
  readonly silenceMs: number;
  readonly wakes: Wakes;
  /** Calls `gone` when that tab is. */
  readonly watch: (tab: string, gone: () => void) => void;
}

interface Reader {
  readonly tab: string;
  readonly runs: ReadonlySet<string>;
}

interface Connection {
  readonly controller: AbortController;
  /** The runs of it, once it stands. */
  opened: readonly string[] | null;
}

const ALIVE_MS = 1000;

/** Of a run that several tabs want, the one that is farthest behind decides; the others drop what they have. */
export class Leader {
  readonly #parts: LeaderParts;
  readonly #readers = new Map<string, Reader>();
  readonly #tabs = new Set<string>();
  /** Of each run that is wanted, the seq of the newest record told. */
  readonly #cursors = new Map<string, number>();
  readonly #deafen: () => void;
  #connection: Connection | null = null;
  #aliveAt = 0;

  constructor(parts: LeaderParts) {
    this.#parts = parts;
    parts.channel.onmessage = ({ data }: MessageEvent<TabMessage>) => this.#take(data);
    this.#deafen = parts.wakes((reason) => {
      if (reason === "network" || Date.now() - this.#aliveAt > parts.silenceMs / 2) {
        this.#open();
      }
    });
    this.#tell({ kind: "leads" });
  }

  close(): void {
    this.#deafen();
    this.#readers.clear();
    this.#cursors.clear();
    this.#open();
    this.#parts.channel.close();
  }

  #tell(message: LeaderMessage): void {
    this.#parts.channel.postMessage(message);
  }

  #take(message: TabMessage): void {
    if (message.kind === "want") {
      this.#wanted(message.tab, message.reader, message.runs);
    } else if (message.kind === "leave") {
      this.#left(message.reader);
    }
  }

  #wanted(tab: string, reader: string, runs: readonly WantedRun[]): void {
    const added = runs.filter(({ run }) => !this.#cursors.has(run));
    if (this.#cursors.size + added.length > RUNS_MAX) {
      // More than a connection carries: this reader goes another way.
      return;
    }
    this.#tell({ kind: "taken", reader });
    this.#readers.set(reader, { tab, runs: new Set(runs.map(({ run }) => run)) });
    if (!this.#tabs.has(tab)) {
      this.#tabs.add(tab);
      this.#parts.watch(tab, () => this.#gone(tab));
    }
    const behind = runs.filter(({ run, after }) => after < (this.#cursors.get(run) ?? Number.POSITIVE_INFINITY));
    for (const { run, after } of behind) {
      this.#cursors.set(run, after);
    }
    const opened = this.#connection?.opened;
    if (behind.length > 0) {
      this.#open();
    } else if (opened) {
      this.#tell({ kind: "opened", runs: opened });
    }
  }

  #left(reader: string): void {
    if (!this.#readers.delete(reader)) {
      return;
    }
    const wanted = new Set([...this.#readers.values()].flatMap(({ runs }) => [...runs]));
    const unwanted = [...this.#cursors.keys()].filter((run) => !wanted.has(run));
    for (const run of unwanted) {
      this.#cursors.delete(run);
    }
    if (unwanted.length > 0) {
      this.#open();
    }
  }

  #gone(tab: string): void {
    this.#tabs.delete(tab);
    for (const [name, reader] of [...this.#readers]) {
      if (reader.tab === tab) {
        this.#left(name);
      }
    }
  }

  /** Opens the connection anew with what is wanted now. */
  #open(): void {
    this.#connection?.controller.abort();
    this.#connection = null;
    if (this.#cursors.size > 0) {
      const connection: Connection = { controller: new AbortController(), opened: null };
      this.#connection = connection;
      void this.#read(connection);
    }
  }

  async #read(connection: Connection): Promise<void> {
    const { http, silenceMs } = this.#parts;
    const { signal } = connection.controller;
    const runs = Array.from(this.#cursors, ([run, after]) => `run=${encodeURIComponent(run)}:${after}`);
    try {
      const call = { method: "GET", path: `/api/v1/events?${runs.join("&")}` };
      const response = await http.open(call, silenceMs, signal);
      if (response.status === 204) {
        this.#endAll();
        return;
      }
      connection.opened = [...this.#cursors.keys()];
      this.#tell({ kind: "opened", runs: connection.opened });
      for await (const told of new StreamReader(response, { silenceMs, signal }).decoded(decodeNamed)) {
        this.#alive();
        for (const each of told) {
          if (this.#connection !== connection) {
            return;
          }
          this.#pass(each);
        }
        if (this.#cursors.size === 0) {
          break;
        }
      }
    } catch (error) {
      if (this.#connection === connection) {
        this.#connection = null;
        this.#failed(error);
      }
    } finally {
      connection.controller.abort();
    }
  }

  #pass({ run, record, end }: Named): void {
    if (!this.#cursors.has(run)) {
      return;
    }
    if (record === undefined) {
      this.#end(run, end);
      return;
    }
    this.#cursors.set(run, record.seq);
    // What this version does not know is told as the server told it.
    const whole = record.type === "unknown" ? { ...record, type: record.name, name: undefined } : record;
    this.#tell({ kind: "record", run, seq: record.seq, json: JSON.stringify(whole) });
    if (isFinal(record)) {
      this.#end(run, "closed");
    }
  }

  #end(run: string, reason: string): void {
    const seq = this.#cursors.get(run) ?? 0;
    this.#forget(run);
    this.#tell({ kind: "ended", run, seq, reason });
  }

  #endAll(): void {
    this.#connection = null;
    for (const run of [...this.#cursors.keys()]) {
      this.#end(run, "closed");
    }
  }

  #forget(run: string): void {
    this.#cursors.delete(run);
    for (const [name, reader] of [...this.#readers]) {
      if ([...reader.runs].every((each) => !this.#cursors.has(each))) {
        this.#readers.delete(name);
      }
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof ServerError)) {
      this.#cursors.clear();
      this.#readers.clear();
      this.#tell({ kind: "lost" });
      return;
    }
    const { status, problem, retryAfterMs } = error;
    const said = retryAfterMs === null ? problem : { ...problem, retry_after_ms: retryAfterMs };
    // What is wrong with one run does not concern the others.
    const one = typeof problem.run === "string" && this.#cursors.has(problem.run) ? [problem.run] : null;
    for (const run of one ?? [...this.#cursors.keys()]) {
      this.#forget(run);
      this.#tell({ kind: "refused", run, status, problem: said });
    }
    this.#open();
  }

  #alive(): void {
    const now = Date.now();
    if (now - this.#aliveAt > ALIVE_MS) {
      this.#aliveAt = now;
      this.#tell({ kind: "alive" });
    }
  }
}

/** The forms of spec/cases; its README says what they mean. */

import { readFileSync } from "node:fs";

import type { Frame, ProtocolRecord, Snapshot } from "../src/index.ts";

export interface FramesCase {
  readonly name: string;
  readonly body?: string;
  readonly body_base64?: string;
  readonly frames: readonly Frame[];
  readonly comments?: number;
  readonly retry_ms?: number;
  readonly last_event_id?: string;
  readonly line_max?: number;
  readonly event_max?: number;
  readonly fault?: boolean;
}

/** A record as the server writes it: with types and fields that no client need know. */
export interface WireRecord {
  readonly seq: number;
  readonly t: number;
  readonly type: string;
  readonly data: unknown;
}

export interface CaseAnswer {
  readonly status?: number;
  readonly send?: readonly (number | "opening" | { readonly raw: string })[];
  readonly end?: "clean" | "cut" | "reset";
  readonly cut_at?: "every";
  readonly headers?: Readonly<Record<string, string>>;
  readonly problem?: unknown;
  readonly body?: string;
  readonly lost?: boolean;
}

export interface FollowCase {
  readonly name: string;
  readonly log?: readonly WireRecord[];
  readonly after?: number;
  readonly start?: boolean;
  readonly tries_max?: number;
  readonly answers: readonly (CaseAnswer | "rest")[];
  readonly sees: readonly number[];
  readonly requests?: readonly string[];
  readonly waits_ms?: readonly number[];
  readonly error?: { readonly name: string; readonly code: string };
}

export interface PagesAnswer extends CaseAnswer {
  readonly page?: readonly number[];
  readonly closed?: boolean;
  readonly lines?: readonly number[];
}

export interface PagesCase extends Omit<FollowCase, "answers"> {
  readonly answers: readonly (PagesAnswer | string)[];
  readonly via?: string;
  readonly fallback?: boolean;
}

export interface FormCase {
  readonly name: string;
  readonly form: string | null;
  readonly body: string;
  readonly ends?: "clean" | "cut";
  readonly events: readonly { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[];
  readonly error?: { readonly name: string; readonly code: string };
}

export interface FoldCase {
  readonly name: string;
  readonly records: readonly ProtocolRecord[];
  readonly snapshot: Snapshot;
}

interface CaseFile<Case> {
  readonly cases: readonly Case[];
  readonly log: readonly WireRecord[];
}

function read<Case>(name: string): CaseFile<Case> {
  return JSON.parse(readFileSync(new URL(`../../../spec/cases/${name}.json`, import.meta.url), "utf-8"));
}

export const FRAMES = read<FramesCase>("frames").cases;
export const FOLLOW = read<FollowCase>("follow");
export const FOLD = read<FoldCase>("fold").cases;
export const FORMS = read<FormCase>("forms").cases;
export const PAGES = read<PagesCase>("pages").cases;

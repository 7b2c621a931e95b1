/** What the tabs of a browser tell each other over a BroadcastChannel to share one connection. */

/** To whoever has the connection. A reader is one stream of one tab. */
export type TabMessage =
  | { readonly kind: "want"; readonly tab: string; readonly reader: string; readonly runs: readonly WantedRun[] }
  | { readonly kind: "leave"; readonly reader: string };

export interface WantedRun {
  readonly run: string;
  readonly after: number;
}

/** From whoever has the connection, to all. */
export type LeaderMessage =
  /** It is new: everybody says again what they want. */
  | { readonly kind: "leads" }
  /** It knows of this reader: no need to go another way. */
  | { readonly kind: "taken"; readonly reader: string }
  /** The connection stands, with these runs. */
  | { readonly kind: "opened"; readonly runs: readonly string[] }
  | { readonly kind: "record"; readonly run: string; readonly seq: number; readonly json: string }
  /** There is no more of this run behind this seq: `closed`, or `deleted`. */
  | { readonly kind: "ended"; readonly run: string; readonly seq: number; readonly reason: string }
  /** The server's answer was this, in place of a stream with this run. */
  | { readonly kind: "refused"; readonly run: string; readonly status: number; readonly problem: object }
  /** The connection broke. Whoever still wants something says so again, when its own patience has it. */
  | { readonly kind: "lost" }
  | { readonly kind: "alive" };

/** Requests for an event stream of one run's records that are sent as requests for the same in another form. */

import { EVENT_STREAM } from "./http.ts";
import { isObject } from "./json.ts";

const RUNS_PATH = /\/api\/v1\/runs$/;
const EVENTS_PATH = /\/api\/v1\/runs\/[^/]+\/events$/;
const JSON_TYPE = "application/json";

export interface Page {
  readonly records: readonly { readonly seq: number }[];
  readonly last: number;
  readonly closed: boolean;
  readonly tail: number;
}

/** Of one run: what was asked for, and how to ask for it in other forms. */
export interface RunEvents {
  readonly query: URLSearchParams;
  /** As `media`. */
  readonly ask: (media: string) => Promise<Response>;
  /** A page of the records after a cursor; what comes within `waitMs` where there are none. */
  readonly askPage: (after: number, waitMs: number) => Promise<Response>;
}

/**
 * A `fetch` that has requests for the event stream of one run answered by `read`, also those for a run that they start:
 * that is started first. `read` answers null to what it does not do; that, and everything else, goes to `plain`.
 */
export function runEventsFetch(
  plain: typeof fetch,
  read: (events: RunEvents) => Promise<Response> | null,
): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (input instanceof Request || headers.get("accept") !== EVENT_STREAM) {
      return plain(input, init);
    }
    const address = new URL(String(input), globalThis.location?.href);
    const ask = (url: URL, media: string): Promise<Response> => {
      headers.set("Accept", media);
      return plain(url.href, { signal: init?.signal ?? null, cache: "no-store", headers });
    };
    const eventsOf = (url: URL): RunEvents => ({
      query: url.searchParams,
      ask: (media) => ask(url, media),
      askPage: (after, waitMs) => {
        const page = new URL(url);
        page.searchParams.set("after", String(after));
        page.searchParams.set("wait_ms", String(waitMs));
        return ask(page, JSON_TYPE);
      },
    });
    if (init?.method === "POST" && RUNS_PATH.test(address.pathname)) {
      headers.set("Accept", JSON_TYPE);
      const started = await plain(input, { ...init, headers });
      const run = started.ok ? await objectOf(started, "a run", ({ id }) => typeof id === "string") : null;
      const id = String(run?.id);
      const response =
        run === null ? null : await read(eventsOf(new URL(`${address.pathname}/${id}/events`, address)));
      // What was fetched has its head already, and one that can not be written to.
      return response?.ok ? named(response, id) : (response ?? started);
    }
    const asked = EVENTS_PATH.test(address.pathname) ? read(eventsOf(address)) : null;
    return asked ?? plain(input, init);
  };
}

function named(response: Response, run: string): Response {
  const headers = new Headers(response.headers);
  headers.set("X-Run-Id", run);
  return new Response(response.body, { status: response.status, headers });
}

/** Whether nothing more will come: of a reader of some types the cursor may be before the tail, too. */
export function isEmptyEnd({ records, last, closed, tail }: Page): boolean {
  return closed && records.length === 0 && last >= tail;
}

/** Throws `TypeError` for an answer that is no page. */
export async function pageOf(response: Response): Promise<Page> {
  if (!response.ok) {
    throw new TypeError(`The server answered with status ${response.status}`);
  }
  const isPage = ({ records, last }: Record<string, unknown>) => Array.isArray(records) && Number.isInteger(last);
  return (await objectOf(response, "a page of records", isPage)) as unknown as Page;
}

async function objectOf(
  response: Response,
  what: string,
  fits: (value: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  const value: unknown = await response.json();
  if (!isObject(value) || !fits(value)) {
    throw new TypeError(`The server's answer is not ${what}`);
  }
  return value;
}

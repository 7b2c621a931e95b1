/** A server that asks for keys: notices that it does, and has the browser show one from now on, or none any more. */

const SESSION = "/api/v1/session";
const ANSWER_TIMEOUT_MS = 15_000;

/** Looks at every answer that the page gets; `wanted` once the server has asked for a key. */
export class KeyGate {
  readonly #listeners = new Set<() => void>();
  #wanted = false;
  /** What the page's client sends by. */
  readonly fetch: typeof fetch;

  constructor(send: typeof fetch) {
    this.fetch = async (input, init) => {
      const response = await send(input, init);
      // A provider's 401 that is passed on asks the page for nothing.
      if (response.status === 401 && response.headers.has("WWW-Authenticate")) this.#want();
      return response;
    };
  }

  readonly wanted = (): boolean => this.#wanted;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #want(): void {
    this.#wanted = true;
    for (const listener of this.#listeners) listener();
  }
}

/** `refused` is the key; with `unneeded`, `tooMany` and `barred` it was not even looked at. */
export type SignedIn = "yes" | "refused" | "unneeded" | "tooMany" | "barred" | "unanswered";

/** Shows the key to the server once; then the browser does, by a cookie that no script can read. */
export async function signIn(key: string, send: typeof fetch = fetch): Promise<SignedIn> {
  try {
    const response = await send(SESSION, asked("POST", JSON.stringify({ key })));
    return response.ok ? "yes" : refusalBy(response.status);
  } catch {
    return "unanswered";
  }
}

function refusalBy(status: number): Exclude<SignedIn, "yes"> {
  switch (status) {
    case 400: // no text that a key can be
    case 401:
    case 413: // longer than any key
      return "refused";
    case 409:
      return "unneeded";
    case 429:
      return "tooMany";
    default:
      return status < 500 ? "barred" : "unanswered";
  }
}

/** Whether the server has taken the cookie away. */
export async function signOut(send: typeof fetch = fetch): Promise<boolean> {
  try {
    return (await send(SESSION, asked("DELETE"))).ok;
  } catch {
    return false;
  }
}

/** The name of the key by which the page is here; null where the server asks for none. */
export async function keyName(send: typeof fetch = fetch): Promise<string | null> {
  const response = await send(SESSION, asked("GET"));
  if (!response.ok) return null;
  const session = (await response.json()) as { key: { name: string } | null };
  return session.key?.name ?? null;
}

function asked(method: string, body?: string): RequestInit {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const init: RequestInit = { method, cache: "no-store", redirect: "error", signal };
  return body === undefined ? init : { ...init, body, headers: { "Content-Type": "application/json" } };
}

import { type FormEvent, type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { type KeyGate, signIn, type SignedIn } from "./keys.ts";

const REFUSALS: Record<Exclude<SignedIn, "yes">, string> = {
  refused: "The server does not take this key.",
  unneeded: "The server asks for no key any more. Load this page again.",
  tooMany: "The server was asked too often. Try again in a moment.",
  barred: "The server does not let this page sign in, whatever the key. Whoever runs it can say why.",
  unanswered: "The server did not answer. Try again in a moment.",
};

/** The page, or, once the server has asked for a key, a place to put one. */
export function Gated({ gate, children }: { gate: KeyGate; children: ReactNode }) {
  return useSyncExternalStore(gate.subscribe, gate.wanted) ? <SignIn /> : children;
}

function SignIn() {
  const [key, setKey] = useState("");
  const [state, setState] = useState<"asking" | "sent" | keyof typeof REFUSALS>("asking");
  useEffect(() => {
    document.title = "Sign in · Headwater";
  }, []);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setState("sent");
    const signed = await signIn(key.trim());
    // Everything is asked anew: what the page was told before was that it is told nothing.
    if (signed === "yes") location.reload();
    else setState(signed);
  };
  return (
    <main className="notice">
      <h1>This server asks for a key</h1>
      <p>
        Whoever runs it makes one with <code>headwater keys create</code>.
      </p>
      <form className="sign-in" onSubmit={(event) => void submit(event)}>
        <label htmlFor="key">Key</label>
        <input
          id="key"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          autoFocus
          required
          data-testid="key"
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
        <button type="submit" className="button" data-testid="sign-in" disabled={state === "sent"}>
          Sign in
        </button>
      </form>
      <p role="status" data-testid="sign-in-refusal">
        {state === "asking" || state === "sent" ? "" : REFUSALS[state]}
      </p>
    </main>
  );
}

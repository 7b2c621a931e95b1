import type { RunRequest } from "@headwater/client";
import { SIMULATED } from "./ModelSelect.tsx";
import type { Asking } from "./useAsk.ts";

interface Example {
  readonly name: string;
  readonly shows: string;
  readonly text: string;
  readonly settings?: RunRequest["settings"];
}

const EXAMPLES: readonly Example[] = [
  {
    name: "Reload in mid-answer",
    shows: "A long answer. Reload the page, or open its address in a second tab: it goes on where it is.",
    text: "Why does a river meander?",
    settings: { extra: { simulated: { words: 400 } } },
  },
  {
    name: "Think first",
    shows: "The model thinks aloud, then answers. The thoughts fold away when the answer begins.",
    text: "Compare three ways to cross a delta.",
    settings: { reasoning_effort: "medium" },
  },
  {
    name: "Fail half-way",
    shows: "The provider gives up after forty words. What came is kept, and you can try again.",
    text: "Describe the source of the Danube.",
    settings: { extra: { simulated: { words: 120, fail_after: 40, fail_code: "OVERLOADED" } } },
  },
];

/** What this page is for, and three ways to see it without a key. */
export function EmptyState({ ask }: { ask: Asking }) {
  return (
    <section className="welcome" aria-label="Introduction">
      <h2>Answers that outlive their connection</h2>
      <p>
        Every token is on disk before you see it. Close the tab, lose the network, restart the server: the answer is
        here when you come back, whole and in order.
      </p>
      <ul>
        {EXAMPLES.map(({ name, shows, text, settings }) => (
          <li key={name}>
            <button
              type="button"
              className="example"
              data-testid="example"
              onClick={() => ask.ask(SIMULATED, text, settings)}
            >
              <strong>{name}</strong>
              <span>{shows}</span>
            </button>
          </li>
        ))}
      </ul>
      <p className="hint">The examples use the simulated model, which needs no key and costs nothing.</p>
    </section>
  );
}

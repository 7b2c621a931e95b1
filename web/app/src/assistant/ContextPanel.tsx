import { memo } from "react";
import { entitiesOf, wordsOfName } from "./context.ts";
import type { Context } from "./sessions.ts";

/** What the assistant has understood so far. It changes before the answer begins. */
export const ContextPanel = memo(function ContextPanel({ context }: { context: Context | null }) {
  const entities = entitiesOf(context);
  const intent = context?.intent ?? null;
  return (
    <aside className="context-panel" aria-label="Context" data-testid="context">
      <h2>Context</h2>
      {intent === null && entities.length === 0 ? (
        <p className="hint">What the assistant understands is shown here, before it answers.</p>
      ) : (
        <dl>
          {intent !== null && (
            <div>
              <dt>Intent</dt>
              <dd data-testid="intent">{wordsOfName(intent)}</dd>
            </div>
          )}
          {entities.map(([name, value]) => (
            <div key={name}>
              <dt>{wordsOfName(name)}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </aside>
  );
});

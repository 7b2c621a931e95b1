import type { ToolCallSnapshot } from "@headwater/client";
import { memo } from "react";

function argumentsOf(call: ToolCallSnapshot): string {
  if (!call.done) return call.arguments;
  try {
    return JSON.stringify(JSON.parse(call.arguments), null, 2);
  } catch {
    return call.arguments;
  }
}

/** The tools that the model asked for, as it asked. */
export const ToolCalls = memo(function ToolCalls({ calls }: { calls: readonly ToolCallSnapshot[] }) {
  return calls.map((call) => (
    <section key={`${call.call ?? 1}:${call.id}`} className="tool-call" data-testid="tool-call" aria-label="Tool call">
      <h2>
        Asks for the tool <code>{call.name || "…"}</code>
        {!call.done && <span className="hint"> arriving</span>}
      </h2>
      <pre tabIndex={0}>{argumentsOf(call)}</pre>
    </section>
  ));
});

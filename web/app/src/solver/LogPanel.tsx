import { memo } from "react";
import { useStickToEnd } from "../browser/stickToEnd.ts";
import type { LogLine } from "./solveFold.ts";

const AWAITED = "What the search does is told here.";
const NOTHING = "Nothing was told.";

interface LogPanelProps {
  readonly lines: readonly LogLine[];
  /** How many came before those that are kept. */
  readonly before: number;
  /** Whether they come over a socket of their own. */
  readonly socket: boolean;
  readonly ended: boolean;
}

const Line = memo(function Line({ line: { t, level, message } }: { line: LogLine }) {
  return (
    <li data-level={level}>
      <time>{(t / 1000).toFixed(1)} s</time>
      {(level === "warning" || level === "error") && <strong>{level}</strong>}
      <span>{message}</span>
    </li>
  );
});

function wayOf(socket: boolean, ended: boolean): string {
  if (ended) return "";
  return socket ? "WebSocket" : "with the tokens";
}

/** What the search says of its steps, a line each. */
export const LogPanel = memo(function LogPanel({ lines, before, socket, ended }: LogPanelProps) {
  const { scroller, content, stuck } = useStickToEnd();
  return (
    <section className="panel" aria-labelledby="log-title" data-testid="log-panel">
      <header>
        <h2 id="log-title">Log</h2>
        <span className="hint" data-testid="log-way">
          {wayOf(socket, ended)}
        </span>
      </header>
      <div
        className="panel-body"
        ref={scroller}
        data-stuck={stuck}
        tabIndex={0}
        role="group"
        aria-labelledby="log-title"
      >
        <div ref={content}>
          {before > 0 && <p className="hint">{before} earlier lines are at the server.</p>}
          {lines.length === 0 && <p className="hint">{ended ? NOTHING : AWAITED}</p>}
          <ol className="log-lines" data-testid="log-lines">
            {lines.map((line) => (
              <Line key={line.seq} line={line} />
            ))}
          </ol>
        </div>
      </div>
    </section>
  );
});

import { memo } from "react";
import { StatusBadge } from "../chat/StatusBadge.tsx";
import type { RunStatus } from "../chat/status.ts";
import { TextView } from "../chat/TextView.tsx";
import { Words } from "../chat/Words.tsx";
import { CopyButton } from "../shell/CopyButton.tsx";
import type { Turn, Vote } from "./sessions.ts";
import { Votes } from "./Votes.tsx";

function statusOfTurn({ state, error }: Turn): RunStatus {
  const failure = { code: error?.code ?? "SERVER", message: error?.message ?? "The run failed.", retryable: true };
  switch (state) {
    case "running":
      return { kind: "streaming" };
    case "complete":
      return { kind: "complete", reason: "stop" };
    case "partial":
    case "failed":
      return { kind: state, failure };
  }
}

interface StoredTurnProps {
  readonly turn: Turn;
  readonly vote: (run: string, given: Vote | "none") => void;
}

/** What was asked and answered before, as the session has it. */
export const StoredTurn = memo(function StoredTurn({ turn, vote }: StoredTurnProps) {
  const status = statusOfTurn(turn);
  return (
    <>
      <Said text={turn.message} />
      <article className="turn assistant" aria-label="Answer" data-testid="turn-assistant" data-run={turn.run}>
        {turn.answer !== "" && <TextView text={turn.answer} growing={false} />}
        {turn.error !== null && (
          <p className="explanation" data-state={status.kind}>
            <Words text={turn.error.message} />
          </p>
        )}
        <footer>
          {turn.state !== "complete" && <StatusBadge status={status} told={false} />}
          <span className="actions">
            {turn.answer !== "" && <CopyButton text={turn.answer} label="Copy answer" />}
            <Votes vote={turn.vote} give={(given) => vote(turn.run, given)} />
          </span>
        </footer>
      </article>
    </>
  );
});

/** What the person said. */
export function Said({ text }: { text: string }) {
  return (
    <article className="turn user" aria-label="You" data-testid="turn-user">
      <div className="said">{text}</div>
    </article>
  );
}

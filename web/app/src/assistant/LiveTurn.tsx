import { explain } from "../chat/Answer.tsx";
import { AnswerBody } from "../chat/AnswerBody.tsx";
import { FiguresLine } from "../chat/FiguresLine.tsx";
import type { RunView } from "../chat/runFold.ts";
import { isEnd, type RunStatus } from "../chat/status.ts";
import { StatusBadge } from "../chat/StatusBadge.tsx";
import { CopyButton } from "../shell/CopyButton.tsx";
import { Icon } from "../shell/Icon.tsx";
import type { Vote } from "./sessions.ts";
import { Votes } from "./Votes.tsx";

interface LiveTurnProps {
  readonly run: string;
  readonly view: RunView;
  readonly vote: Vote | null;
  readonly give: (run: string, given: Vote | "none") => void;
  /** Says the same again. */
  readonly retry: () => void;
  /** What else there is to say of it. */
  readonly note: string | null;
  /** The next question is on its way. */
  readonly passed: boolean;
}

/** Of an answer that can not be read on, that. */
export function statusOfView({ status, trouble }: RunView): RunStatus {
  if (trouble === null) return status;
  return { kind: "failed", failure: { code: "NETWORK", message: trouble, retryable: true } };
}

/** The newest answer, as it arrives and as it ended. */
export function LiveTurn({ run, view, vote, give, retry, note, passed }: LiveTurnProps) {
  const status = statusOfView(view);
  const ended = isEnd(status.kind);
  const { snapshot } = view;
  const hasText = snapshot.text !== "";
  return (
    <article
      className="turn assistant"
      aria-label="Answer"
      data-live={!ended}
      data-testid={passed ? "turn-assistant" : "answer"}
      data-run={run}
      data-cursor={snapshot.seq}
      data-state={status.kind}
    >
      <AnswerBody
        snapshot={snapshot}
        state={status.kind}
        explanation={note ?? explain(status, hasText)}
        id={passed ? "passed-text" : "answer-text"}
      />
      <footer>
        <StatusBadge status={status} />
        {view.figures !== null && <FiguresLine figures={view.figures} ended={ended} />}
        {ended && (
          <span className="actions">
            {hasText && <CopyButton text={snapshot.text} label="Copy answer" />}
            {!passed && (
              <button
                type="button"
                className={status.kind === "complete" ? "quiet" : "button"}
                data-testid="retry"
                onClick={view.trouble === null ? retry : () => location.reload()}
              >
                <Icon name="retry" />
                Retry
              </button>
            )}
            <Votes vote={vote} give={(given) => give(run, given)} />
          </span>
        )}
      </footer>
    </article>
  );
}

interface AskedTurnProps {
  readonly streaming: boolean;
  /** Why it did not become a run. */
  readonly error: string | null;
  readonly again: () => void;
}

/** An answer that is being asked for: without streaming until it is whole. */
export function AskedTurn({ streaming, error, again }: AskedTurnProps) {
  const failure = { code: "NETWORK", message: error ?? "", retryable: true };
  const status: RunStatus = error === null ? { kind: "connecting" } : { kind: "failed", failure };
  return (
    <article
      className="turn assistant"
      aria-label="Answer"
      data-live={error === null}
      data-testid="answer"
      data-state={status.kind}
    >
      <AnswerBody snapshot={undefined} state={status.kind} explanation={error} id="answer-text" />
      <footer>
        {streaming || error !== null ? <StatusBadge status={status} /> : <Whole />}
        {error !== null && (
          <span className="actions">
            <button type="button" className="button" data-testid="retry" onClick={again}>
              <Icon name="retry" />
              Retry
            </button>
          </span>
        )}
      </footer>
    </article>
  );
}

function Whole() {
  return (
    <span className="badge" role="status" data-testid="status" data-state="connecting">
      <i className="dot" data-state="connecting" />
      Waiting for the whole answer
    </span>
  );
}

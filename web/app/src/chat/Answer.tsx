import { CopyButton } from "../shell/CopyButton.tsx";
import { Icon } from "../shell/Icon.tsx";
import { useModels } from "../models/useModels.ts";
import { AnswerBody } from "./AnswerBody.tsx";
import { answeredBy } from "./answeredBy.ts";
import { FiguresLine, timeWords } from "./FiguresLine.tsx";
import type { LiveRun } from "./liveRun.ts";
import type { RunView } from "./runFold.ts";
import { type Failure, isEnd, type RunStatus } from "./status.ts";
import { StatusBadge } from "./StatusBadge.tsx";
import type { Asking } from "./useAsk.ts";

const CONNECTING: RunStatus = { kind: "connecting" };

function failureWords({ message, retry_after_ms: wait }: Failure): string {
  const sentence = /[.!?…]$/.test(message) ? message : `${message}.`;
  return wait ? `${sentence} The provider asks to wait ${timeWords(wait)}.` : sentence;
}

/** What is said beneath an answer that did not come to its end. */
export function explain(status: RunStatus, hasText: boolean): string | null {
  switch (status.kind) {
    case "stopped": {
      const why = status.by === "disconnect" ? "Stopped because nobody was reading." : "Stopped.";
      return `${why} ${hasText ? "What came is kept." : "Nothing had come yet."}`;
    }
    case "partial":
      return `${failureWords(status.failure)} What came before is kept.`;
    case "failed":
      return failureWords(status.failure);
    case "reconnecting":
      return navigator.onLine
        ? "The connection to the server is lost. This page goes on as soon as it is back."
        : "This device is offline. The answer goes on at the server, and here as soon as there is a network.";
    case "complete":
      return status.reason === "refusal" ? "The model declined to answer." : null;
    default:
      return null;
  }
}

interface ActionsProps {
  readonly text: string;
  readonly retry: (() => void) | null;
  readonly retryable: boolean;
}

function Actions({ text, retry, retryable }: ActionsProps) {
  return (
    <>
      {text !== "" && <CopyButton text={text} label="Copy answer" />}
      {retry !== null && (
        <button type="button" className={retryable ? "button" : "quiet"} data-testid="retry" onClick={retry}>
          <Icon name="retry" />
          Retry
        </button>
      )}
    </>
  );
}

interface AnswerProps {
  readonly view: RunView | null;
  readonly asking: Asking;
  readonly live: LiveRun | null;
  /** What else there is to say of it. */
  readonly note: string | null;
}

/** What the button does: asks again, reads a run again that may be well, or makes a new run with the same input. */
function retryOf(view: RunView | null, asking: Asking, live: LiveRun | null): (() => void) | null {
  if (view === null) return asking.again;
  if (view.trouble !== null) return () => location.reload();
  return live === null ? null : () => asking.retry(live.id);
}

/** An answer that is awaited, arrives, or has ended. Without a view it is still being asked for. */
export function Answer({ view, asking, live, note }: AnswerProps) {
  const error = view === null ? asking.error : view.trouble;
  const failure = { code: "NETWORK", message: error ?? "", retryable: true };
  const status = error !== null ? ({ kind: "failed", failure } as const) : (view?.status ?? CONNECTING);
  const snapshot = view?.snapshot;
  const ended = isEnd(status.kind);
  const retry = retryOf(view, asking, live);
  const hasText = snapshot !== undefined && snapshot.text !== "";
  const explanation = note ?? error ?? explain(status, hasText);
  const models = useModels().data ?? [];
  const other = view === null || view.run === null ? null : answeredBy(view.run, view.snapshot, models);
  const retryable = status.kind === "stopped" || ("failure" in status && status.failure.retryable);
  return (
    <article
      className="turn assistant"
      aria-label="Answer"
      data-live={!ended}
      data-testid="answer"
      data-run={live?.id}
      data-cursor={snapshot?.seq ?? 0}
      data-state={status.kind}
    >
      <AnswerBody snapshot={snapshot} state={status.kind} explanation={explanation} id="answer-text" />
      <footer>
        <StatusBadge status={status} />
        {other !== null && (
          <span className="answered-by" data-testid="answered-by">
            by {other}
          </span>
        )}
        {view?.figures != null && <FiguresLine figures={view.figures} ended={ended} />}
        <span className="actions">
          {ended && <Actions text={snapshot?.text ?? ""} retry={retry} retryable={retryable} />}
        </span>
      </footer>
    </article>
  );
}

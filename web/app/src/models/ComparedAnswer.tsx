import { Link } from "@tanstack/react-router";
import { memo } from "react";
import { useStickToEnd } from "../browser/stickToEnd.ts";
import { AnswerBody } from "../chat/AnswerBody.tsx";
import { explain } from "../chat/Answer.tsx";
import type { RunView } from "../chat/runFold.ts";
import { isEnd, type RunStatus } from "../chat/status.ts";
import { StatusBadge } from "../chat/StatusBadge.tsx";
import { CopyButton } from "../shell/CopyButton.tsx";
import { Icon } from "../shell/Icon.tsx";
import { Scores } from "./Scores.tsx";
import type { Stops } from "./useStops.ts";

const MISSING = "This answer is not here. It was deleted, or the page’s address is not whole.";

interface ComparedAnswerProps {
  readonly id: string;
  readonly view: RunView;
  readonly stops: Stops;
  readonly retry: (run: string) => void;
}

/** Why nothing more is read of a run, where that is not the run's own doing. */
function troubleOf({ missing, trouble }: RunView): string | null {
  return missing ? MISSING : trouble;
}

function statusOfView(view: RunView): RunStatus {
  const trouble = troubleOf(view);
  if (trouble === null) return view.status;
  return { kind: "failed", failure: { code: "NETWORK", message: trouble, retryable: !view.missing } };
}

interface ButtonsProps extends ComparedAnswerProps {
  readonly ended: boolean;
  readonly name: string;
}

function Buttons({ id, view, stops, retry, ended, name }: ButtonsProps) {
  if (!ended) {
    return (
      <button
        type="button"
        className="quiet"
        data-testid="stop"
        disabled={stops.under(id)}
        aria-label={`Stop ${name}`}
        onClick={() => stops.stop([id])}
      >
        <Icon name="stop" />
        {stops.under(id) ? "Stopping" : "Stop"}
      </button>
    );
  }
  return (
    <>
      {view.snapshot.text !== "" && <CopyButton text={view.snapshot.text} label={`Copy the answer of ${name}`} />}
      {view.run !== null && (
        <>
          <button
            type="button"
            className="quiet"
            data-testid="retry"
            aria-label={`Ask ${name} again`}
            title="Ask again"
            onClick={() => retry(id)}
          >
            <Icon name="retry" />
          </button>
          <Link
            to="/c/$run"
            params={{ run: id }}
            className="quiet"
            data-testid="go-on"
            aria-label={`Go on with ${name}`}
            title="Go on in a chat"
          >
            <Icon name="chevron" />
          </Link>
        </>
      )}
    </>
  );
}

/** One of the answers: what arrives, where it stands, and what it took. */
export const ComparedAnswer = memo(function ComparedAnswer(props: ComparedAnswerProps) {
  const { id, view, stops } = props;
  const { scroller, content, stuck } = useStickToEnd();
  const status = statusOfView(view);
  const ended = isEnd(status.kind);
  const { run, snapshot } = view;
  const model = run?.model ?? "…";
  const label = run?.metadata.label;
  const name = label === undefined ? model : `${model}, ${label}`;
  const explanation = stops.error(id) ?? troubleOf(view) ?? explain(status, snapshot.text !== "");
  return (
    <article
      className="compared"
      aria-label={name}
      data-testid="compared"
      data-live={!ended}
      data-run={id}
      data-cursor={snapshot.seq}
      data-state={status.kind}
    >
      <header>
        <h2 title={name}>
          {model}
          {label !== undefined && <small>{label}</small>}
        </h2>
        <span className="actions">
          <Buttons {...props} ended={ended} name={name} />
        </span>
      </header>
      <div
        className="compared-text"
        ref={scroller}
        data-stuck={stuck}
        tabIndex={0}
        role="group"
        aria-label={`What ${name} says`}
      >
        <div ref={content}>
          <AnswerBody snapshot={snapshot} state={status.kind} explanation={explanation} id="compared-text" />
        </div>
      </div>
      <footer>
        <StatusBadge status={status} told={false} />
        <Scores figures={view.figures} ended={ended} />
      </footer>
    </article>
  );
});

import { Link } from "@tanstack/react-router";
import { explain } from "../chat/Answer.tsx";
import { FiguresLine } from "../chat/FiguresLine.tsx";
import { isEnd, type RunStatus } from "../chat/status.ts";
import { StatusBadge } from "../chat/StatusBadge.tsx";
import { Words } from "../chat/Words.tsx";
import { Icon } from "../shell/Icon.tsx";
import type { SolveView } from "./solveFold.ts";
import type { Solving } from "./useSolve.ts";

interface SolveHeadProps {
  readonly task: string | null;
  readonly view: SolveView;
  readonly solving: Solving;
}

/** Where the search stands: of one whose records can not be read on, that. */
export function statusOfSolve({ status, trouble }: SolveView): RunStatus {
  if (trouble === null) return status;
  return { kind: "failed", failure: { code: "NETWORK", message: trouble, retryable: true } };
}

function Buttons({ task, view, solving }: SolveHeadProps) {
  if (!isEnd(statusOfSolve(view).kind)) {
    return (
      <button type="button" className="send stop" data-testid="stop" disabled={solving.stopping} onClick={solving.stop}>
        <Icon name="stop" />
        {solving.stopping ? "Stopping" : "Stop"}
      </button>
    );
  }
  return (
    <>
      {view.run !== null && (
        <button
          type="button"
          className="button"
          data-testid="retry"
          disabled={solving.starting}
          onClick={view.trouble === null ? solving.retry : () => location.reload()}
        >
          <Icon name="retry" />
          {view.trouble === null ? "Search again" : "Load it again"}
        </button>
      )}
      {task !== null && (
        <Link to="/solver" search={{ task }} className="quiet" data-testid="change">
          Change
        </Link>
      )}
    </>
  );
}

/** What is searched, where that stands, and what can be done about it. */
export function SolveHead(props: SolveHeadProps) {
  const { task, view, solving } = props;
  const status = statusOfSolve(view);
  const ended = isEnd(status.kind);
  const told = solving.error ?? explain(status, view.calls.length > 0);
  return (
    <header className="solve-head">
      <div className="solve-title">
        <Link to="/solver" className="quiet" aria-label="All puzzles" data-testid="all-puzzles">
          <Icon name="back" />
        </Link>
        <h2>
          {task ?? "Search"} <small>{view.run?.model}</small>
        </h2>
        <span className="actions">
          <Buttons {...props} />
        </span>
      </div>
      <div className="solve-state">
        <StatusBadge status={status} />
        {view.figures !== null && <FiguresLine figures={view.figures} ended={ended} />}
      </div>
      {!ended && view.doing !== null && (
        <p className="solve-phase" data-testid="phase">
          {view.progress !== null && <progress max={1} value={view.progress} aria-label="Progress" />}
          <span>{view.doing}</span>
        </p>
      )}
      {told !== null && (
        <p className="explanation" data-state={status.kind}>
          <Words text={told} />
        </p>
      )}
    </header>
  );
}

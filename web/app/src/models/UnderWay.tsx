import { Link } from "@tanstack/react-router";
import type { RunView } from "../chat/runFold.ts";
import { Words } from "../chat/Words.tsx";
import { StopAll } from "./AskBar.tsx";
import { progressWords } from "./comparison.ts";

interface UnderWayProps {
  readonly views: ReadonlyMap<string, RunView>;
  readonly stop: () => void;
  /** Why they could not be stopped. */
  readonly error: string | null;
}

/** Said on the list: the answers that were asked for go on, can be looked at and can be stopped. */
export function UnderWay({ views, stop, error }: UnderWayProps) {
  return (
    <div className="under-way" data-testid="under-way">
      <p role="status">
        {progressWords(views)}
        {error !== null && (
          <>
            . <Words text={error} />
          </>
        )}
      </p>
      <Link to="/models" search={{ runs: [...views.keys()].join(",") }} className="quiet" data-testid="show-answers">
        Show
      </Link>
      <StopAll stop={stop} />
    </div>
  );
}

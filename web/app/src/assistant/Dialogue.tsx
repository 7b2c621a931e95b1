import type { UseQueryResult } from "@tanstack/react-query";
import { NotFound } from "@headwater/client";
import type { RunView } from "../chat/runFold.ts";
import { Words } from "../chat/Words.tsx";
import { AskedTurn, LiveTurn } from "./LiveTurn.tsx";
import { messageOf, suggestionsOf } from "./result.ts";
import type { Session } from "./sessions.ts";
import { Said, StoredTurn } from "./StoredTurn.tsx";
import { Suggestions } from "./Suggestions.tsx";
import type { Dialogue as Asking } from "./useDialogue.ts";
import { useVotes } from "./useSession.ts";

interface DialogueProps {
  readonly id: string | null;
  readonly session: UseQueryResult<Session>;
  readonly dialogue: Asking;
  /** The run of the newest answer. */
  readonly current: string | null;
  readonly view: RunView | null;
  readonly ask: (message: string) => void;
  readonly busy: boolean;
  /** Why the newest answer could not be stopped. */
  readonly note: string | null;
}

function Missing() {
  return (
    <div className="notice">
      <h1>This conversation is not here</h1>
      <p>It was deleted, or its address is not whole.</p>
    </div>
  );
}

/** What was said, what is being answered, and what could be said next. */
export function Dialogue(props: DialogueProps) {
  const { id, session, dialogue, current, view, ask, busy, note } = props;
  const votes = useVotes(id);
  const { asked, error, again } = dialogue;
  if (asked === null && (view?.missing || session.error instanceof NotFound)) return <Missing />;
  const turns = session.data?.turns ?? [];
  const newest = turns.find(({ run }) => run === current);
  const message = newest?.message ?? messageOf(view?.run?.request.input);
  const told = suggestionsOf(view?.snapshot.value);
  const suggestions = told.length > 0 ? told : (newest?.suggestions ?? []);
  return (
    <>
      {session.isPending && current === null && id !== null && <p className="hint">Loading the conversation</p>}
      {session.isError && !(session.error instanceof NotFound) && (
        <p className="explanation" data-state="failed" role="alert">
          What was said before can not be read now.{" "}
          <button type="button" className="link" onClick={() => void session.refetch()}>
            Try again
          </button>
        </p>
      )}
      {turns
        .filter(({ run }) => run !== current)
        .map((turn) => (
          <StoredTurn key={turn.run} turn={turn} vote={votes.give} />
        ))}
      {current !== null && view !== null && (
        <>
          {message !== null && <Said text={message} />}
          <LiveTurn
            run={current}
            view={view}
            vote={newest?.vote ?? null}
            give={votes.give}
            retry={() => message !== null && ask(message)}
            note={note}
            passed={asked !== null}
          />
        </>
      )}
      {votes.error !== null && (
        <p className="explanation" data-state="failed" role="alert">
          <Words text={votes.error} />
        </p>
      )}
      {asked !== null && (
        <>
          <Said text={asked.question.message} />
          <AskedTurn streaming={asked.streaming} error={error} again={again} />
        </>
      )}
      {!busy && asked === null && <Suggestions suggestions={suggestions} ask={ask} />}
    </>
  );
}

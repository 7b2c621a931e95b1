import { useEffect } from "react";
import { useKeys } from "../browser/keys.ts";
import { useStickToEnd } from "../browser/stickToEnd.ts";
import { Icon } from "../shell/Icon.tsx";
import { Answer } from "./Answer.tsx";
import { Composer } from "./Composer.tsx";
import { titleOfRun, turnsOf } from "./conversation.ts";
import { EmptyState } from "./EmptyState.tsx";
import type { LiveRun } from "./liveRun.ts";
import type { RunView } from "./runFold.ts";
import { isEnd } from "./status.ts";
import { Transcript } from "./Transcript.tsx";
import { type Asking, useAsk } from "./useAsk.ts";
import { useListRefresh, useRun } from "./useRun.ts";
import { type Stopping, useStop } from "./useStop.ts";
import { ViewSwitch } from "./ViewSwitch.tsx";

const MISSING = "This conversation is not here";

const composer = (): HTMLElement | null => document.getElementById("composer");

function KeysHint() {
  return (
    <p>
      <kbd>Enter</kbd> sends · <kbd>Shift Enter</kbd> new line · <kbd>Esc</kbd> stops · <kbd>/</kbd> to write
    </p>
  );
}

interface ConversationProps {
  readonly view: RunView | null;
  readonly ask: Asking;
  readonly live: LiveRun | null;
  readonly stopping: Stopping;
}

function Conversation({ view, ask, live, stopping }: ConversationProps) {
  const { asked } = ask;
  if (view?.missing) {
    return (
      <div className="notice">
        <h1>{MISSING}</h1>
        <p>It was deleted, or its address is not whole.</p>
      </div>
    );
  }
  const turns = turnsOf(asked?.request ?? view?.run?.request ?? { model: "" });
  return (
    <>
      <Transcript turns={turns} />
      {asked !== null && <Answer view={null} asking={ask} live={null} note={null} />}
      {asked === null && view !== null && <Answer view={view} asking={ask} live={live} note={stopping.error} />}
    </>
  );
}

export function ChatPage({ id }: { id: string | null }) {
  const [live, view] = useRun(id);
  const ask = useAsk(view?.run ?? null);
  const { scroller, content, stuck, jump } = useStickToEnd();
  const ended = view === null || view.missing || isEnd(view.status.kind) || view.trouble !== null;
  const busy = ask.asked !== null ? ask.error === null : !ended;
  const stopping = useStop(live, ask, busy);
  useKeys(busy ? stopping.stop : null, composer);
  useListRefresh(ended, id);
  useEffect(jump, [jump, id, ask.asked]);
  const missing = view?.missing === true;
  const title = missing ? MISSING : titleOfRun(view?.run ?? null);
  useEffect(() => {
    document.title = title === undefined ? "Headwater" : `${title} · Headwater`;
  }, [title]);
  const empty = id === null && ask.asked === null;
  return (
    <main className={empty ? "chat empty" : "chat"}>
      {!missing && <h1 className="for-readers">{title ?? "New chat"}</h1>}
      <div className="scroller" ref={scroller} data-stuck={stuck}>
        <div className="column" ref={content}>
          {empty ? <EmptyState ask={ask} /> : <Conversation view={view} ask={ask} live={live} stopping={stopping} />}
        </div>
      </div>
      <div className="dock">
        {!stuck && (
          <button type="button" className="jump" data-testid="jump" onClick={jump}>
            <Icon name="down" />
            Jump to latest
          </button>
        )}
        <Composer key={id ?? "new"} busy={busy} ask={ask} stopping={stopping} />
        <div className="under">
          <KeysHint />
          <ViewSwitch />
        </div>
      </div>
    </main>
  );
}

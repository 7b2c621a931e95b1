import { getRouteApi, Link } from "@tanstack/react-router";
import { type MouseEvent, useEffect } from "react";
import { useKeys } from "../browser/keys.ts";
import { usePreference } from "../browser/preference.ts";
import { useStickToEnd } from "../browser/stickToEnd.ts";
import { SIMULATED } from "../chat/ModelSelect.tsx";
import { isEnd } from "../chat/status.ts";
import { useCancel } from "../chat/useCancel.ts";
import { useListRefresh, useRun } from "../chat/useRun.ts";
import { ViewSwitch } from "../chat/ViewSwitch.tsx";
import { Icon } from "../shell/Icon.tsx";
import "../styles/assistant.css";
import { AssistantComposer } from "./AssistantComposer.tsx";
import { contextOf } from "./context.ts";
import { ContextPanel } from "./ContextPanel.tsx";
import { Dialogue } from "./Dialogue.tsx";
import { Introduction } from "./Introduction.tsx";
import { statusOfView } from "./LiveTurn.tsx";
import { model, streaming } from "./preferences.ts";
import { newestRun, sessionOf } from "./sessions.ts";
import { useDialogue } from "./useDialogue.ts";
import { useSession, useSessionRefresh } from "./useSession.ts";

const route = getRouteApi("/assistant");
const composer = (): HTMLElement | null => document.getElementById("composer");

/** A talk in steps: what was understood, the answer, what could be said next. Its address holds the session. */
export function AssistantPage() {
  const { session: told, run: named = null } = route.useSearch();
  // The list of conversations knows runs alone.
  const [, entry] = useRun(told === undefined ? named : null);
  const id = told ?? sessionOf(entry?.run ?? null);
  const session = useSession(id);
  const dialogue = useDialogue(id);
  const current = newestRun(session.data ?? null, named);
  const [live, view] = useRun(current);
  const [isStreaming] = usePreference(streaming);
  const [chosen] = usePreference(model);
  const { scroller, content, stuck, jump } = useStickToEnd();
  const ended = view === null || view.missing || isEnd(statusOfView(view).kind);
  const asking = dialogue.asked !== null && dialogue.error === null;
  const busy = asking || (dialogue.asked === null && !ended);
  const cancel = useCancel(live, busy);
  const stop = asking ? dialogue.abandon : cancel.stop;
  useKeys(busy ? stop : null, composer);
  // A question that is left while it waits is in the list too.
  useListRefresh(ended && !asking, current);
  const refresh = useSessionRefresh(id);
  useEffect(refresh, [refresh, ended, current]);
  useEffect(jump, [jump, id, dialogue.asked]);
  const title = session.data?.title;
  useEffect(() => {
    document.title = `${title ?? "Assistant"} · Headwater`;
  }, [title]);
  const empty = id === null && named === null && dialogue.asked === null;
  const ask = (message: string): void => dialogue.ask(message, chosen === "" ? null : chosen, isStreaming === "on");
  const context = (view === null ? null : contextOf(view.snapshot.state)) ?? session.data?.context ?? null;
  return (
    <main className={empty ? "chat talk empty" : "chat talk"}>
      <h1 className="for-readers">{title ?? "Assistant"}</h1>
      <div className="scroller" ref={scroller} data-stuck={stuck}>
        <div className="column" ref={content}>
          {empty ? (
            <Introduction example={(message) => dialogue.ask(message, SIMULATED, isStreaming === "on")} />
          ) : (
            <Dialogue {...{ id, session, dialogue, current, view, ask, busy, note: cancel.error }} />
          )}
        </div>
      </div>
      {!empty && <ContextPanel context={context} />}
      <div className="dock">
        {!stuck && (
          <button type="button" className="jump" data-testid="jump" onClick={jump}>
            <Icon name="down" />
            Jump to latest
          </button>
        )}
        <AssistantComposer busy={busy} ask={ask} stop={stop} stopping={cancel.under} />
        <div className="under">
          {empty ? <p /> : <NewConversation leave={dialogue.leave} />}
          <ViewSwitch />
        </div>
      </div>
    </main>
  );
}

function NewConversation({ leave }: { readonly leave: () => void }) {
  // A first question that waits is at this address too. Another tab takes nothing away here.
  const click = ({ ctrlKey, metaKey, shiftKey }: MouseEvent): void => {
    if (!ctrlKey && !metaKey && !shiftKey) leave();
  };
  return (
    <Link to="/assistant" search={{}} className="link" data-testid="new-conversation" onClick={click}>
      New conversation
    </Link>
  );
}

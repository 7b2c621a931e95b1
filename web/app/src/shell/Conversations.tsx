import type { RunSummary } from "@headwater/client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { type ReactNode, useSyncExternalStore } from "react";
import { type ConversationSummary, groupRuns } from "../chat/conversation.ts";
import { isEnd, kindOf, type StatusKind } from "../chat/status.ts";
import { useServer } from "../server.ts";
import { Ago } from "./Ago.tsx";

export const RUNS_KEY = ["runs"];
const PAGE = 40;
const LIVE_MS = 4000;
const IDLE_MS = 30_000;

/** `unknown`: it went on when the list was last read, and the list can not be read now. */
type ListedKind = StatusKind | "unknown";

const WORDS: Readonly<Record<ListedKind, string>> = {
  connecting: "Connecting",
  queued: "Queued",
  streaming: "Streaming",
  reconnecting: "Reconnecting",
  retrying: "Trying again",
  falling_back: "Asking another model",
  reattaching: "Asking for the rest",
  complete: "Complete",
  stopped: "Stopped",
  partial: "Partial",
  failed: "Failed",
  unknown: "State unknown",
};
/** Where the runs of an application are looked at; all others are chats. */
const PAGES: Readonly<Record<string, "/examiner" | "/solver" | "/assistant">> = {
  analysis: "/examiner",
  solver: "/solver",
  visual_solver: "/solver",
  conversation: "/assistant",
};
/** The workflows whose pages read a run themselves. */
const READ_THERE: ReadonlySet<string> = new Set(["analysis", "solver", "visual_solver"]);
const NEVER = () => () => {};
const live = (state: RunSummary["state"]): boolean => state === "queued" || state === "running";

interface ItemProps {
  readonly conversation: ConversationSummary;
  /** The runs that the page shows. */
  readonly shown: readonly string[];
  /** Whether the list is as the server has it, as far as one knows. */
  readonly current: boolean;
}

/**
 * Where a run stands. Of the one that is shown its answer tells the end, at once, and that nothing is heard of it.
 * Pages with a reader of their own tell of an end by having the list read again: it does not follow their runs as well.
 */
function useKind(run: RunSummary, shown: boolean, current: boolean): ListedKind {
  const { runs } = useServer();
  const followed = shown && !READ_THERE.has(run.workflow) ? runs.get(run.id) : null;
  const told = useSyncExternalStore(followed?.subscribe ?? NEVER, () => followed?.view().status.kind ?? null);
  if (told !== null && isEnd(told)) return told;
  if (!live(run.state)) return kindOf(run);
  if (told !== null && (!current || told === "reconnecting")) return told;
  return current ? kindOf(run) : "unknown";
}

interface TargetProps {
  readonly conversation: ConversationSummary;
  readonly current: boolean;
  readonly children: ReactNode;
}

/** A conversation is its newest run; answers side by side are all of theirs. */
function Target({ conversation: { run, compared }, current, children }: TargetProps) {
  const here = current ? ("page" as const) : undefined;
  const common = { className: "conversation", "data-run": run.id, "aria-current": here };
  if (compared !== null) {
    return (
      <Link to="/models" search={{ runs: compared.join(",") }} {...common}>
        {children}
      </Link>
    );
  }
  const page = PAGES[run.workflow];
  if (page !== undefined) {
    return (
      <Link to={page} search={{ run: run.id }} {...common}>
        {children}
      </Link>
    );
  }
  return (
    <Link to="/c/$run" params={{ run: run.id }} {...common}>
      {children}
    </Link>
  );
}

function Item({ conversation, shown, current }: ItemProps) {
  const { run, title, runs, compared, complete } = conversation;
  const one = useKind(run, compared === null && shown.includes(run.id), current);
  // Where answers side by side went differently, no single one of them says how.
  const mixed = compared !== null && one !== "unknown" && isEnd(one) && complete > 0 && complete < compared.length;
  const kind = mixed ? "partial" : one;
  return (
    <li>
      <Target conversation={conversation} current={runs.some((each) => shown.includes(each))}>
        <span className="title">{title}</span>
        <span className="detail">
          <i className="dot" data-state={kind} aria-hidden="true" />
          <span>{mixed ? `${complete} of ${compared.length} complete` : WORDS[kind]}</span>
          <Ago time={run.created_at} />
          {compared !== null && !mixed && (
            <span>{compared.length === 1 ? "1 model" : `${compared.length} models`}</span>
          )}
          {compared === null && runs.length > 1 && <span>{runs.length} answers</span>}
        </span>
      </Target>
    </li>
  );
}

/** The conversations that the server knows of, newest first. */
export function Conversations() {
  const { client } = useServer();
  const { run: conversation } = useParams({ strict: false });
  const { run = conversation, runs } = useSearch({ strict: false });
  const shown = run === undefined ? (runs ?? "").split(",") : [run];
  const query = useInfiniteQuery({
    queryKey: RUNS_KEY,
    queryFn: ({ pageParam, signal }) =>
      client.list({ limit: PAGE, signal, ...(pageParam === null ? {} : { cursor: pageParam }) }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.runs.some((run) => live(run.state))) ? LIVE_MS : IDLE_MS,
  });
  // Offline the browser does not even ask.
  const current = !query.isError && !query.isPaused;
  const conversations = groupRuns(query.data?.pages.flatMap((page) => page.runs) ?? []);
  return (
    <div className="conversations" data-testid="runs" aria-busy={query.isPending}>
      {query.isPending && <p className="hint">Loading conversations</p>}
      {query.isError && (
        <p className="hint">
          The list can not be read now.{" "}
          <button type="button" className="link" onClick={() => void query.refetch()}>
            Try again
          </button>
        </p>
      )}
      {query.isSuccess && conversations.length === 0 && <p className="hint">What you ask is kept here.</p>}
      <ul>
        {conversations.map((conversation) => (
          <Item key={conversation.id} conversation={conversation} shown={shown} current={current} />
        ))}
      </ul>
      {query.hasNextPage && (
        <button
          type="button"
          className="button more"
          disabled={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {query.isFetchingNextPage ? "Loading" : "Show older"}
        </button>
      )}
    </div>
  );
}

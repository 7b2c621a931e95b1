import type { RunState } from "@headwater/client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { type ConversationSummary, groupRuns } from "../chat/conversation.ts";
import { useServer } from "../server.ts";
import { Ago } from "./Ago.tsx";

export const RUNS_KEY = ["runs"];
const PAGE = 40;
const LIVE_MS = 4000;
const IDLE_MS = 30_000;

const WORDS: Readonly<Record<RunState, string>> = {
  queued: "Queued",
  running: "Streaming",
  completed: "Complete",
  failed: "Failed",
  cancelled: "Stopped",
};
const live = (state: RunState): boolean => state === "queued" || state === "running";

function Item({ conversation, current }: { conversation: ConversationSummary; current: boolean }) {
  const { run, title, runs } = conversation;
  return (
    <li>
      <Link
        to="/c/$run"
        params={{ run: run.id }}
        className="conversation"
        data-run={run.id}
        aria-current={current ? "page" : undefined}
      >
        <span className="title">{title}</span>
        <span className="detail">
          <i className="dot" data-state={run.state} aria-hidden="true" />
          <span>{WORDS[run.state]}</span>
          <Ago time={run.created_at} />
          {runs.length > 1 && <span>{runs.length} answers</span>}
        </span>
      </Link>
    </li>
  );
}

/** The conversations that the server knows of, newest first. */
export function Conversations() {
  const { client } = useServer();
  const { run: current } = useParams({ strict: false });
  const query = useInfiniteQuery({
    queryKey: RUNS_KEY,
    queryFn: ({ pageParam, signal }) =>
      client.list({ limit: PAGE, signal, ...(pageParam === null ? {} : { cursor: pageParam }) }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.runs.some((run) => live(run.state))) ? LIVE_MS : IDLE_MS,
  });
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
          <Item
            key={conversation.id}
            conversation={conversation}
            current={current !== undefined && conversation.runs.includes(current)}
          />
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

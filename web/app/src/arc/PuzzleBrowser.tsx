import { Link } from "@tanstack/react-router";
import { memo } from "react";
import { GridView } from "./GridView.tsx";
import { type PuzzleFilter, type PuzzleSummary, QUERY_MAX, SETS, setWords } from "./puzzles.ts";
import { usePuzzles } from "./usePuzzles.ts";

const THUMBNAIL_PX = 72;
const PART_OF_ID = /^[0-9a-f]{0,8}$/;

interface PuzzleBrowserProps {
  /** The page that a puzzle is looked at on. */
  readonly page: "/examiner" | "/solver";
  readonly filter: PuzzleFilter;
  readonly change: (filter: PuzzleFilter) => void;
}

/** All puzzles to choose from, each with its first pair. */
export function PuzzleBrowser({ page, filter, change }: PuzzleBrowserProps) {
  return (
    <div className="puzzle-browser">
      <Search filter={filter} change={change} />
      <Puzzles page={page} filter={filter} change={change} />
    </div>
  );
}

function Search({ filter, change }: Pick<PuzzleBrowserProps, "filter" | "change">) {
  return (
    <search className="model-filter">
      <input
        id="composer"
        type="search"
        data-testid="find-puzzle"
        aria-label="Find a puzzle by its id"
        placeholder="Find a puzzle by its id"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={QUERY_MAX}
        value={filter.query}
        onChange={(event) => change({ ...filter, query: event.target.value })}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || filter.query === "") return;
          event.preventDefault();
          change({ ...filter, query: "" });
        }}
      />
      <select
        className="model"
        aria-label="Collection"
        data-testid="puzzle-set"
        value={filter.set in SETS ? filter.set : ""}
        onChange={(event) => change({ ...filter, set: event.target.value })}
      >
        <option value="">All collections</option>
        {Object.entries(SETS).map(([set, name]) => (
          <option key={set} value={set}>
            {name}
          </option>
        ))}
      </select>
    </search>
  );
}

function Puzzles({ page, filter, change }: PuzzleBrowserProps) {
  const wanted = filter.query.trim().toLowerCase();
  const query = usePuzzles({ set: filter.set, query: wanted }, PART_OF_ID.test(wanted));
  const none = (
    <div className="notice" role="status">
      <p>No puzzle here has that in its id.</p>
      <p>
        <button type="button" className="button" onClick={() => change({ set: "", query: "" })}>
          Show all puzzles
        </button>
      </p>
    </div>
  );
  if (!PART_OF_ID.test(wanted)) return none;
  if (query.isPending) return <p className="hint">Loading the puzzles</p>;
  if (query.isError) {
    return (
      <div className="notice" role="alert">
        <p>The puzzles can not be read now.</p>
        <p>
          <button type="button" className="button" data-testid="again" onClick={() => void query.refetch()}>
            Try again
          </button>
        </p>
      </div>
    );
  }
  const puzzles = query.data.pages.flatMap(({ tasks }) => tasks);
  if (puzzles.length === 0) return none;
  return (
    <>
      <ul className="thumbnails" aria-label="Puzzles" aria-busy={query.isPlaceholderData}>
        {puzzles.map((puzzle) => (
          <Thumbnail key={puzzle.id} page={page} puzzle={puzzle} filter={filter} />
        ))}
      </ul>
      {query.hasNextPage && (
        <button
          type="button"
          className="button thumbnails-more"
          data-testid="more-puzzles"
          disabled={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {query.isFetchingNextPage ? "Loading" : "Show more"}
        </button>
      )}
    </>
  );
}

/** A filter as it stands in an address. */
export function toSearch({ set, query }: PuzzleFilter): { set?: string; query?: string } {
  return { ...(set === "" ? {} : { set }), ...(query === "" ? {} : { query }) };
}

interface ThumbnailProps {
  readonly page: PuzzleBrowserProps["page"];
  readonly puzzle: PuzzleSummary;
  readonly filter: PuzzleFilter;
}

const Thumbnail = memo(function Thumbnail({ page, puzzle, filter }: ThumbnailProps) {
  const { id, set, first } = puzzle;
  // The way back leads to the same list.
  const search = page === "/examiner" ? { task: id, ...toSearch(filter) } : { task: id };
  return (
    <li>
      <Link to={page} search={search} className="thumbnail" data-testid="puzzle" data-task={id}>
        <span className="thumbnail-pair" aria-hidden="true">
          <GridView grid={first.input} label="Input" side={THUMBNAIL_PX} told={false} />
          <GridView grid={first.output} label="Output" side={THUMBNAIL_PX} told={false} />
        </span>
        <strong>{id}</strong>
        <small>{setWords(set)}</small>
      </Link>
    </li>
  );
});

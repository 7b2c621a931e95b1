import { Link } from "@tanstack/react-router";
import { costWords, timeWords } from "../chat/FiguresLine.tsx";
import { Ago } from "../shell/Ago.tsx";
import { type Analysis, verdictOf, verdictWords } from "./analyses.ts";
import type { ExaminerSearch } from "./address.ts";
import { usePastAnalyses } from "./useAnalyses.ts";
import { VerdictMark } from "./VerdictMark.tsx";

interface PastAnalysesProps {
  readonly task: string;
  /** The run that is shown. */
  readonly run: string | null;
  /** Whether it has ended: it is among the past ones then. */
  readonly ended: boolean;
  readonly search: ExaminerSearch;
}

/** What models have said of this puzzle before. */
export function PastAnalyses({ task, run, ended, search }: PastAnalysesProps) {
  const query = usePastAnalyses(task, run, ended);
  const analyses = query.data?.pages.flatMap((page) => page.analyses) ?? [];
  return (
    <section className="past" aria-label="Analyses of this puzzle" data-testid="past">
      <h3>Analyses of this puzzle</h3>
      {query.isPending && <p className="hint">Loading them</p>}
      {query.isError && (
        <p className="hint">
          They can not be read now.{" "}
          <button type="button" className="link" onClick={() => void query.refetch()}>
            Try again
          </button>
        </p>
      )}
      {query.isSuccess && analyses.length === 0 && <p className="hint">There is none yet.</p>}
      <ul>
        {analyses.map((analysis) => (
          <Past key={analysis.run} analysis={analysis} current={analysis.run === run} search={search} />
        ))}
      </ul>
      {query.hasNextPage && (
        <button
          type="button"
          className="button"
          disabled={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          Show older
        </button>
      )}
    </section>
  );
}

interface PastProps {
  readonly analysis: Analysis;
  readonly current: boolean;
  readonly search: ExaminerSearch;
}

function Past({ analysis, current, search }: PastProps) {
  const { run, model, result, usage, duration_ms: ms, created_at: at } = analysis;
  const cost = usage?.cost_usd;
  return (
    <li>
      <Link
        to="/examiner"
        search={{ ...search, run }}
        className="past-link"
        data-testid="past-analysis"
        data-run={run}
        aria-current={current ? "page" : undefined}
      >
        <VerdictMark verdict={verdictOf(analysis)} words={verdictWords(analysis)} />
        <span className="past-model">{model}</span>
        <span className="hint">
          <Ago time={at} />
          {result?.confidence_given === true && ` · ${result.confidence} % sure`}
          {ms !== null && ` · ${timeWords(ms)}`}
          {cost != null && ` · ${costWords(cost)}`}
        </span>
      </Link>
    </li>
  );
}

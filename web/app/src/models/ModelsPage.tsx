import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useKeys } from "../browser/keys.ts";
import { ViewSwitch } from "../chat/ViewSwitch.tsx";
import { RUNS_KEY } from "../shell/Conversations.tsx";
import { type Candidate, EXAMPLE, MODELS_MAX } from "./ask.ts";
import { AskBar } from "./AskBar.tsx";
import { EVERYTHING } from "./catalog.ts";
import { isOver, questionOf } from "./comparison.ts";
import { ComparisonView, Refusals } from "./ComparisonView.tsx";
import { ModelList } from "./ModelList.tsx";
import { UnderWay } from "./UnderWay.tsx";
import { useComparison } from "./useComparison.ts";
import { useHealth, useModels } from "./useModels.ts";
import { type Stops, useStops } from "./useStops.ts";

const route = getRouteApi("/models");
const RUN = /^run_[0-9a-f]{32}$/;

/** The runs that the page's address names. */
function runsOf(address: string | undefined): string[] {
  return [...new Set((address ?? "").split(","))].filter((each) => RUN.test(each)).slice(0, MODELS_MAX);
}

/** Where words are written: for a search in the list, else for a question. */
const place = (): HTMLElement | null => document.getElementById("find-model") ?? document.getElementById("composer");

function Models({ picked, toggle, example }: Pick<Parameters<typeof ModelList>[0], "picked" | "toggle" | "example">) {
  const models = useModels();
  const health = useHealth();
  const [filter, change] = useState(EVERYTHING);
  if (models.isPending) return <p className="hint models-wait">Loading the models</p>;
  if (models.isError) {
    return (
      <div className="notice" role="alert">
        <p>The models can not be read now.</p>
        <p>
          <button type="button" className="button" data-testid="again" onClick={() => void models.refetch()}>
            Try again
          </button>
        </p>
      </div>
    );
  }
  return <ModelList {...{ models: models.data, health, filter, change, picked, toggle, example }} />;
}

/** Why one of the runs could not be stopped. */
function errorOf(runs: readonly string[], stops: Stops): string | null {
  return runs.map((run) => stops.error(run)).find((error) => error !== null) ?? null;
}

/** All models, and one question to several of them. Its address holds the runs: a reload shows the same answers. */
export function ModelsPage() {
  const ids = runsOf(route.useSearch().runs);
  const comparison = useComparison(ids);
  const stops = useStops();
  const queries = useQueryClient();
  const [chosen, choose] = useState<readonly string[] | null>(null);
  const { views } = comparison;
  const onList = ids.length === 0;
  // Who comes by the address of a comparison asks its models again.
  const asked = onList ? [] : Array.from(views.values(), (view) => view.run?.model ?? []).flat();
  const picked = chosen ?? [...new Set(asked)];
  const live = Array.from(views).flatMap(([id, view]) => (isOver(view) ? [] : [id]));
  const stopAll = live.length === 0 ? null : () => stops.stop(live);
  useKeys(stopAll, place);
  useEffect(() => void queries.invalidateQueries({ queryKey: RUNS_KEY }), [queries, live.length, ids.length]);
  const question = onList ? null : questionOf(views);
  useEffect(() => {
    document.title = `${question ?? "Models"} · Headwater`;
  }, [question]);
  const toggle = (model: string): void =>
    choose(picked.includes(model) ? picked.filter((each) => each !== model) : [...picked, model]);
  const ask = (text: string, candidates: readonly Candidate[]): void => {
    if (candidates !== EXAMPLE.candidates) choose(picked);
    comparison.ask(text, candidates);
  };
  return (
    <main className="chat models">
      <h1 className="for-readers">{question ?? "Models"}</h1>
      <div className="scroller" key={onList ? "list" : "answers"}>
        {onList ? (
          <div className="models-column">
            <Refusals refusals={comparison.refusals} />
            <Models picked={picked} toggle={toggle} example={() => ask(EXAMPLE.question, EXAMPLE.candidates)} />
          </div>
        ) : (
          <ComparisonView views={views} refusals={comparison.refusals} stops={stops} retry={comparison.retry} />
        )}
      </div>
      <div className="dock">
        {onList && stopAll !== null && <UnderWay views={views} stop={stopAll} error={errorOf(live, stops)} />}
        <AskBar
          picked={picked}
          drop={toggle}
          ask={(text) => ask(text, picked.map((model) => ({ model })))}
          asking={comparison.asking}
          stopAll={onList ? null : stopAll}
        />
        <div className="under">
          <p>
            <kbd>Enter</kbd> asks · <kbd>Esc</kbd> stops all · <kbd>/</kbd> to find
          </p>
          <ViewSwitch />
        </div>
      </div>
    </main>
  );
}

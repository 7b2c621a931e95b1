import type { ModelHealth, ModelResource } from "@headwater/client";
import { MODELS_MAX } from "./ask.ts";
import { type Choices, choicesOf, EVERYTHING, type Filter, matches } from "./catalog.ts";
import { ModelFilter, moveInList } from "./ModelFilter.tsx";
import { ModelRow } from "./ModelRow.tsx";

// Models that need no key: a server without configuration has only these.
const BUILT_IN = new Set(["simulated", "replay", "local"]);

interface IntroductionProps {
  readonly builtInOnly: boolean;
  readonly example: () => void;
}

/** What this page is for, and a way to see it without a key. */
function Introduction({ builtInOnly, example }: IntroductionProps) {
  return (
    <section className="models-intro" aria-label="Introduction">
      <p>
        Pick up to six models and ask them one thing: their answers arrive side by side, with how soon they
        begin, how fast they go and what they cost.
      </p>
      {builtInOnly && (
        <p className="hint">
          Only the built-in models are here. A model of your own is a row <code>[[models]]</code> in the server’s
          configuration; <code>headwater doctor</code> tries it.
        </p>
      )}
      <button type="button" className="button" data-testid="example" onClick={example}>
        Compare three simulated answers
      </button>
    </section>
  );
}

function nothingWords(filter: Filter, { capabilities }: Choices): string {
  const asked = filter.capabilities.size > 0 && capabilities.length > 0;
  return asked ? "No model here can do all of that." : "No model here is called that.";
}

interface ModelListProps {
  readonly models: readonly ModelResource[];
  readonly health: ReadonlyMap<string, ModelHealth>;
  readonly filter: Filter;
  readonly change: (filter: Filter) => void;
  readonly picked: readonly string[];
  readonly toggle: (model: string) => void;
  readonly example: () => void;
}

/** All models, searched and filtered, to pick from. */
export function ModelList({ models, health, filter, change, picked, toggle, example }: ModelListProps) {
  const choices = choicesOf(models);
  const found = models.filter((model) => matches(model, filter));
  const share = found.length === models.length ? "" : `${found.length} of `;
  return (
    <div className="model-list" onKeyDown={moveInList}>
      <Introduction builtInOnly={models.every(({ name }) => BUILT_IN.has(name))} example={example} />
      <ModelFilter filter={filter} choices={choices} change={change} />
      <p className="hint" role="status" data-testid="found">
        {`${share}${models.length} ${models.length === 1 ? "model" : "models"}`}
        {picked.length > 0 && ` · ${picked.length} of ${MODELS_MAX} picked`}
      </p>
      {found.length === 0 ? (
        <div className="notice">
          <p>{nothingWords(filter, choices)}</p>
          <p>
            <button type="button" className="button" data-testid="clear-filter" onClick={() => change(EVERYTHING)}>
              Show all models
            </button>
          </p>
        </div>
      ) : (
        <div>
          <div className="model-heads" aria-hidden="true">
            <span />
            <span>Model</span>
            <span>Can</span>
            <span>Price for a million tokens</span>
            <span>Lately</span>
          </div>
          <ul aria-label="Models">
            {found.map((model) => (
              <ModelRow
                key={model.name}
                model={model}
                health={health.get(model.name)}
                picked={picked.includes(model.name)}
                full={picked.length >= MODELS_MAX}
                toggle={() => toggle(model.name)}
              />
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

import type { ModelHealth, ModelResource } from "@headwater/client";
import { useId } from "react";
import { Ago } from "../shell/Ago.tsx";
import { capabilityWords, priceWords, statusWords, tellingCapabilities } from "./catalog.ts";

function Price({ model }: { model: ModelResource }) {
  const price = priceWords(model);
  if (price === null) return <span className="soft">Price unknown</span>;
  if (price === "free") return <span>Free</span>;
  return (
    <span title="US dollars for a million tokens">
      {price.input} <span className="soft">in</span> · {price.output} <span className="soft">out</span>
      <span className="for-readers"> for a million tokens</span>
    </span>
  );
}

function HealthLine({ model, health }: Pick<ModelRowProps, "model" | "health">) {
  const { level, words, figures } = statusWords(model, health);
  const error = health?.last_error ?? null;
  return (
    <span className="health" data-level={level}>
      <i className="dot" data-level={level} aria-hidden="true" />
      <span>
        {words}
        {figures !== null && <small>{figures}</small>}
        {error !== null && (
          <small data-testid="last-error">
            Last error <code>{error.code}</code>, <Ago time={error.at} />
          </small>
        )}
      </span>
    </span>
  );
}

interface ModelRowProps {
  readonly model: ModelResource;
  readonly health: ModelHealth | undefined;
  readonly picked: boolean;
  /** No more can be picked. */
  readonly full: boolean;
  readonly toggle: () => void;
}

/** One model: whether it is asked, what it can do, what it costs, how it has been. */
export function ModelRow({ model, health, picked, full, toggle }: ModelRowProps) {
  const id = useId();
  const capabilities = tellingCapabilities(model);
  const other = model.model !== model.name && model.model !== "" ? ` · ${model.model}` : "";
  return (
    <li className="model-row" data-testid="model-row" data-model={model.name} data-picked={picked}>
      <label>
        <input
          type="checkbox"
          data-testid="pick"
          checked={picked}
          disabled={!picked && (full || model.missing_key !== null)}
          onChange={toggle}
          aria-labelledby={`${id}-name`}
          aria-describedby={`${id}-can ${id}-price ${id}-health`}
        />
        <span className="model-name">
          <strong id={`${id}-name`}>{model.name}</strong>
          <span className="soft">
            {model.provider}
            {other}
          </span>
        </span>
        <span className="capabilities" id={`${id}-can`}>
          {capabilities.length === 0 && <span className="soft">Text only</span>}
          {capabilities.map((each) => (
            <span key={each} className="tag">
              {capabilityWords(each)}
            </span>
          ))}
        </span>
        <span className="price" id={`${id}-price`}>
          <Price model={model} />
        </span>
        <span id={`${id}-health`}>
          <HealthLine model={model} health={health} />
        </span>
      </label>
    </li>
  );
}

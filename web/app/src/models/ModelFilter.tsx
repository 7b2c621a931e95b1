import { type KeyboardEvent, useRef } from "react";
import { capabilityWords, type Choices, type Filter } from "./catalog.ts";

interface ModelFilterProps {
  readonly filter: Filter;
  readonly choices: Choices;
  readonly change: (filter: Filter) => void;
}

const ROWS = "[data-testid=pick]:not(:disabled)";

/** Moves between the search and the rows, as in any list: down, up, and back to the search from the first row. */
export function moveInList(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>(`#find-model, ${ROWS}`)];
  const at = rows.indexOf(event.target as HTMLElement);
  const next = rows[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  next.focus();
}

export function ModelFilter({ filter, choices, change }: ModelFilterProps) {
  const box = useRef<HTMLInputElement>(null);
  const toggle = (capability: string): void => {
    const capabilities = new Set(filter.capabilities);
    if (!capabilities.delete(capability)) capabilities.add(capability);
    change({ ...filter, capabilities });
  };
  return (
    <search className="model-filter">
      <input
        ref={box}
        id="find-model"
        type="search"
        data-testid="find-model"
        aria-label="Find a model"
        placeholder="Find a model"
        autoComplete="off"
        spellCheck={false}
        maxLength={200}
        value={filter.text}
        onChange={(event) => change({ ...filter, text: event.target.value })}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || filter.text === "") return;
          event.preventDefault();
          change({ ...filter, text: "" });
        }}
      />
      {choices.providers.length > 1 && (
        <select
          className="model"
          aria-label="Provider"
          data-testid="filter-provider"
          value={filter.provider ?? ""}
          onChange={(event) => change({ ...filter, provider: event.target.value === "" ? null : event.target.value })}
        >
          <option value="">All providers</option>
          {choices.providers.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
      {choices.capabilities.length > 0 && (
        <span className="chips" role="group" aria-label="What it can do">
          {choices.capabilities.map((capability) => (
            <button
              key={capability}
              type="button"
              className="chip"
              data-testid="filter-capability"
              aria-pressed={filter.capabilities.has(capability)}
              onClick={() => toggle(capability)}
            >
              {capabilityWords(capability)}
            </button>
          ))}
        </span>
      )}
    </search>
  );
}

/** The models of the server as the page lists them: found by what is typed and by what they can do. */

import type { ModelHealth, ModelResource, ProviderResource } from "@headwater/client";

/** What a model can be asked for, in words; those that this version does not know are shown as they are. */
const CAPABILITIES: Readonly<Record<string, string>> = {
  text: "Text",
  reasoning: "Reasoning",
  tools: "Tools",
  json_schema: "JSON schema",
  images: "Images",
  seed: "Seed",
  prefill: "Prefill",
  background: "Background",
};

export interface Filter {
  /** Words, each of which is somewhere in a model's names or capabilities. */
  readonly text: string;
  readonly provider: string | null;
  /** All of these. */
  readonly capabilities: ReadonlySet<string>;
}

export const EVERYTHING: Filter = { text: "", provider: null, capabilities: new Set() };

export function capabilityWords(capability: string): string {
  return CAPABILITIES[capability] ?? capability.replaceAll("_", " ");
}

/** What tells models apart: every model does text. */
export function tellingCapabilities({ capabilities }: ModelResource): string[] {
  return capabilities.filter((each) => each !== "text");
}

export function matches(model: ModelResource, { text, provider, capabilities }: Filter): boolean {
  const can = model.capabilities.map(capabilityWords);
  const said = [model.name, model.provider, model.model, ...can].join(" ").toLowerCase();
  return (
    (provider === null || model.provider === provider) &&
    [...capabilities].every((each) => model.capabilities.includes(each)) &&
    text.toLowerCase().split(/\s+/).every((word) => said.includes(word))
  );
}

export interface Choices {
  readonly providers: readonly string[];
  readonly capabilities: readonly string[];
}

/** What there is to filter by: only what is not the same of all models. */
export function choicesOf(models: readonly ModelResource[]): Choices {
  const capabilities = [...new Set(models.flatMap(tellingCapabilities))];
  const order = Object.keys(CAPABILITIES);
  const place = (capability: string): number => (order.indexOf(capability) + order.length + 1) % (order.length + 1);
  return {
    providers: [...new Set(models.map(({ provider }) => provider))].sort(),
    capabilities: capabilities
      .filter((each) => models.some((model) => !model.capabilities.includes(each)))
      .sort((one, other) => place(one) - place(other) || (one < other ? -1 : 1)),
  };
}

const USD = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

/** What a million tokens cost, and null where nobody knows. */
export function priceWords({ price }: ModelResource): { input: string; output: string } | "free" | null {
  if (price === null || price === undefined) return null;
  if (price.input === 0 && price.output === 0) return "free";
  return { input: `$${USD.format(price.input)}`, output: `$${USD.format(price.output)}` };
}

export type HealthLevel = "good" | "uneven" | "bad" | "unknown";

export interface HealthWords {
  readonly level: HealthLevel;
  readonly words: string;
  /** What it does when it is called: how soon, how fast. */
  readonly figures: string | null;
}

const UNEVEN_BELOW = 0.95;
const BAD_BELOW = 0.5;
const UNKNOWN: HealthWords = { level: "unknown", words: "Not called lately", figures: null };

/** How a model has been lately, in words. A level is never told by its colour alone. */
export function healthWords(health: ModelHealth | undefined): HealthWords {
  if (health === undefined) return UNKNOWN;
  const { breaker, calls, success_rate: rate, first_token_ms: first, tokens_per_s: speed } = health;
  const figures = [
    ...(first === null ? [] : [`first token ${first < 1000 ? `${first} ms` : `${(first / 1000).toFixed(1)} s`}`]),
    ...(speed === null ? [] : [`${Math.round(speed)} tokens/s`]),
  ].join(" · ");
  const told = { figures: figures === "" ? null : figures };
  if (breaker.state === "open") {
    return { ...told, level: "bad", words: `Resting, tried again in ${Math.ceil(breaker.rests_ms / 1000)} s` };
  }
  if (breaker.state === "half_open") return { ...told, level: "uneven", words: "Being tried again" };
  if (rate === null || calls === 0) return { ...UNKNOWN, ...told };
  const share = `${Math.floor(rate * 100)} % of ${calls} ${calls === 1 ? "call" : "calls"}`;
  if (rate < BAD_BELOW) return { ...told, level: "bad", words: `Failing · ${share}` };
  if (rate < UNEVEN_BELOW) return { ...told, level: "uneven", words: `Uneven · ${share}` };
  return { ...told, level: "good", words: `Well · ${share}` };
}

/** The same, and of a model that can not be called why not. */
export function statusWords({ missing_key: key }: ModelResource, health: ModelHealth | undefined): HealthWords {
  if (key === null) return healthWords(health);
  return { level: "unknown", words: "No key", figures: `${key} is not set` };
}

/** Under the names that callers use. */
export function healthByModel(providers: readonly ProviderResource[]): ReadonlyMap<string, ModelHealth> {
  return new Map(providers.flatMap(({ models }) => models.map((model) => [model.name, model] as const)));
}

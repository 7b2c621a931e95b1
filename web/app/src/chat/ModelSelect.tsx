import type { ModelResource } from "@headwater/client";
import { useQuery } from "@tanstack/react-query";
import { Preference, usePreference } from "../browser/preference.ts";
import { useServer } from "../server.ts";

export const SIMULATED = "simulated";
const chosen = new Preference<string>("model", SIMULATED, (value): value is string => value !== "");

interface Choice {
  readonly name: string;
  /** The server has no key for it: a question would come back with that. */
  readonly keyless: boolean;
}

const choiceOf = ({ name, missing_key: key }: ModelResource): Choice => ({ name, keyless: key !== null });

/** The model for the next question: the last one chosen here, if the server still has it and can call it. */
export function useModel(): { model: string; models: readonly Choice[]; choose: (model: string) => void } {
  const { client } = useServer();
  const [model, choose] = usePreference(chosen);
  const query = useQuery({
    queryKey: ["models"],
    queryFn: () => client.models(),
    staleTime: 60_000,
  });
  const models = query.data?.map(choiceOf) ?? [{ name: model, keyless: false }];
  const callable = models.filter(({ keyless }) => !keyless).map(({ name }) => name);
  return { model: callable.includes(model) ? model : (callable[0] ?? model), models, choose };
}

interface ModelSelectProps {
  readonly model: string;
  readonly models: readonly Choice[];
  readonly choose: (model: string) => void;
}

export function ModelSelect({ model, models, choose }: ModelSelectProps) {
  return (
    <select
      className="model"
      aria-label="Model"
      data-testid="model"
      value={model}
      onChange={(event) => choose(event.target.value)}
    >
      {models.map(({ name, keyless }) => (
        <option key={name} value={name} disabled={keyless}>
          {keyless ? `${name} · no key` : name}
        </option>
      ))}
    </select>
  );
}

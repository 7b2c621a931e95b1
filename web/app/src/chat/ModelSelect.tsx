import { useQuery } from "@tanstack/react-query";
import { Preference, usePreference } from "../browser/preference.ts";
import { useServer } from "../server.ts";

export const SIMULATED = "simulated";
const chosen = new Preference<string>("model", SIMULATED, (value): value is string => value !== "");

/** The model for the next question: the last one chosen here, if the server still has it. */
export function useModel(): { model: string; models: readonly string[]; choose: (model: string) => void } {
  const { client } = useServer();
  const [model, choose] = usePreference(chosen);
  const query = useQuery({
    queryKey: ["models"],
    queryFn: () => client.models(),
    staleTime: 60_000,
  });
  const models = query.data?.map(({ name }) => name) ?? [model];
  return { model: models.includes(model) ? model : (models[0] ?? model), models, choose };
}

interface ModelSelectProps {
  readonly model: string;
  readonly models: readonly string[];
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
      {models.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

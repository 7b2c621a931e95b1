import { type FormEvent, useState } from "react";
import { ModelSelect, useModel } from "../chat/ModelSelect.tsx";
import { Words } from "../chat/Words.tsx";
import { Icon } from "../shell/Icon.tsx";
import { ITERATIONS, type Method, type Solving, VISUAL } from "./useSolve.ts";

const ITERATIONS_MAX = 20;

interface SolveFormProps {
  readonly task: string;
  readonly solving: Solving;
}

/** With which model a puzzle is searched, and how long. */
export function SolveForm({ task, solving }: SolveFormProps) {
  const { model, models, choose } = useModel();
  const [method, setMethod] = useState<Method>("solver");
  const [iterations, setIterations] = useState(ITERATIONS);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    solving.start({ method, task, model, iterations });
  };
  return (
    <form className="solve-form" onSubmit={submit}>
      <ModelSelect model={model} models={models} choose={choose} />
      <select
        className="model"
        aria-label="Method"
        data-testid="method"
        value={method}
        onChange={(event) => setMethod(event.target.value === VISUAL ? VISUAL : "solver")}
      >
        <option value="solver">By programs</option>
        <option value={VISUAL}>By looking at pictures</option>
      </select>
      <label>
        Iterations
        <input
          type="number"
          min={1}
          max={ITERATIONS_MAX}
          required
          disabled={method === VISUAL}
          value={iterations}
          data-testid="iterations"
          onChange={(event) => setIterations(Math.round(event.target.valueAsNumber) || 1)}
        />
      </label>
      <button type="submit" className="send" data-testid="start" disabled={solving.starting}>
        <Icon name="send" />
        {solving.starting ? "Starting" : "Start the search"}
      </button>
      {solving.error !== null && (
        <p className="explanation" data-state="failed" role="alert">
          <Words text={solving.error} />
        </p>
      )}
    </form>
  );
}

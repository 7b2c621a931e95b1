import { type Preference, usePreference } from "../browser/preference.ts";
import type { Switch } from "./preferences.ts";

interface ToggleProps {
  readonly of: Preference<Switch>;
  readonly name: string;
  /** What it does, in a sentence. */
  readonly title: string;
  readonly id: string;
}

/** A choice between on and off, kept in this browser. */
export function Toggle({ of, name, title, id }: ToggleProps) {
  const [value, set] = usePreference(of);
  return (
    <label className="toggle" title={title}>
      <input
        type="checkbox"
        role="switch"
        data-testid={id}
        checked={value === "on"}
        onChange={(event) => set(event.target.checked ? "on" : "off")}
      />
      {name}
    </label>
  );
}

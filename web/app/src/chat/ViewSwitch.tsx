import { usePreference } from "../browser/preference.ts";
import { view, type View } from "./view.ts";

const CHOICES: readonly [View, string][] = [
  ["markdown", "Markdown"],
  ["plain", "Plain text"],
];

export function ViewSwitch() {
  const [shown, setShown] = usePreference(view);
  return (
    <span className="switch" role="radiogroup" aria-label="Show answers as" data-testid="view">
      {CHOICES.map(([value, words]) => (
        <label key={value} data-on={shown === value}>
          <input type="radio" name="view" value={value} checked={shown === value} onChange={() => setShown(value)} />
          {words}
        </label>
      ))}
    </span>
  );
}

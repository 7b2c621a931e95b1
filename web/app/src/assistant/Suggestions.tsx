interface SuggestionsProps {
  readonly suggestions: readonly string[];
  readonly ask: (message: string) => void;
}

/** What could be said next; a click says it. */
export function Suggestions({ suggestions, ask }: SuggestionsProps) {
  if (suggestions.length === 0) return null;
  return (
    <ul className="chips suggestions" aria-label="Suggestions" data-testid="suggestions">
      {suggestions.map((suggestion, at) => (
        // A model may say the same twice.
        <li key={at}>
          <button type="button" className="chip" data-testid="suggestion" onClick={() => ask(suggestion)}>
            {suggestion}
          </button>
        </li>
      ))}
    </ul>
  );
}

import { useEffect, useState } from "react";
import { Icon } from "./Icon.tsx";

const TOLD_MS = 1600;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [outcome, setOutcome] = useState<"copied" | "refused" | null>(null);
  useEffect(() => {
    if (outcome === null) return;
    const timer = setTimeout(() => setOutcome(null), TOLD_MS);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(
      () => setOutcome("copied"),
      () => setOutcome("refused"),
    );
  };
  return (
    <button type="button" className="quiet" onClick={copy} title={label} aria-label={label}>
      <Icon name={outcome === "copied" ? "check" : "copy"} />
      <span aria-live="polite">{outcome === null ? "" : outcome === "copied" ? "Copied" : "Not allowed"}</span>
    </button>
  );
}

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
    // Without TLS, and not on this machine itself, a page has no clipboard.
    const { clipboard } = navigator as Partial<Navigator>;
    if (clipboard === undefined) return setOutcome("refused");
    clipboard.writeText(text).then(
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

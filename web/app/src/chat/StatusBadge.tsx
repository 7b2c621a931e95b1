import { useEffect, useState } from "react";
import { type RunStatus, wordsOf } from "./status.ts";

function useSecondsUntil(at: number | null): number | undefined {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (at === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [at]);
  return at === null ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}

/** Where a run stands, in words and colour. Each change is told to screen readers; the countdown is not. */
export function StatusBadge({ status }: { status: RunStatus }) {
  const seconds = useSecondsUntil(status.kind === "reconnecting" ? status.at : null);
  return (
    <>
      <span className="badge" data-testid="status" data-state={status.kind} aria-hidden="true">
        <i className="dot" data-state={status.kind} />
        {wordsOf(status, seconds)}
      </span>
      <span className="for-readers" role="status">
        {wordsOf(status)}
      </span>
    </>
  );
}

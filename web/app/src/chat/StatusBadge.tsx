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

interface StatusBadgeProps {
  readonly status: RunStatus;
  /** Each change is told to screen readers, the countdown is not; false where somebody else tells of it. */
  readonly told?: boolean;
}

/** Where a run stands, in words and colour. */
export function StatusBadge({ status, told = true }: StatusBadgeProps) {
  const seconds = useSecondsUntil("at" in status ? status.at : null);
  return (
    <>
      <span className="badge" data-testid="status" data-state={status.kind} aria-hidden={told}>
        <i className="dot" data-state={status.kind} />
        {wordsOf(status, seconds)}
      </span>
      {told && (
        <span className="for-readers" role="status">
          {wordsOf(status)}
        </span>
      )}
    </>
  );
}

import { useEffect, useState } from "react";

const RENEW_MS = 30_000;
const STEPS: readonly (readonly [limitS: number, unitS: number, unit: Intl.RelativeTimeFormatUnit])[] = [
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [7 * 86_400, 86_400, "day"],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const WHOLE = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "medium" });

export function agoWords(time: number, now: number): string {
  const seconds = Math.max(0, (now - time) / 1000);
  if (seconds < 60) return "just now";
  const step = STEPS.find(([limitS]) => seconds < limitS);
  return step === undefined ? DATE.format(time) : RELATIVE.format(-Math.floor(seconds / step[1]), step[2]);
}

export function Ago({ time }: { time: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), RENEW_MS);
    return () => clearInterval(timer);
  }, []);
  const at = Date.parse(time);
  return (
    <time dateTime={time} title={WHOLE.format(at)}>
      {agoWords(at, now)}
    </time>
  );
}

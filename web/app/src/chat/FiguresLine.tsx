import { memo, type ReactNode, useEffect, useState } from "react";
import { type Figures, tokensWords } from "./figures.ts";

const RENEW_MS = 200;

export function timeWords(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

export function costWords(usd: number): string {
  return usd > 0 && usd < 0.01 ? `$${usd.toPrecision(2)}` : `$${usd.toFixed(2)}`;
}

function Figure({ name, value, id }: { name: string; value: ReactNode; id: string }) {
  return (
    <span className="figure" title={name}>
      <span className="for-readers">{name}: </span>
      <span data-testid={id}>{value}</span>
    </span>
  );
}

/** A phone's line has no room for every word. */
function First({ ms }: { ms: number }) {
  const value = (
    <>
      first <span className="where-wide">after </span>
      {timeWords(ms)}
    </>
  );
  return <Figure name="Time to the first token" value={value} id="ttft" />;
}

function Elapsed({ ms }: { ms: number }) {
  return <Figure name="Time" value={timeWords(ms)} id="elapsed" />;
}

/** The time goes on between records too. */
function Running({ ms }: { ms: number }) {
  const [since, setSince] = useState({ ms, at: performance.now() });
  const [now, setNow] = useState(since.at);
  if (since.ms !== ms) setSince({ ms, at: performance.now() });
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), RENEW_MS);
    return () => clearInterval(timer);
  }, []);
  return <Elapsed ms={ms + Math.max(0, now - since.at)} />;
}

/** Tokens, rate, time to first token, time in all, cost: each as soon as it is known. */
export const FiguresLine = memo(function FiguresLine({ figures, ended }: { figures: Figures; ended: boolean }) {
  const { tokens, estimated, firstTokenMs, tokensPerS, elapsedMs, costUsd } = figures;
  const about = estimated ? "≈ " : "";
  return (
    <span className="figures">
      {tokens > 0 && (
        <Figure
          name={estimated ? "Tokens, estimated" : "Tokens"}
          value={`${about}${tokensWords(tokens)}`}
          id="tokens"
        />
      )}
      {tokensPerS !== null && <Figure name="Tokens a second" value={`${Math.round(tokensPerS)} tokens/s`} id="rate" />}
      {firstTokenMs !== null && <First ms={firstTokenMs} />}
      {/* What it took in all goes to the next line together, where there is no room. */}
      <span className="figures-in-all">
        {elapsedMs !== null && (ended ? <Elapsed ms={elapsedMs} /> : <Running ms={elapsedMs} />)}
        {costUsd !== null && <Figure name="Cost" value={costWords(costUsd)} id="cost" />}
      </span>
    </span>
  );
});

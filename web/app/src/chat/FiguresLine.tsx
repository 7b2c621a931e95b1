import { memo } from "react";
import type { Figures } from "./figures.ts";

const COUNT = new Intl.NumberFormat("en");

export function timeWords(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

export function costWords(usd: number): string {
  return usd > 0 && usd < 0.01 ? `$${usd.toPrecision(2)}` : `$${usd.toFixed(2)}`;
}

function Figure({ name, value, id }: { name: string; value: string; id: string }) {
  return (
    <span className="figure" title={name}>
      <span className="for-readers">{name}: </span>
      <span data-testid={id}>{value}</span>
    </span>
  );
}

/** Tokens, rate, time to first token, time in all, cost: each as soon as it is known. */
export const FiguresLine = memo(function FiguresLine({ figures, ended }: { figures: Figures; ended: boolean }) {
  const { tokens, estimated, firstTokenMs, tokensPerS, elapsedMs, costUsd } = figures;
  const about = estimated ? "≈ " : "";
  return (
    <span className="figures">
      {tokens > 0 && (
        <Figure name={estimated ? "Tokens, estimated" : "Tokens"} value={`${about}${COUNT.format(tokens)} tokens`} id="tokens" />
      )}
      {tokensPerS !== null && <Figure name="Tokens a second" value={`${Math.round(tokensPerS)} tokens/s`} id="rate" />}
      {firstTokenMs !== null && (
        <Figure name="Time to the first token" value={`first after ${timeWords(firstTokenMs)}`} id="ttft" />
      )}
      {elapsedMs !== null && (
        <Figure name={ended ? "Time in all" : "Time so far"} value={timeWords(elapsedMs)} id="elapsed" />
      )}
      {costUsd !== null && <Figure name="Cost" value={costWords(costUsd)} id="cost" />}
    </span>
  );
});

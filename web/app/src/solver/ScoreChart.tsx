import { memo } from "react";
import { useWide } from "../browser/wide.ts";
import { bestShare, type Iteration, percent } from "./iteration.ts";

// So that its letters are as large as others where it fills its place.
const WIDTH = { wide: 512, narrow: 320 };
const HEIGHT = 120;
// "100 %", and what separates it from its line.
const LEFT = 48;
const RIGHT = 16;
const TOP = 16;
const BOTTOM = 24;
const SHARES = [0, 0.5, 1];

interface ScoreChartProps {
  readonly iterations: readonly Iteration[];
  /** How many there may be. */
  readonly planned: number;
}

/** Of 0 to 1 the height in the picture. */
const y = (share: number): number => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);

/** How far the search has come: the best program of each iteration, and the best so far. */
export const ScoreChart = memo(function ScoreChart({ iterations, planned }: ScoreChartProps) {
  const width = useWide() ? WIDTH.wide : WIDTH.narrow;
  const count = Math.max(planned, ...iterations.map(({ number }) => number), 1);
  const x = (number: number): number => LEFT + ((number - 0.5) * (width - LEFT - RIGHT)) / count;
  const scored = iterations.flatMap((iteration) => {
    const share = bestShare(iteration);
    return share === null ? [] : [{ number: iteration.number, share }];
  });
  let best = 0;
  const line = scored.map(({ number, share }) => {
    best = Math.max(best, share);
    return `${x(number).toFixed(1)},${y(best).toFixed(1)}`;
  });
  const told = scored.map(({ number, share }) => `iteration ${number}: ${percent(share)}`).join(", ");
  const label = `Cells right on the training pairs. ${told === "" ? "None is scored yet" : told}.`;
  return (
    <figure className="score-chart" data-testid="score-chart">
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={label}>
        {SHARES.map((share) => (
          <g key={share}>
            <line x1={LEFT} x2={width - RIGHT} y1={y(share)} y2={y(share)} className="rule" />
            <text x={LEFT - 8} y={y(share)} className="axis" textAnchor="end" dominantBaseline="middle">
              {percent(share)}
            </text>
          </g>
        ))}
        {Array.from({ length: count }, (_, at) => (
          <text key={at} x={x(at + 1)} y={HEIGHT - 6} className="axis" textAnchor="middle">
            {at + 1}
          </text>
        ))}
        <polyline points={line.join(" ")} className="best" />
        {scored.map(({ number, share }) => (
          <circle key={number} cx={x(number)} cy={y(share)} r="4" className="mark" data-perfect={share === 1} />
        ))}
      </svg>
      <figcaption>Cells right on the training pairs: each iteration’s best program, and the best so far</figcaption>
    </figure>
  );
});

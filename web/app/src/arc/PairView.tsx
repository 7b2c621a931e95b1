import { Icon } from "../shell/Icon.tsx";
import type { Grid } from "./grid.ts";
import { GridView } from "./GridView.tsx";

interface PairViewProps {
  readonly input: Grid;
  /** Null where it is what is asked for. */
  readonly output: Grid | null;
  /** "Pair 1". */
  readonly name: string;
  /** As those of a grid. */
  readonly side: number;
  readonly cell?: number;
  readonly numbered?: boolean;
  readonly told?: boolean;
}

/** What goes in, and what comes out of it. */
export function PairView({ input, output, name, numbered = false, told = true, ...size }: PairViewProps) {
  return (
    <div className="pair">
      <GridView grid={input} label={`${name}, input`} {...size} numbered={numbered} told={told} />
      <Icon name="next" />
      {output === null ? (
        <p className="pair-asked" aria-label={`${name}, output: asked for`}>
          ?
        </p>
      ) : (
        <GridView grid={output} label={`${name}, output`} {...size} numbered={numbered} told={told} />
      )}
    </div>
  );
}

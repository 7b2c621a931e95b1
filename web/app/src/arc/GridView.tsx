import { memo, useMemo } from "react";
import {
  around,
  crossPath,
  differing,
  type Grid,
  linePath,
  NO_COLOUR,
  rowPaths,
  rowWords,
  type Size,
  sizeOf,
} from "./grid.ts";

const CELL_PX = 28;
const EMPTY: Size = { rows: 1, columns: 1 };

interface RowProps {
  readonly cells: readonly number[];
  readonly at: number;
  readonly numbered: boolean;
}

/** Drawn once: a row that is there stays as it is while others come. */
const Row = memo(
  ({ cells, at, numbered }: RowProps) => (
    <g transform={`translate(0 ${at})`}>
      {Array.from(rowPaths(cells), ([colour, path]) => (
        <path key={colour} className="cell" data-colour={colour} d={path} />
      ))}
      {cells.map((cell, column) =>
        numbered || cell === NO_COLOUR ? (
          <text key={column} className="cell-number" data-on={cell} x={column + 0.5} y={0.5}>
            {cell === NO_COLOUR ? "?" : cell}
          </text>
        ) : null,
      )}
    </g>
  ),
  (old, next) => old.at === next.at && old.numbered === next.numbered && old.cells.join() === next.cells.join(),
);

interface GridViewProps {
  readonly grid: Grid;
  /** What it is: "Input of pair 1". */
  readonly label: string;
  /** The longest side, in pixels, of a grid that fills its place; a small one is as large as its cells are. */
  readonly side?: number;
  /** How large a cell may be, in pixels: 28, if nothing else is said. */
  readonly cell?: number;
  /** Cells that this one has not are crossed. */
  readonly against?: Grid | null;
  /** Room that is kept for what is still to come. */
  readonly room?: Size | null;
  /** The number of each colour in its cell. */
  readonly numbered?: boolean;
  /** Screen readers are told its rows, and not its size alone. */
  readonly told?: boolean;
}

function labelOf(label: string, { rows, columns }: Size, differences: number, compared: boolean): string {
  const size = `${label}, ${rows} ${rows === 1 ? "row" : "rows"} of ${columns}`;
  if (!compared) return size;
  if (differences === 0) return `${size}, no cell differs`;
  return `${size}, ${differences} ${differences === 1 ? "cell differs" : "cells differ"}`;
}

/** A puzzle's grid. Colours are those of its makers; what differs is crossed, and told to screen readers. */
export const GridView = memo(function GridView(props: GridViewProps) {
  const { grid, label, against = null, room = null, numbered = false, told = true } = props;
  const { side = 280, cell: cellMax = CELL_PX } = props;
  const size = sizeOf(grid);
  const whole = around(around(size, room ?? EMPTY), EMPTY);
  const { rows, columns } = whole;
  const marked = useMemo(() => (against === null ? [] : differing(grid, against)), [grid, against]);
  const cell = Math.min(cellMax, side / Math.max(rows, columns));
  const name = labelOf(label, size, marked.length, against !== null);
  return (
    <div className="grid-view">
      <svg
        role="img"
        aria-label={name}
        viewBox={`-.04 -.04 ${columns + 0.08} ${rows + 0.08}`}
        width={Math.round(columns * cell)}
        height={Math.round(rows * cell)}
      >
        <rect className="grid-room" width={columns} height={rows} />
        {grid.map((cells, at) => (
          <Row key={at} cells={cells} at={at} numbered={numbered} />
        ))}
        <path className="grid-lines" d={linePath(whole)} />
        {marked.length > 0 && (
          <>
            <path className="cross-ground" d={crossPath(marked)} />
            <path className="cross" d={crossPath(marked)} data-testid="differing" data-count={marked.length} />
          </>
        )}
      </svg>
      {told && (
        <ol className="for-readers" aria-label={`Rows of: ${label}`}>
          {grid.map((cells, row) => (
            <li key={row}>{rowWords(cells, row, marked)}</li>
          ))}
        </ol>
      )}
    </div>
  );
});

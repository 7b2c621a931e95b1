/** The grids of puzzles: rows of cells, each a colour from 0 to 9. What a model makes of one may be anything. */

export type Grid = readonly (readonly number[])[];

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** Stands for a cell that is none: a model said something else. */
export const NO_COLOUR = -1;

// Puzzles have no more; what is beyond it is not drawn, and can not hold the page up.
const SIDE_MAX = 30;

/** Colours as their makers call them, by number. */
export const COLOUR_NAMES = [
  "black",
  "blue",
  "red",
  "green",
  "yellow",
  "grey",
  "pink",
  "orange",
  "sky",
  "maroon",
] as const;

const isColour = (cell: unknown): cell is number => Number.isInteger(cell) && Number(cell) >= 0 && Number(cell) <= 9;

/** What there is of a grid in what a model has said so far; null where it is none. Its rows may differ in length. */
export function gridOf(value: unknown): Grid | null {
  if (!Array.isArray(value)) return null;
  const rows = value.slice(0, SIDE_MAX).filter((row): row is unknown[] => Array.isArray(row));
  if (rows.length === 0) return null;
  return rows.map((row) => row.slice(0, SIDE_MAX).map((cell) => (isColour(cell) ? cell : NO_COLOUR)));
}

export function sizeOf(grid: Grid): Size {
  return { rows: grid.length, columns: Math.max(0, ...grid.map((row) => row.length)) };
}

/** The size in which both have room. */
export function around(one: Size, other: Size): Size {
  return { rows: Math.max(one.rows, other.rows), columns: Math.max(one.columns, other.columns) };
}

export const sizeWords = ({ rows, columns }: Size): string => `${rows} × ${columns}`;

/** The cells of a grid that the other has not, or has in another colour, as row and column from 0. */
export function differing(grid: Grid, other: Grid): (readonly [row: number, column: number])[] {
  return grid.flatMap((cells, row) =>
    cells.flatMap((cell, column) => (other[row]?.[column] === cell ? [] : [[row, column] as const])),
  );
}

/** The outlines of a row's cells, by colour: a row of one colour is one path. */
export function rowPaths(cells: readonly number[]): ReadonlyMap<number, string> {
  const paths = new Map<number, string>();
  for (let from = 0, to = 0; from < cells.length; from = to) {
    const colour = cells[from] as number;
    while (to < cells.length && cells[to] === colour) to++;
    paths.set(colour, `${paths.get(colour) ?? ""}M${from} 0h${to - from}v1h${from - to}z`);
  }
  return paths;
}

/** The lines between the cells of a grid, and around it. */
export function linePath({ rows, columns }: Size): string {
  const across = Array.from({ length: rows + 1 }, (_, row) => `M0 ${row}h${columns}`);
  const down = Array.from({ length: columns + 1 }, (_, column) => `M${column} 0v${rows}`);
  return [...across, ...down].join("");
}

/** A cross through each of the cells: what differs is told by its form, and not by colour alone. */
export function crossPath(cells: readonly (readonly [row: number, column: number])[]): string {
  return cells.map(([row, column]) => `M${column + 0.22} ${row + 0.22}l.56 .56m0 -.56l-.56 .56`).join("");
}

/** A row as a screen reader tells it: its numbers, and where it differs. */
export function rowWords(
  cells: readonly number[],
  row: number,
  marked: readonly (readonly [row: number, column: number])[],
): string {
  const numbers = cells.map((cell) => (cell === NO_COLOUR ? "?" : cell)).join(" ");
  const columns = marked.filter(([each]) => each === row).map(([, column]) => column + 1);
  const difference = columns.length === 0 ? "" : `; differs in ${columns.length === 1 ? "column" : "columns"} `;
  return `Row ${row + 1}: ${numbers}${difference}${columns.join(", ")}`;
}

/** The few pictograms of the pages: strokes on a grid of 16, beside words or within a labelled button. */
const PATHS = {
  assistant: "M2.5 3.5h11v7.5H8L5 13.5V11H2.5z",
  back: "m10 4-4 4 4 4",
  check: "M3 8.5 6.5 12 13 4.5",
  chevron: "m6 4 4 4-4 4",
  copy: "M5.5 5.5V3h7.5v7.5h-2.5M3 5.5h7.5V13H3z",
  down: "M8 3v10M4 9l4 4 4-4",
  compare: "M2.5 3.5h4.5v9H2.5zM9 3.5h4.5v9H9z",
  examiner: "M2.5 2.5H7V7H2.5zM9 2.5h4.5V7H9zM2.5 9H7v4.5H2.5zM9 9h4.5v4.5H9z",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  next: "M3 8h10M9 4l4 4-4 4",
  partial: "M3 8h10",
  plus: "M8 3v10M3 8h10",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
  send: "M8 13V3M4 7l4-4 4 4",
  solver: "M5.5 4 2 8l3.5 4M10.5 4 14 8l-3.5 4",
  stop: "M4.5 4.5h7v7h-7z",
  close: "m4 4 8 8M12 4l-8 8",
  thumbDown: "M5 8.5l3 5c1 0 1.5-.8 1.3-1.8L9 9.5h3.5c1 0 1.3-.7 1-1.4l-1-4.5c0-.6-.6-1-1-1H5zM2.5 8.5H5V2.6H2.5z",
  thumbUp: "M5 7.5l3-5c1 0 1.5.8 1.3 1.8L9 6.5h3.5c1 0 1.3.7 1 1.4l-1 4.5c0 .6-.6 1-1 1H5zM2.5 7.5H5v5.9H2.5z",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} fill={name === "stop" ? "currentColor" : "none"} />
    </svg>
  );
}

/** What the page's address says: the puzzle, one of its analyses, and the list that both were found in. */
export interface ExaminerSearch {
  readonly task?: string;
  readonly run?: string;
  readonly set?: string;
  readonly query?: string;
}

const RUN = /^run_[0-9a-f]{32}$/;
const TASK = /^[0-9a-f]{8}$/;

/** The puzzle that an address names, if that is how puzzles are called. */
export function taskIn({ task }: ExaminerSearch): string | null {
  return task !== undefined && TASK.test(task) ? task : null;
}

export function runIn({ run }: ExaminerSearch): string | null {
  return run !== undefined && RUN.test(run) ? run : null;
}

/** The puzzle that a run is about: an address may name the run alone. */
export function taskOf(input: unknown): string | null {
  const task = typeof input === "object" && input !== null && "task_id" in input ? input.task_id : null;
  return typeof task === "string" && TASK.test(task) ? task : null;
}

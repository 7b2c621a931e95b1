import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useServer } from "../server.ts";
import type { ExaminerSearch } from "./address.ts";
import { findLive } from "./live.ts";

interface UnderWayProps {
  readonly task: string;
  readonly kept: ExaminerSearch;
}

/** An analysis of this puzzle that goes on: begun without a stream, in another tab or by a program. */
export function UnderWay({ task, kept }: UnderWayProps) {
  const { client } = useServer();
  const { data: run } = useQuery({
    queryKey: ["analysis-under-way", task],
    queryFn: ({ signal }) => findLive(client, task, null, signal),
    staleTime: 0,
    gcTime: 0,
  });
  if (run == null) return null;
  return (
    <p className="under-way-line" data-testid="under-way">
      <i className="dot" data-state="streaming" aria-hidden="true" />
      An analysis of this puzzle is under way.
      <Link to="/examiner" search={{ ...kept, task, run }} className="link">
        Look at it
      </Link>
    </p>
  );
}

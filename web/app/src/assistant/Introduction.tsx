import { Link } from "@tanstack/react-router";
import { Ago } from "../shell/Ago.tsx";
import { useSessions } from "./useSession.ts";

const EXAMPLE = "Find me a restaurant in Tokyo";

/** What this page is for, a way to see it without a key, and what was said before. */
export function Introduction({ example }: { example: (message: string) => void }) {
  return (
    <>
      <section className="welcome" aria-label="Introduction">
        <h2>An assistant that shows what it understood</h2>
        <p>
          Say what you look for. What the assistant makes of it stands in the context before it answers, and what you
          could say next stands below. Thumbs are kept with the answer.
        </p>
        <ul>
          <li>
            <button type="button" className="example" data-testid="example" onClick={() => example(EXAMPLE)}>
              <strong>{EXAMPLE}</strong>
              <span>The simulated model answers, which needs no key and costs nothing.</span>
            </button>
          </li>
        </ul>
      </section>
      <Before />
    </>
  );
}

function Before() {
  const sessions = useSessions().data?.sessions ?? [];
  if (sessions.length === 0) return null;
  return (
    <nav className="sessions" aria-label="Earlier conversations">
      <h2>Earlier</h2>
      <ul>
        {sessions.map(({ session_id: session, title, created_at: time }) => (
          <li key={session}>
            <Link to="/assistant" search={{ session }} className="session" data-testid="session">
              <span>{title}</span>
              <Ago time={time} />
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

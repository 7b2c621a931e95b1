import { useEffect } from "react";

export function SolverPage() {
  useEffect(() => {
    document.title = "Solver · Headwater";
  }, []);
  return (
    <main className="chat empty">
      <h1 className="for-readers">Solver</h1>
      <div className="scroller">
        <div className="column">
          <section className="welcome" aria-label="Introduction">
            <h2>Solver</h2>
            <p>A model writes programs, they run on the training pairs, and the best of them go into its next prompt.</p>
          </section>
        </div>
      </div>
    </main>
  );
}

import { useEffect } from "react";

export function ExaminerPage() {
  useEffect(() => {
    document.title = "Examiner · Headwater";
  }, []);
  return (
    <main className="chat empty">
      <h1 className="for-readers">Examiner</h1>
      <div className="scroller">
        <div className="column">
          <section className="welcome" aria-label="Introduction">
            <h2>Examiner</h2>
            <p>A model looks at the examples of a puzzle, says what the rule is, and applies it.</p>
          </section>
        </div>
      </div>
    </main>
  );
}

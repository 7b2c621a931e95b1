import { useEffect } from "react";

export function AssistantPage() {
  useEffect(() => {
    document.title = "Assistant · Headwater";
  }, []);
  return (
    <main className="chat empty">
      <h1 className="for-readers">Assistant</h1>
      <div className="scroller">
        <div className="column">
          <section className="welcome" aria-label="Introduction">
            <h2>Assistant</h2>
            <p>Say what you look for. The context that the assistant makes of it stands beside, and what to say next below.</p>
          </section>
        </div>
      </div>
    </main>
  );
}

// A page as an application of the AI SDK has one: useChat with resume, a tool that the page itself runs, messages that
// are kept over a reload. The query says which `chat` it is, which `transport` it has, and whether to `keep` messages.
import { useChat } from "@ai-sdk/react";
import { HeadwaterChatTransport } from "@headwater/client/ai-sdk";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls, type UIMessage } from "ai";
import { type FormEvent, StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";

const query = new URLSearchParams(location.search);
const id = query.get("chat") ?? "chat";
const keeps = query.has("keep");
const body = { model: "scripted" };
const headwater = new HeadwaterChatTransport({ body, retry: { baseMs: 50, capMs: 200, triesMax: 1000 } });
const transport = query.get("transport") === "default" ? new DefaultChatTransport({ body }) : headwater;

const kept = (): UIMessage[] => (keeps ? JSON.parse(localStorage.getItem(id) ?? "[]") : []);

function Part({ part }: { part: UIMessage["parts"][number] }) {
  if (part.type === "text" || part.type === "reasoning") {
    return <p data-part={part.type}>{part.text}</p>;
  }
  if (part.type.startsWith("tool-") && "state" in part) {
    const { input, output } = part as { input?: unknown; output?: unknown };
    return <p data-part={part.type} data-state={part.state}>{JSON.stringify({ input, output })}</p>;
  }
  return null;
}

function Chat() {
  const { messages, sendMessage, addToolOutput, status, error } = useChat({
    id,
    transport,
    resume: true,
    messages: kept(),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
    onToolCall({ toolCall }) {
      const { x, y } = toolCall.input as { x: number; y: number };
      addToolOutput({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output: { sum: x + y } });
    },
  });
  useEffect(() => {
    if (keeps) {
      localStorage.setItem(id, JSON.stringify(messages));
    }
  }, [messages]);
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    sendMessage({ text: String(new FormData(event.currentTarget).get("question")) });
  };
  return (
    <main>
      {messages.map((message) => (
        <article key={message.id} data-role={message.role} data-id={message.id}>
          {message.parts.map((part, place) => (
            <Part key={place} part={part} />
          ))}
        </article>
      ))}
      <output>{status}</output>
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={send}>
        <input name="question" aria-label="Question" />
        <button type="submit">Send</button>
        <button type="button" onClick={() => headwater.stop(id)}>Stop</button>
      </form>
    </main>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);

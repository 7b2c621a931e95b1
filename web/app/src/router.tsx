import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Link,
  parseSearchWith,
  stringifySearchWith,
} from "@tanstack/react-router";
import { useEffect } from "react";
import { ChatPage } from "./chat/ChatPage.tsx";
import { Shell } from "./shell/Shell.tsx";

/** What the server answers an address that does not exist with, too. */
function Lost() {
  useEffect(() => {
    document.title = "Nothing here · Headwater";
  }, []);
  return (
    <main className="notice">
      <h1>There is nothing here</h1>
      <p>The address is not whole, or it is none of this server.</p>
      <p>
        <Link to="/" className="link">
          Start a new chat
        </Link>
      </p>
    </main>
  );
}

/** A fault of the page itself. The answers are at the server: reading them again is safe. */
function Broken() {
  return (
    <main className="notice" role="alert">
      <h1>The page broke</h1>
      <p>Nothing of the answers is lost.</p>
      <p>
        <button type="button" className="button" onClick={() => location.reload()}>
          Load it again
        </button>
      </p>
    </main>
  );
}

const root = createRootRoute({ component: Shell, notFoundComponent: Lost });
const home = createRoute({ getParentRoute: () => root, path: "/", component: () => <ChatPage id={null} /> });
const conversation = createRoute({
  getParentRoute: () => root,
  path: "/c/$run",
  component: function Conversation() {
    const { run } = conversation.useParams();
    return <ChatPage id={run} />;
  },
});
/** Those parts of an address that a page knows. */
function known<Name extends string>(...names: Name[]) {
  return (search: Record<string, unknown>): { [name in Name]?: string } => {
    // An id of digits alone comes as a number.
    const told = names.flatMap((name) => {
      const value = search[name];
      return typeof value === "string" || typeof value === "number" ? [[name, String(value)] as const] : [];
    });
    return Object.fromEntries(told) as { [name in Name]?: string };
  };
}
// Loaded when somebody goes there: most come for a chat.
const models = createRoute({
  getParentRoute: () => root,
  path: "/models",
  validateSearch: ({ runs }): { runs?: string } => (typeof runs === "string" ? { runs } : {}),
  component: lazyRouteComponent(() => import("./models/ModelsPage.tsx"), "ModelsPage"),
});
const examiner = createRoute({
  getParentRoute: () => root,
  path: "/examiner",
  validateSearch: known("task", "run", "set", "query"),
  component: lazyRouteComponent(() => import("./examiner/ExaminerPage.tsx"), "ExaminerPage"),
});
const solver = createRoute({
  getParentRoute: () => root,
  path: "/solver",
  validateSearch: known("task", "run"),
  component: lazyRouteComponent(() => import("./solver/SolverPage.tsx"), "SolverPage"),
});
const assistant = createRoute({
  getParentRoute: () => root,
  path: "/assistant",
  validateSearch: known("session", "run"),
  component: lazyRouteComponent(() => import("./assistant/AssistantPage.tsx"), "AssistantPage"),
});

export const makeRouter = () =>
  createRouter({
    routeTree: root.addChildren([home, conversation, models, examiner, solver, assistant]),
    // Words as they are: read as JSON, the id 25e02866 would be a number without an end.
    parseSearch: parseSearchWith((words) => words),
    stringifySearch: stringifySearchWith(String),
    defaultPreload: false,
    defaultErrorComponent: Broken,
  });

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}

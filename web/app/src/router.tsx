import { createRootRoute, createRoute, createRouter, Link } from "@tanstack/react-router";
import { ChatPage } from "./chat/ChatPage.tsx";
import { Shell } from "./shell/Shell.tsx";

function Lost() {
  return (
    <div className="notice">
      <h1>There is no such page</h1>
      <p>
        <Link to="/">Start a new chat</Link>
      </p>
    </div>
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

export const makeRouter = () =>
  createRouter({ routeTree: root.addChildren([home, conversation]), defaultPreload: false });

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}

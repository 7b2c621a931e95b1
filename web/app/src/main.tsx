import { Headwater } from "@headwater/client";
import { sharedFetch } from "@headwater/client/shared";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { GroupStore } from "./models/groupStore.ts";
import { makeRouter } from "./router.tsx";
import { AS_LONG_AS_IT_IS_OPEN, RunStore, ServerContext } from "./server.ts";
import { KeyGate } from "./shell/keys.ts";
import { Gated } from "./shell/SignIn.tsx";
import "./styles.css";

const gate = new KeyGate((input, init) => fetch(input, init));
// A browser has six connections to a server that speaks HTTP/1.1, for all its tabs together.
const client = new Headwater({ fetch: sharedFetch({ fetch: gate.fetch }), followRetry: AS_LONG_AS_IT_IS_OPEN });
const queries = new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnReconnect: true } } });
const server = { client, runs: new RunStore(client), groups: new GroupStore(client) };
const router = makeRouter();

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element for the page");
createRoot(root).render(
  <StrictMode>
    <ServerContext value={server}>
      <QueryClientProvider client={queries}>
        <Gated gate={gate}>
          <RouterProvider router={router} />
        </Gated>
      </QueryClientProvider>
    </ServerContext>
  </StrictMode>,
);

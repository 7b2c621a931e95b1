/** A function for tests in a browser: runs that are followed together over the browser's own WebSocket. */

import { Headwater, type ProtocolRecord } from "../../src/index.ts";
import { webSocketFetch } from "../../src/websocket.ts";

/** The records of these runs, in lists that grow. */
function followOverSocket(runs: readonly string[], records: ProtocolRecord[][]): Promise<void[]> {
  // The server is killed meanwhile, and a page that is open goes on until it is back.
  const headwater = new Headwater({ fetch: webSocketFetch(), followRetry: { triesMax: Number.POSITIVE_INFINITY } });
  const follow = async (run: string, place: number): Promise<void> => {
    for await (const record of headwater.follow(run)) {
      records[place]?.push(record);
    }
  };
  return Promise.all(runs.map(follow));
}

Object.assign(globalThis, { followOverSocket });

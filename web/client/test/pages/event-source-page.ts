/** Functions for tests in a browser: what the browser's own EventSource makes of a stream, and our reader over it. */

import { Headwater, type ProtocolRecord } from "../../src/index.ts";
import { eventSourceFetch } from "../../src/transports.ts";

type Seen = [data: string, event: string, id: string];

/** The events of the stream at this address, to the end of its body. */
function eventsOf(address: string, names: readonly string[]): Promise<Seen[]> {
  return new Promise((resolve) => {
    const seen: Seen[] = [];
    const source = new EventSource(address);
    const note = (event: Event): void => {
      if (event instanceof MessageEvent) {
        seen.push([event.data, event.type, event.lastEventId]);
      }
    };
    for (const name of new Set(["message", ...names])) {
      source.addEventListener(name, note);
    }
    // Not a message of that name: the connection has ended.
    source.addEventListener("error", (event) => {
      if (!(event instanceof MessageEvent)) {
        source.close();
        resolve(seen);
      }
    });
  });
}

/** The records of a run, read with EventSource, in a list that grows. */
async function recordsOf(run: string, records: ProtocolRecord[]): Promise<ProtocolRecord[]> {
  // The server is killed meanwhile, and a page that is open goes on until it is back.
  const followRetry = { triesMax: Number.POSITIVE_INFINITY };
  for await (const record of new Headwater({ fetch: eventSourceFetch(), followRetry }).follow(run)) {
    records.push(record);
  }
  return records;
}

Object.assign(globalThis, { eventsOf, recordsOf });

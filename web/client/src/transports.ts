/** Other ways to the server than one `fetch` for each stream; each is a `fetch` to be given to `Headwater`. */

export { eventSourceFetch, type EventSourceFetchOptions } from "./event-source.ts";
export { fallbackFetch, type FallbackOptions } from "./fallback.ts";
export { ndjsonFetch, type NdjsonFetchOptions } from "./ndjson.ts";
export { pagesFetch, type PagesFetchOptions } from "./pages.ts";

/** The functions that pages of earlier products call, with their signatures. */

export {
  type AnalysisChunk,
  type AnalysisError,
  type AnalysisStream,
  type AnalysisStreamHandlers,
  type AnalysisStreamParams,
  createAnalysisStream,
} from "./analysis.ts";
export {
  type AuthFetch,
  authFetch,
  type AuthFetchOptions,
  type AuthFetchSettings,
  makeAuthFetch,
} from "./auth-fetch.ts";
export {
  type ChatOptions,
  type ChatRequest,
  chatWithModelStream,
  type ChatWithModelStream,
  makeChatWithModelStream,
} from "./chat.ts";

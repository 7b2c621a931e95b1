/** React hooks and two plain components over the client. React is the page's own: an optional peer dependency. */

export { ConversationInterface, type ConversationProps } from "./react-conversation.ts";
export { StreamedResponseViewer, type ViewerProps } from "./react-viewer.ts";
export {
  type AnalysisStreaming,
  type Streaming,
  useAnalysisStreaming,
  useStream,
  type UseStreamOptions,
} from "./react-hooks.ts";
export { nextState, STREAM_STATES, type StreamSignal, type StreamState } from "./stream-state.ts";
export { StreamStore, type StreamStoreOptions, type StreamView } from "./stream-store.ts";

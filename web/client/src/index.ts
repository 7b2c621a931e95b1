/** The TypeScript client: start runs, and read them exactly once over connections that break. No dependencies. */

export type { RetryPolicy } from "./backoff.ts";
export {
  Cancelled,
  ClientError,
  Conflict,
  CursorAhead,
  CursorTrimmed,
  type ErrorKind,
  MaxRetriesExceeded,
  NetworkError,
  NotFound,
  ParseError,
  PastUnknown,
  RunFailed,
  ServerError,
  TimedOut,
} from "./errors.ts";
export type { Call } from "./http.ts";
export type { LinkStatus, Timing } from "./follower.ts";
export type * from "./protocol.ts";
export { type ReadOptions, readFrames } from "./reader.ts";
export { decodeRecord, isFinal } from "./record.ts";
export {
  type CallOptions,
  type FollowOptions,
  Headwater,
  type HeadwaterOptions,
  type HeadwaterParts,
  type ListOptions,
  newIdempotencyKey,
  type StartAndFollowOptions,
  type StartOptions,
} from "./service.ts";
export { type Frame, type OnComment, SseDecoder } from "./sse.ts";
export { type FollowStatus, type ProgressCallback, type StatusCallback, type Subscription } from "./subscription.ts";
export { browserWakes, type WakeReason, type Wakes } from "./wakes.ts";

// Made by tools/make_types.py from spec/events.schema.json and the OpenAPI document. Do not edit.

/** One of these words, or one that a newer server says and this version does not know. */
export type Open<Word extends string> = Word | (string & {});

/** Where the run is: queued, connecting, streaming, retrying, falling_back, reattaching … */
export interface StatusData {
  state: string;
  message?: string;
  progress?: number | null;
  position?: number | null;
  wait_ms?: number | null;
}

/** What the application learned about the conversation before it answers. */
export interface ContextData {
  context: Record<string, unknown>;
}

/** A model call begins. Only the output of `answer` calls is the run's answer. */
export interface CallData {
  call: number;
  role: Open<"answer" | "internal">;
  provider: string;
  model: string;
  input_bytes?: number | null;
}

/** Another try at a call. What the call had put out from `supersedes_from` on no longer counts. */
export interface AttemptData {
  call: number;
  number: number;
  reason: string;
  provider: string;
  model: string;
  supersedes_from?: number | null;
}

/** Text of the answer; `index` is the part that it belongs to. */
export interface ChunkData {
  content: string;
  index: number;
  call?: number | null;
  logprobs?: unknown;
}

/** What the model thinks, or a summary of it. */
export interface ReasoningData {
  content: string;
  index: number;
  call?: number | null;
}

export interface RefusalData {
  content: string;
  index: number;
  call?: number | null;
}

/** A piece of a tool call: `arguments` is a delta of JSON text; the last piece says `done`. */
export interface ToolCallData {
  id: string;
  name: string;
  arguments: string;
  done?: boolean;
  index?: number;
  call?: number | null;
}

/** A citation, a source, a server tool's result, in the provider's own form. */
export interface AnnotationData {
  provider: string;
  value: unknown;
  index?: number;
  call?: number | null;
}

/** What must be sent back in a later turn but is not for people: signatures, encrypted reasoning. */
export interface ProviderDataData {
  provider: string;
  value: unknown;
  index?: number;
  call?: number | null;
}

/** Some of the structured answer became known; `path` is a JSON pointer (RFC 6901). */
export interface FieldData {
  path: string;
  value: unknown;
  done: boolean;
  call?: number | null;
  delta?: boolean;
}

/** A solver's step. */
export interface IterationData {
  number: number;
  data?: Record<string, unknown>;
}

/** A line of progress. */
export interface LogData {
  level: Open<"debug" | "error" | "info" | "warning">;
  message: string;
}

/** What a call's attempt has cost so far; a later one of the same attempt replaces it, all attempts are added up. */
export interface UsageData {
  input_tokens?: number;
  cached_input_tokens?: number;
  output_tokens?: number;
  reasoning_tokens?: number;
  cost_usd?: number | null;
  source?: Open<"estimated" | "provider">;
  cache_write_tokens?: number;
  cache_write_1h_tokens?: number;
  call?: number | null;
}

/** Only on `?from=snapshot`: the fold of all records up to this record's seq. Never in the log. */
export interface SnapshotData {
  snapshot: Snapshot;
}

/**
 * What a run amounts to at `seq`. `text` is that of the answer calls' current attempts. `result` is the application's,
 * once the run has ended: of one that is not whole, as far as it had come.
 */
export interface Snapshot {
  seq: number;
  text: string;
  parts: PartSnapshot[];
  reasoning: string;
  refusal: string;
  value: unknown;
  tool_calls: ToolCallSnapshot[];
  calls: CallSnapshot[];
  state: Record<string, unknown>;
  usage: Usage | null;
  finish_reason: string | null;
  error: ErrorSnapshot | null;
  result?: unknown;
}

export interface PartSnapshot {
  index: number;
  kind: Open<"reasoning" | "refusal" | "text">;
  text: string;
  call?: number | null;
}

export interface ToolCallSnapshot {
  id: string;
  name: string;
  arguments: string;
  done: boolean;
  call?: number | null;
}

export interface CallSnapshot {
  call: number;
  role: Open<"answer" | "internal">;
  provider: string;
  model: string;
  attempt?: number;
  finish_reason?: string | null;
}

/** Tokens and cost of a call or a run; `source` says whether the provider counted or we guessed. */
export interface Usage {
  input_tokens?: number;
  cached_input_tokens?: number;
  output_tokens?: number;
  reasoning_tokens?: number;
  cost_usd?: number | null;
  source?: Open<"estimated" | "provider">;
  cache_write_tokens?: number;
  cache_write_1h_tokens?: number;
}

export interface ErrorSnapshot {
  code: string;
  message: string;
  retryable: boolean;
}

/** The run's whole and honest end. */
export interface CompleteData {
  finish_reason: Open<"content_filter" | "length" | "refusal" | "stop" | "tool_calls">;
  usage: Usage;
  final_response?: string | null;
  final_response_bytes?: number;
  final_response_sha256?: string;
  result?: unknown;
}

/** The run was stopped. What was put out until then is kept; `partial_bytes` is its UTF-8 length. */
export interface CancelledData {
  by: Open<"disconnect" | "revoked" | "user">;
  partial_bytes: number;
  result?: unknown;
}

/** The run failed. What was put out until then is kept. */
export interface ErrorData {
  code: string;
  message: string;
  retryable: boolean;
  retry_after_ms?: number | null;
  provider?: string | null;
  phase?: string | null;
  partial_bytes?: number;
  result?: unknown;
}

/**
 * A problem of RFC 9457 with the members that every problem of Headwater has. Further members by code: `pointer` (RFC
 * 6901, into the body) or `parameter` with BAD_REQUEST, `snapshot` with CURSOR_TRIMMED, `tail` with CURSOR_AHEAD, `run`
 * where one of several is meant, `flag` with DISABLED.
 */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  retryable: boolean;
  pointer?: string | null;
  parameter?: string | null;
  snapshot?: string | null;
  tail?: number | null;
  run?: string | null;
  flag?: string | null;
}

/** What a run was asked to do: the body of `POST /api/v1/runs`. */
export interface RunRequest {
  model: string;
  workflow?: string;
  messages?: Message[];
  input?: unknown;
  settings?: Settings;
  on_disconnect?: "cancel" | "continue" | CancelAfter;
  on_crash?: "continue" | "interrupt" | "reattach" | "rerun";
  after_output?: "fail" | "new_attempt";
  limits?: Limits;
  priority?: "batch" | "interactive" | "normal";
  fallback?: string[];
  metadata?: Record<string, string>;
  face?: FaceTerms | null;
}

/** A run, what it was asked to do, and what its records amount to at its durable tail. */
export interface RunResource {
  id: string;
  workflow: string;
  model: string;
  state: Open<RunState>;
  created_at: string;
  ended_at: string | null;
  tail: number;
  owner: Owner;
  retry_of: string | null;
  metadata: Record<string, string>;
  metrics: RunMetrics | null;
  request: RunRequest;
  snapshot: Snapshot;
}

/** A run in a list. Times are RFC 3339, UTC, with milliseconds. */
export interface RunSummary {
  id: string;
  workflow: string;
  model: string;
  state: Open<RunState>;
  created_at: string;
  ended_at: string | null;
  tail: number;
  owner: Owner;
  retry_of: string | null;
  metadata: Record<string, string>;
  metrics: RunMetrics | null;
}

/** Runs, newest first. `next` is the `cursor` of the following page, null at the end. */
export interface RunList {
  runs: RunSummary[];
  next: string | null;
}

/** A model that can be called, by the name that callers use. `model` is its name at the provider. */
export interface ModelResource {
  name: string;
  provider: string;
  model: string;
  capabilities: string[];
  price: Price | null;
  missing_key: string | null;
}

export interface ModelList {
  models: ModelResource[];
}

/** A provider and its models, each by the name that callers use. */
export interface ProviderResource {
  name: string;
  models: ModelHealth[];
}

/** `window_s` is how far back the figures go, in seconds. */
export interface ProviderList {
  providers: ProviderResource[];
  window_s: number;
}

export interface Message {
  role: "assistant" | "developer" | "system" | "tool" | "user";
  content?: string | (TextPart | ImagePart | ToolResultPart)[];
  name?: string | null;
  tool_calls?: ToolUse[];
  provider_data?: ProviderValue[];
  reasoning?: string | null;
}

/** How to generate. `null` leaves the provider's default. */
export interface Settings {
  temperature?: number | null;
  top_p?: number | null;
  max_tokens?: number | null;
  stop?: string[];
  seed?: number | null;
  reasoning_effort?: "high" | "low" | "max" | "medium" | "minimal" | "none" | "xhigh" | null;
  verbosity?: "high" | "low" | "medium" | null;
  json_schema?: Record<string, unknown> | null;
  json_object?: boolean;
  tools?: Tool[];
  tool_choice?: "auto" | "none" | "required" | NamedTool | null;
  parallel_tool_calls?: boolean | null;
  frequency_penalty?: number | null;
  presence_penalty?: number | null;
  logprobs?: number | null;
  extra?: Record<string, Record<string, unknown>>;
}

/** Cancel when there has been no reader for so many seconds. */
export interface CancelAfter {
  cancel_after_s: number;
}

/**
 * Time limits of a run in seconds; `null` is off. First-token and idle limits are off by default: a reasoning model may
 * be silent for minutes, and a dead peer is found by the socket.
 */
export interface Limits {
  queue_s?: number | null;
  connect_s?: number | null;
  first_token_s?: number | null;
  idle_s?: number | null;
  total_s?: number;
}

/** What the face of another API was asked that the run itself has no use for, kept so that it can be said again. */
export interface FaceTerms {
  instructions?: boolean;
  previous_response_id?: string | null;
  stored?: boolean;
  sealed?: boolean;
  summary?: "auto" | "concise" | "detailed" | null;
}

export type RunState = "cancelled" | "completed" | "failed" | "queued" | "running";

/** Whom a run belongs to; another owner's run looks like one that never was. */
export interface Owner {
  org: string;
  user: string;
}

/** How a run went, measured on the server; times in milliseconds since it was created. */
export interface RunMetrics {
  queued_ms?: number | null;
  first_token_ms?: number | null;
  duration_ms?: number | null;
  chunks?: number;
  tokens_per_s?: number | null;
  stalls?: number;
  longest_gap_ms?: number;
  readers?: number;
  reader_ms?: number;
  interruptions?: number;
}

/** US dollars for a million tokens. Where a price has tiers or times, these are those of a small call now. */
export interface Price {
  input: number;
  output: number;
  cached_input?: number | null;
  cache_write?: number | null;
  cache_write_1h?: number | null;
}

/** How a model has been in the window. What there is nothing to say about is null. */
export interface ModelHealth {
  name: string;
  model: string;
  calls: number;
  failures: number;
  success_rate: number | null;
  first_token_ms: number | null;
  first_token_ms_p95: number | null;
  tokens_per_s: number | null;
  last_error: LastError | null;
  breaker: BreakerState;
}

export interface TextPart {
  type: "text";
  text: string;
}

/** An image by `url` (https or data) or as base64 `data` with its `media_type`. */
export interface ImagePart {
  type: "image";
  url?: string | null;
  data?: string | null;
  media_type?: string | null;
  detail?: "auto" | "high" | "low" | null;
}

export interface ToolResultPart {
  type: "tool_result";
  tool_call_id: string;
  content: string;
}

/** A call that the model made in an earlier turn; `arguments` is the JSON text as the model wrote it. */
export interface ToolUse {
  id: string;
  name: string;
  arguments: string;
}

/** What a `provider_data` event of an earlier turn held, to be sent back as it came. */
export interface ProviderValue {
  provider: string;
  value: unknown;
}

/** A function that the model may call; `parameters` is a JSON schema. */
export interface Tool {
  name: string;
  description?: string | null;
  parameters?: Record<string, unknown> | null;
  strict?: boolean | null;
}

/** `tool_choice`: this one and no other. */
export interface NamedTool {
  name: string;
}

/** What went wrong last; it stays until the next one. */
export interface LastError {
  code: Open<ErrorCode>;
  at: string;
}

/** Whether a model is called: `open` says that it rests after failures, `half_open` that one call tries it. */
export interface BreakerState {
  state: Open<"closed" | "half_open" | "open">;
  rests_ms: number;
}

/** The stable codes of the protocol: in `error` events, and in problem+json before a run. */
export type ErrorCode =
  | "AUTH"
  | "BAD_REQUEST"
  | "BUDGET"
  | "CANCELLED"
  | "CIRCUIT_OPEN"
  | "CONFLICT"
  | "CONTENT_FILTER"
  | "CONTEXT_LENGTH"
  | "CURSOR_AHEAD"
  | "CURSOR_TRIMMED"
  | "DISABLED"
  | "DRAINING"
  | "FORBIDDEN"
  | "INTERRUPTED"
  | "MAX_RETRIES_EXCEEDED"
  | "MEDIA_TYPE"
  | "METHOD_NOT_ALLOWED"
  | "NETWORK"
  | "NOT_ACCEPTABLE"
  | "NOT_FOUND"
  | "OVERLOADED"
  | "PARSE"
  | "QUEUE_FULL"
  | "RATE_LIMIT"
  | "SERVER"
  | "STORAGE"
  | "STORAGE_FULL"
  | "TIMEOUT"
  | "TOO_LARGE"
  | "TRUNCATED"
  | "UNSUPPORTED"
  | "WRONG_HOST";

/** An event with its place in the run's log (`seq`) and its time (`t`), ms since the run was created. */
export interface RecordOf<Type extends string, Data> {
  seq: number;
  t: number;
  type: Type;
  data: Data;
}

/** A record of a type that this version does not know; `name` is what the server calls it. */
export interface UnknownRecord extends RecordOf<"unknown", unknown> {
  name: string;
}

/** One record of a run. */
export type ProtocolRecord =
  | RecordOf<"status", StatusData>
  | RecordOf<"context", ContextData>
  | RecordOf<"call", CallData>
  | RecordOf<"attempt", AttemptData>
  | RecordOf<"chunk", ChunkData>
  | RecordOf<"reasoning", ReasoningData>
  | RecordOf<"refusal", RefusalData>
  | RecordOf<"tool_call", ToolCallData>
  | RecordOf<"annotation", AnnotationData>
  | RecordOf<"provider_data", ProviderDataData>
  | RecordOf<"field", FieldData>
  | RecordOf<"iteration", IterationData>
  | RecordOf<"log", LogData>
  | RecordOf<"usage", UsageData>
  | RecordOf<"snapshot", SnapshotData>
  | RecordOf<"complete", CompleteData>
  | RecordOf<"cancelled", CancelledData>
  | RecordOf<"error", ErrorData>
  | UnknownRecord;

/** The types of a final record: the last of a run, after which its log is closed. */
export type FinalType = "complete" | "cancelled" | "error";

export type FinalRecord = Extract<ProtocolRecord, { type: FinalType }>;

/**
 * What a reader checks in the data of each type: s string, i integer, n number, b boolean, o object,
 * a array, x anything; with ? it may be left out, with 0 it may be null.
 */
export const DATA_SHAPES: Record<string, Record<string, string>> = {
  status: { state: "s", message: "s?", progress: "n?0", position: "i?0", wait_ms: "i?0" },
  context: { context: "o" },
  call: { call: "i", role: "s", provider: "s", model: "s", input_bytes: "i?0" },
  attempt: { call: "i", number: "i", reason: "s", provider: "s", model: "s", supersedes_from: "i?0" },
  chunk: { content: "s", index: "i", call: "i?0" },
  reasoning: { content: "s", index: "i", call: "i?0" },
  refusal: { content: "s", index: "i", call: "i?0" },
  tool_call: { id: "s", name: "s", arguments: "s", done: "b?", index: "i?", call: "i?0" },
  annotation: { provider: "s", value: "x0", index: "i?", call: "i?0" },
  provider_data: { provider: "s", value: "x0", index: "i?", call: "i?0" },
  field: { path: "s", value: "x0", done: "b", call: "i?0", delta: "b?" },
  iteration: { number: "i", data: "o?" },
  log: { level: "s", message: "s" },
  usage: {
    input_tokens: "i?",
    cached_input_tokens: "i?",
    output_tokens: "i?",
    reasoning_tokens: "i?",
    cost_usd: "n?0",
    source: "s?",
    cache_write_tokens: "i?",
    cache_write_1h_tokens: "i?",
    call: "i?0",
  },
  snapshot: { snapshot: "o" },
  complete: {
    finish_reason: "s",
    usage: "o",
    final_response: "s?0",
    final_response_bytes: "i?",
    final_response_sha256: "s?",
  },
  cancelled: { by: "s", partial_bytes: "i" },
  error: {
    code: "s",
    message: "s",
    retryable: "b",
    retry_after_ms: "i?0",
    provider: "s?0",
    phase: "s?0",
    partial_bytes: "i?",
  },
};

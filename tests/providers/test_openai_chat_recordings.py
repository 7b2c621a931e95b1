"""Every recorded Chat Completions stream comes out as the provider's own SDK read it, however its bytes are cut."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import Chunk
from headwater.domain.message import GenerationRequest, Settings
from headwater.errors import ErrorCode
from headwater.providers.contract import Finish
from headwater.providers.openai_chat import FINISH_REASONS, OpenAIChat
from headwater.testing.dialect import check_dialect, decode_pieces
from tests.providers.chat_ends import chat_ends
from tests.providers.recorded import (
    Deviation,
    check_cuts,
    check_failure,
    check_tables,
    deviated,
    draw_short,
    found,
    names_of,
)
from tests.providers.summaries import assert_tool_calls_end, summary_of
from tests.recordings import Recording, chat_recordings

RECORDINGS = {recording.name: recording for recording in chat_recordings()}
DIALECT = OpenAIChat()


_XAI = "xAI counts reasoning apart from the completion; ours has OpenAI's sense, in which output includes it"
_GROQ = "the usage is in `x_groq`, which the SDK does not read"

DEVIATIONS: dict[str, Deviation] = {
    "cerebras-chat/vercel-ai--cererebras-structured-output-tools.1-0-0b06f3.sse": Deviation(
        {"tool_calls": [("bbd2b9d98", "nonUsefulTool", "{}"), ("e0ecf32e0", "nonUsefulTool", "{}")]},
        "two calls with the index 0 and ids of their own; the SDK runs their arguments together to {}{}",
    ),
    "groq-chat/openllmetry--chat-streaming-legacy-0-1bc9e7.sse": Deviation({"usage": (18, 0, 73, 0)}, _GROQ),
    "groq-chat/pydantic-ai--groq-model-web-search-tool-stream-0-9c1766.sse": Deviation(
        {"usage": (5003, 0, 359, 0)}, _GROQ
    ),
    "snowflake-chat/pydantic-ai--snowflake-thinking-streaming-0-c6b2fe.sse": Deviation(
        {"reasoning": "15 * 27 = 405"},
        "the reasoning is in `reasoning_details` only, which the SDK does not read",
    ),
    "xai-chat/vercel-ai--xai-text-0-24ca8b.sse": Deviation({"usage": (12, 11, 291, 290)}, _XAI),
    "xai-chat/vercel-ai--xai-tool-call-0-39903a.sse": Deviation({"usage": (291, 290, 222, 196)}, _XAI),
    "xai-chat/vercel-ai--xai-tool-call-0-592299.sse": Deviation({"usage": (307, 306, 253, 227)}, _XAI),
}

#: Where the SDK raised on legal bytes and has nothing to compare with: the recording that the stream was made from.
GOLDEN_OF: dict[str, str] = {
    # a block that holds only `retry:`, which the SDK tries to read as JSON
    "openai-chat/synth--retry-only-block-first.sse": (
        "openai-chat/openinference--testassistantagent.test-agent-run-1-efe247.sse"
    ),
}

#: Streams that are not whole, or hold an error: how they end here. The SDK takes some of them for an end.
FAILURES: dict[str, tuple[ErrorCode, str]] = {
    "gpustack-chat/ruby-llm--extended-thinking-gpustack-qwen3-streams-thinking-content-wh-0-ce5137.sse": (
        ErrorCode.TRUNCATED,
        "the server failed in mid-answer, said so in a field `error:` that SSE does not know, and closed",
    ),
    "groq-chat/pydantic-ai--tool-use-failed-error-streaming-0-602d39.sse": (
        ErrorCode.SERVER,
        "an event `error`: the model's tool call did not fit the schema",
    ),
    "openai-chat/synth--cut-between-tool-argument-deltas.sse": (ErrorCode.TRUNCATED, "cut at an event's end"),
    "openai-chat/synth--cut-inside-json.sse": (ErrorCode.TRUNCATED, "cut inside an event"),
    "openai-chat/synth--cut-inside-utf8-character.sse": (ErrorCode.TRUNCATED, "cut inside a character"),
    "openai-chat/synth--error-object-mid-stream.sse": (ErrorCode.SERVER, "an error object among the chunks"),
    "openrouter-chat/pydantic-ai--openrouter-stream-error-0-334ea7.sse": (
        ErrorCode.BAD_REQUEST,
        "an error object after the finish reason, and [DONE] after that",
    ),
}

#: Whole streams without a finish reason, and what we make of that.
WITHOUT_FINISH: dict[str, str] = {
    "openai-chat/llm--tools-streaming-variant-b-0-9b9c20.sse": "tool_calls",
    "snowflake-chat/pydantic-ai--snowflake-thinking-streaming-0-c6b2fe.sse": "stop",
}

#: What OpenAI ends with `stop` although it refused.
REFUSALS = {"openai-chat/openai-python--refusal-0-ea9342.sse"}


@pytest.fixture(params=names_of(RECORDINGS))
def recording(request: pytest.FixtureRequest) -> Recording:
    return found(RECORDINGS, request.param)


def test_the_tables_name_recordings() -> None:
    check_tables(RECORDINGS, DEVIATIONS, GOLDEN_OF, FAILURES, WITHOUT_FINISH, REFUSALS, at_least=93)


@pytest.mark.slow
def test_laws(recording: Recording, seeded: random.Random) -> None:
    body = recording.read()
    decoded = check_dialect(DIALECT, body, chat_ends(body), rng=seeded)
    assert decoded.completed is (recording.name not in FAILURES)


def test_golden(recording: Recording) -> None:
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    ours = summary_of(decoded)
    original = RECORDINGS[GOLDEN_OF.get(recording.name, recording.name)]
    golden = deviated(golden_summary(original.golden()), DEVIATIONS.get(recording.name))
    if not decoded.completed:
        # How an unfinished stream ended is for `test_failure`; what it had put out is compared all the same.
        del ours["finish"], golden["finish"]
        ours["usage"] = golden["usage"] = None
    assert ours == golden


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_failure(name: str) -> None:
    decoded = decode_pieces(DIALECT, [found(RECORDINGS, name).read()], clean=True)
    check_failure(decoded, FAILURES[name][0], "openai")


def test_finish_reason(recording: Recording) -> None:
    decoded = decode_pieces(DIALECT, [recording.read()], clean=True)
    if not decoded.completed:
        assert recording.name in FAILURES
        return
    finish = decoded.items[-1]
    assert isinstance(finish, Finish)
    if recording.name in REFUSALS:
        assert finish == Finish("refusal", "stop")
    elif recording.name in WITHOUT_FINISH:
        assert finish == Finish(WITHOUT_FINISH[recording.name], "")  # type: ignore[arg-type]  # a table of plain words
    else:
        assert finish.reason == FINISH_REASONS[finish.raw]


def test_every_tool_call_is_done_once_and_last(recording: Recording) -> None:
    assert_tool_calls_end(decode_pieces(DIALECT, [recording.read()], clean=True))


@given(data=st.data())
def test_any_cut(data: st.DataObject) -> None:
    check_cuts(data, DIALECT, draw_short(data, RECORDINGS.values()).read())


def test_logprobs_are_passed_by() -> None:
    body = found(RECORDINGS, "openai-chat/openai-python--text-logprobs-0-7dacd1.sse").read()
    wants = GenerationRequest(model="model", messages=[], settings=Settings(logprobs=0))
    chunks = [
        item for item in decode_pieces(DIALECT, [body], clean=True, request=wants).items if isinstance(item, Chunk)
    ]
    assert chunks
    for chunk in chunks:
        assert "".join(token["token"] for token in chunk.logprobs["content"]) == chunk.content
    silent = decode_pieces(DIALECT, [body], clean=True).items
    assert all(item.logprobs is None for item in silent if isinstance(item, Chunk))


def golden_summary(golden: dict[str, Any]) -> dict[str, Any]:
    """The golden's summary of choice 0, in the same form."""
    summary = golden["summary"]
    (choice,) = [choice for choice in summary["choices"] if choice["index"] == 0]
    usage = summary["usage"]
    if usage is not None:
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
        usage = (usage["prompt_tokens"], cached, usage["completion_tokens"], reasoning)
    return {
        "text": choice["text"],
        "reasoning": choice["reasoning"],
        "refusal": choice["refusal"],
        "tool_calls": [(call["id"], call["name"], call["arguments"]) for call in choice["tool_calls"]],
        "finish": choice["finish_reason"],
        "usage": usage,
    }

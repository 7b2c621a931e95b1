"""Whatever a server sends, the decoder ends in `Finish` or in a typed error, and puts out what can be stored."""

import json

from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import encode_record
from headwater.domain.message import GenerationRequest, Settings
from headwater.errors import ProviderError
from headwater.providers.contract import Checkpoint, Decoder, Finish, Frame, Item
from headwater.providers.openai_responses import _TAKES, OpenAIResponses

DIALECT = OpenAIResponses()

_NAMES = st.sampled_from(["type", "id", "text", "content", "summary", "annotations", "call_id", "code", "message"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
)
_ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "reasoning", "function_call", "web_search_call", "compaction"]) | _VALUES},
    optional={
        "id": st.sampled_from(["a", "b"]) | _VALUES,
        "call_id": st.sampled_from(["a", "b"]) | _VALUES,
        "name": st.just("add") | _VALUES,
        "arguments": st.just("{}") | _VALUES,
        "content": st.lists(st.dictionaries(_NAMES, _VALUES), max_size=2) | _VALUES,
        "summary": st.lists(st.dictionaries(_NAMES, _VALUES), max_size=2) | _VALUES,
        "encrypted_content": st.just("gAAA") | _VALUES,
    },
)
_RESPONSES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("resp_1") | _VALUES,
        "status": st.sampled_from(["completed", "incomplete", "failed", "cancelled", "queued"]) | _VALUES,
        "output": st.lists(_ITEMS, max_size=3) | _VALUES,
        "usage": st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "cost"]), _VALUES) | _VALUES,
        "error": st.dictionaries(_NAMES, _VALUES) | _VALUES,
        "incomplete_details": st.fixed_dictionaries({"reason": _VALUES}) | _VALUES,
    },
)
_PLACES = st.integers(0, 2) | _VALUES
_EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from([*_TAKES, "error", "response.queued"]) | _VALUES},
    optional={
        "output_index": _PLACES,
        "content_index": _PLACES,
        "summary_index": _PLACES,
        "item_id": st.sampled_from(["a", "b"]) | _VALUES,
        "sequence_number": _PLACES,
        "delta": st.text(max_size=3) | st.just("\ud83d") | _VALUES,
        "text": _VALUES,
        "refusal": _VALUES,
        "arguments": _VALUES,
        "logprobs": st.lists(_VALUES, max_size=2) | _VALUES,
        "annotation": _VALUES,
        "item": _ITEMS | _VALUES,
        "response": _RESPONSES | _VALUES,
        "error": st.none() | _VALUES,
    },
)
_FRAMES = (
    (_EVENTS | _RESPONSES | _VALUES).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=20)
    | st.just(b"[DONE]")
)


def _decoder(way: str) -> Decoder:
    request = GenerationRequest("model", [], Settings(logprobs=0 if way == "logprobs" else None))
    if way == "resumed":
        return DIALECT.resume(request, Checkpoint("resp_1", 3, parts=1))
    return DIALECT.decoder(DIALECT.in_background(request) if way == "background" else request)


@given(st.lists(_FRAMES, max_size=6), st.booleans(), st.sampled_from(["plain", "logprobs", "background", "resumed"]))
def test_whatever_comes_the_only_error_is_typed(frames: list[bytes], clean: bool, way: str) -> None:
    reader = _decoder(way)
    items: list[Item] = []
    try:
        for frame in frames:
            items += reader.feed(Frame(frame))
        items += reader.end(clean)
    except ProviderError as error:
        error.detail.encode()
        items.append(Finish("stop"))
    assert [isinstance(item, Finish) for item in items] == [False] * (len(items) - 1) + [True]
    for item in items[:-1]:
        assert not isinstance(item, Finish)
        encode_record(1, 0, item)

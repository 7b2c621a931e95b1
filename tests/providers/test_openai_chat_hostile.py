"""Whatever a server sends, the decoder ends in `Finish` or in a typed error, and puts out what can be stored."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.event import encode_record
from headwater.domain.message import GenerationRequest, Settings
from headwater.errors import ProviderError
from headwater.providers.contract import Finish, Frame, Item
from headwater.providers.openai_chat import OpenAIChat, _Delta

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("\ud83d"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "thinking", "name", "arguments", "code", "message"]), inner)
    ),
)
_TOOLS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": st.integers(-1, 2) | _VALUES,
            "id": st.sampled_from(["", "a", "b"]) | _VALUES,
            "function": st.fixed_dictionaries(
                {}, optional={"name": st.sampled_from(["", "add"]) | _VALUES, "arguments": st.just("{}") | _VALUES}
            ),
        },
    ),
    max_size=3,
)
_DELTAS = st.dictionaries(st.sampled_from([field.name for field in msgspec.structs.fields(_Delta)]), _VALUES | _TOOLS)
_CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": st.integers(0, 1),
                    "delta": _DELTAS,
                    "finish_reason": st.sampled_from(["stop", "error", None, ""]) | _VALUES,
                    "logprobs": _VALUES,
                },
            ),
            max_size=2,
        ),
        "usage": _VALUES,
        "x_groq": _VALUES,
        "citations": _VALUES,
        "error": st.none() | _VALUES,
    },
)
_FRAMES = (
    (_CHUNKS | _VALUES).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20) | st.just(b"[DONE]")
)


@given(st.lists(_FRAMES, max_size=6), st.booleans(), st.sampled_from([None, 0]))
def test_whatever_comes_the_only_error_is_typed(frames: list[bytes], clean: bool, logprobs: int | None) -> None:
    reader = OpenAIChat().decoder(GenerationRequest("model", [], Settings(logprobs=logprobs)))
    items: list[Item] = []
    try:
        for frame in frames:
            items += reader.feed(Frame(frame))
        items += reader.end(clean)
    except ProviderError as error:
        error.detail.encode()
        return
    assert [isinstance(item, Finish) for item in items] == [False] * (len(items) - 1) + [True]
    for item in items:
        if not isinstance(item, Finish):
            encode_record(1, 0, item)

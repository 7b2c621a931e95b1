"""Generation requests of every kind: some to read, and for Hypothesis any settings and messages in any order."""

from __future__ import annotations

from typing import Any, Final, get_args

from hypothesis import strategies as st

from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    ReasoningEffort,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)

HELLO: Final = [Message("user", "Hello")]
OPEN_SCHEMA: Final = {"type": "object", "properties": {"x": {"type": "integer"}}}
#: Settings that both of OpenAI's APIs take, as they are shown to the SDK's own types.
OPENAI_SETTINGS: Final = [
    Settings(),
    Settings(reasoning_effort="minimal", verbosity="low"),
    Settings(reasoning_effort="xhigh"),
    Settings(reasoning_effort="max"),
    Settings(logprobs=3),
    Settings(json_schema=OPEN_SCHEMA, verbosity="high"),
    Settings(json_object=True),
    Settings(tools=[Tool("add"), Tool("sub", "Subtract", OPEN_SCHEMA, True)], tool_choice="required"),
    Settings(tools=[Tool("add")], tool_choice=NamedTool("add")),
    Settings(extra={"openai": {"service_tier": "flex", "metadata": {"a": "b"}}}),
]
#: Conversations of every kind of message; the last one is with tools.
OPENAI_CONVERSATIONS: Final = [
    HELLO,
    [Message("system", "Be brief."), Message("developer", [TextPart("Be kind.")]), *HELLO],
    [Message("user", [TextPart("What is it?"), ImagePart("https://example.com/a.png", detail="low")])],
    [Message("user", [ImagePart(data="AAAA", media_type="image/png")])],
    [
        *HELLO,
        Message("assistant", tool_calls=[ToolUse("a", "add", '{"x":1}'), ToolUse("b", "add", "{}")]),
        Message("tool", [ToolResultPart("a", "2"), ToolResultPart("b", "3")]),
        Message("assistant", "Five.", tool_calls=[ToolUse("c", "add", "{}")]),
        Message("user", [TextPart("Go on."), ToolResultPart("c", "4")]),
    ],
]

_WORDS: Final = st.text(max_size=12)
_SCHEMA: Final = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"$ref": "#/$defs/c"}}},
    "required": ["a", "b"],
    "additionalProperties": False,
    "$defs": {"c": {"type": "object", "properties": {}, "required": [], "additionalProperties": False}},
}
_SCHEMAS: Final[st.SearchStrategy[dict[str, Any]]] = st.sampled_from(
    [_SCHEMA, {}, {"type": "object"}, {"type": "object", "title": "Ünlike a name", "properties": {"a": {}}}]
)
_TOOLS: Final = st.builds(
    Tool, st.sampled_from(["look_up", "add"]), st.none() | _WORDS, st.none() | _SCHEMAS, st.none() | st.booleans()
)
_IMAGES: Final = st.builds(
    ImagePart,
    url=st.sampled_from(["https://pictures.example/a.png", "data:image/png;base64,iVBORw0KGgo="]),
    detail=st.sampled_from([None, "auto", "low", "high"]),
) | st.just(ImagePart(data="iVBORw0KGgo=", media_type="image/jpeg"))
_RESULTS: Final = st.builds(ToolResultPart, st.sampled_from(["call_1", "call_2"]), _WORDS)
_CALLS: Final = st.builds(
    ToolUse,
    st.sampled_from(["call_1", "call_2"]),
    st.sampled_from(["look_up", "add"]),
    st.sampled_from(["", "{}", '{"a":"b"}', '{"a":', "7"]),
)
_TEXTS: Final = st.text(min_size=1, max_size=12)
_ILLUSTRATED: Final = st.lists(st.builds(TextPart, _TEXTS) | _IMAGES, min_size=1, max_size=3)
_CONTENTS: Final = _WORDS | st.lists(st.builds(TextPart, _WORDS) | _IMAGES | _RESULTS, max_size=3)
_MESSAGES: Final = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    content=_CONTENTS,
    name=st.none() | st.just("ann"),
    tool_calls=st.just([]) | st.lists(_CALLS, max_size=2),
)
#: What each setting may be; a tool, so that there is something to choose, goes with every choice.
_VALUES: Final[dict[str, st.SearchStrategy[dict[str, Any]]]] = {
    name: st.fixed_dictionaries({name: values})
    for name, values in {
        "temperature": st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        "top_p": st.sampled_from([0.1, 1.0]),
        "max_tokens": st.sampled_from([1, 16, 1000, 100_000]),
        "stop": st.lists(st.text(min_size=1, max_size=5), max_size=6),
        "seed": st.sampled_from([0, -1, 2**31]),
        "reasoning_effort": st.sampled_from(get_args(ReasoningEffort)),
        "verbosity": st.sampled_from(["low", "medium", "high"]),
        "json_schema": _SCHEMAS,
        "json_object": st.booleans(),
        "tools": st.lists(_TOOLS, max_size=2, unique_by=lambda tool: tool.name),
        "parallel_tool_calls": st.booleans(),
        "frequency_penalty": st.just(0.5),
        "presence_penalty": st.just(-0.5),
        "logprobs": st.sampled_from([0, 5, 20]),
    }.items()
}
_VALUES["tool_choice"] = st.fixed_dictionaries(
    {
        "tool_choice": st.sampled_from(["auto", "none", "required", NamedTool("look_up")]),
        "tools": st.just([Tool("look_up", "Looks it up."), Tool("add")]),
    }
)
_SETTINGS: Final = (
    st.lists(st.sampled_from(sorted(_VALUES)), max_size=4, unique=True)
    .flatmap(lambda names: st.tuples(*(_VALUES[name] for name in names)))
    .map(lambda chosen: Settings(**{name: value for each in chosen for name, value in each.items()}))
)

_TURN: Final = st.builds(
    lambda asked, said: [Message("user", asked), Message("assistant", said)], _TEXTS, st.text(min_size=1, max_size=12)
)
_TOOL_TURN: Final = st.builds(
    lambda asked, words, call, result: [
        Message("user", asked),
        Message("assistant", words, tool_calls=[call]),
        Message("tool", [ToolResultPart(call.id, result)]),
    ],
    _TEXTS,
    _WORDS,
    _CALLS,
    _WORDS,
)
#: Conversations as they are led, and messages in an order that no conversation has.
_CONVERSATIONS: Final = st.builds(
    lambda system, turns, last: [*system, *(message for turn in turns for message in turn), *last],
    st.just([]) | st.builds(lambda text: [Message("system", text)], _WORDS),
    st.lists(_TURN | _TOOL_TURN, max_size=2),
    st.just([]) | st.builds(lambda content: [Message("user", content)], _TEXTS | _ILLUSTRATED),
).filter(bool)

#: Requests that may make no sense; the domain's own rules are kept.
REQUESTS: Final = st.builds(
    GenerationRequest,
    model=st.just("model"),
    messages=_CONVERSATIONS | _CONVERSATIONS | st.lists(_MESSAGES, min_size=1, max_size=5),
    settings=_SETTINGS,
)

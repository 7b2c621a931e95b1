"""Everything that a generation request can ask for, and what every dialect's `request` must make of it.

1. A plain question can be asked. Everything else is sent or refused: `RefusedError` with a JSON pointer.
2. What is asked for is in the body that is sent, or changes it; nothing is left out in silence.
3. The path stays below the base URL whatever the model is called, and no header carries a key or a second line:
   the server adds the key, and a name must not choose where it goes.
4. The same request is the same bytes, and stays as it was.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

import msgspec

from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    Part,
    ReasoningEffort,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)
from headwater.errors import RefusedError
from headwater.providers.contract import Dialect, HttpRequest


class Asked(NamedTuple):
    """A request, the words of it that its body must hold, and the request without what it is there for."""

    request: GenerationRequest
    words: tuple[str, ...] = ()
    without: GenerationRequest | None = None


_PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"heron": {"type": "string"}, "reeds": {"type": "integer"}},
    "required": ["heron", "reeds"],
    "additionalProperties": False,
}
_WEATHER: Final = Tool("weather_at", "Says what the sky does.", {"type": "object", "properties": {"weir": {}}})
_HELLO: Final = Message("user", "Hello heron")
_CALL: Final = ToolUse("call_17", "weather_at", '{"weir":"Elbe"}')
_SECOND: Final = ToolUse("call_18", "weather_at", '{"weir":"Oder"}')
_RESULT: Final = ToolResultPart("call_17", "It rains on the weir.")
_OTHER_RESULT: Final = ToolResultPart("call_18", "It snows on the oder.")


def _messages(*messages: Message, words: tuple[str, ...] = (), settings: Settings | None = None) -> Asked:
    return Asked(GenerationRequest("model", list(messages), settings or Settings()), words)


def _parts(*parts: Part, words: tuple[str, ...] = ()) -> Asked:
    return _messages(Message("user", list(parts)), words=words)


def _settings(words: tuple[str, ...] = (), *, beside: Settings | None = None, **fields: Any) -> Asked:
    """A plain question with these settings. `beside` is what makes sense of them, and no part of the comparison."""
    base = beside or Settings()
    members = {name: getattr(base, name) for name in Settings.__struct_fields__}
    wanted = GenerationRequest("model", [_HELLO], Settings(**{**members, **fields}))
    return Asked(wanted, words, GenerationRequest("model", [_HELLO], base))


def _images(*details: Literal["low"] | None) -> list[Message]:
    images = [ImagePart(url=f"https://pictures.example/{at}.png", detail=each) for at, each in enumerate(details)]
    return [Message("user", [TextPart("What?"), *images])]


_TOOLS: Final = Settings(tools=[_WEATHER])
_ONE_OF_TWO: Final = Settings(tools=[_WEATHER, Tool("now_is")], tool_choice=NamedTool("weather_at"))

#: By a name that says what is asked for.
REQUESTS: Final[Mapping[str, Asked]] = {
    "a question": _messages(_HELLO, words=("Hello heron",)),
    "a system message": _messages(Message("system", "Be a wader."), _HELLO, words=("Be a wader.", "Hello heron")),
    "a developer's message": _messages(Message("developer", "Be a wader."), _HELLO, words=("Be a wader.",)),
    "a late system message": _messages(_HELLO, Message("system", "Be a wader."), words=("Be a wader.",)),
    "a conversation": _messages(
        _HELLO, Message("assistant", "Hello wader"), Message("user", "Who?"), words=("Hello wader", "Who?")
    ),
    # The thoughts themselves may be passed over: few servers take them back.
    "an answer with its thoughts": _messages(
        _HELLO,
        Message("assistant", "Hello wader", reasoning="A heron"),
        Message("user", "Who?"),
        words=("Hello wader", "Who?"),
    ),
    "two questions in a row": _messages(_HELLO, Message("user", "Who?"), words=("Hello heron", "Who?")),
    "an answer that was begun": _messages(_HELLO, Message("assistant", "I am a"), words=("Hello heron", "I am a")),
    "parts of text": _parts(TextPart("One heron"), TextPart("two reeds"), words=("One heron", "two reeds")),
    "an image by its address": _parts(
        TextPart("What?"), ImagePart(url="https://pictures.example/heron.png"), words=("pictures.example/heron.png",)
    ),
    "an image as data": _parts(TextPart("What?"), ImagePart(data=_PNG, media_type="image/png"), words=(_PNG,)),
    "an image in a data URL": _parts(ImagePart(url=f"data:image/png;base64,{_PNG}"), words=(_PNG,)),
    "an image to be seen as a small one": Asked(
        GenerationRequest("model", _images("low")),
        ("pictures.example/0.png",),
        GenerationRequest("model", _images(None)),
    ),
    "two images, one to be seen as a small one": Asked(
        GenerationRequest("model", _images("low", None)),
        ("pictures.example/0.png", "pictures.example/1.png"),
        GenerationRequest("model", _images("low", "low")),
    ),
    "a speaker's name": _messages(Message("user", "Hello heron", name="ann_of_elbe"), words=("ann_of_elbe",)),
    "a tool": _settings(("weather_at", "Says what the sky does.", "weir"), tools=[_WEATHER]),
    "a tool without parameters": _settings(("now_is",), tools=[Tool("now_is", "Says the time.")]),
    "a strict tool": _settings(("heron_is", "reeds"), tools=[Tool("heron_is", None, _SCHEMA, True)]),
    "a free choice of tools": _settings(beside=_TOOLS, tool_choice="auto", tools=[_WEATHER, Tool("now_is")]),
    "no choice of tools": _settings(beside=_TOOLS, tool_choice="none"),
    "any tool": _settings(beside=_TOOLS, tool_choice="required"),
    "one tool": _settings(beside=_TOOLS, tool_choice=NamedTool("weather_at")),
    "one tool at a time": _settings(beside=_TOOLS, parallel_tool_calls=False),
    "one tool, once": _settings(beside=_ONE_OF_TWO, parallel_tool_calls=False),
    "a tool's result": _messages(
        _HELLO,
        Message("assistant", "I look.", tool_calls=[_CALL]),
        Message("tool", [_RESULT]),
        words=("I look.", "weather_at", "Elbe", "It rains on the weir."),
        settings=_TOOLS,
    ),
    "a tool's result with a name": _messages(
        _HELLO,
        Message("assistant", tool_calls=[_CALL]),
        Message("tool", [_RESULT], name="tool_of_elbe"),
        words=("tool_of_elbe",),
        settings=_TOOLS,
    ),
    "two tools' results": _messages(
        _HELLO,
        Message("assistant", tool_calls=[_CALL, _SECOND]),
        Message("tool", [_RESULT, _OTHER_RESULT]),
        Message("user", "So?"),
        words=("Elbe", "Oder", "It rains on the weir.", "It snows on the oder.", "So?"),
        settings=_TOOLS,
    ),
    "a tool's result from a user": _messages(
        _HELLO,
        Message("assistant", tool_calls=[_CALL]),
        Message("user", [_RESULT, TextPart("So?")]),
        words=("It rains on the weir.", "So?"),
        settings=_TOOLS,
    ),
    "a temperature": _settings(("0.625",), temperature=0.625),
    "no temperature": _settings(temperature=0.0),
    "top-p": _settings(("0.875",), top_p=0.875),
    "few tokens": _settings(("4321",), max_tokens=4321),
    "words to stop at": _settings(("Haltwort", "Endwort"), stop=["Haltwort", "Endwort"]),
    "a seed": _settings(("1234567",), seed=1234567),
    **{f"{effort} effort": _settings(reasoning_effort=effort) for effort in get_args(ReasoningEffort)},
    "a short answer": _settings(verbosity="low"),
    "a long answer": _settings(verbosity="high"),
    "an answer to a schema": _settings(("heron", "reeds"), json_schema=_SCHEMA),
    "an answer to an open schema": _settings(
        ("heron",), json_schema={"title": "An open one", "type": "object", "properties": {"heron": {"type": "string"}}}
    ),
    "an answer in JSON": _settings(json_object=True),
    "no repetitions": _settings(("0.375",), frequency_penalty=0.375),
    "new subjects": _settings(("0.375",), presence_penalty=0.375),
    "probabilities": _settings(("13",), logprobs=13),
    "much at once": Asked(
        GenerationRequest(
            "model",
            [Message("system", "Be a wader."), _HELLO],
            Settings(temperature=0.625, top_p=0.875, max_tokens=4321, tools=[_WEATHER], tool_choice="auto"),
        ),
        ("Be a wader.", "Hello heron", "0.625", "0.875", "4321", "weather_at"),
    ),
    "words of every kind": _messages(
        Message("user", 'Grüße, 鷺, 👋🏽 "quoted" \\ and\nlines \u2028'), words=("鷺", "👋🏽")
    ),
}

#: What a model may be called by somebody who wants its name to be an address.
NAMES: Final = (
    "../../admin",
    "..",
    "a/../../b",
    "m?key=1",
    "m#a",
    "@elsewhere.example",
    "//elsewhere.example/",
    "a\r\nb: c",
    "",
)

_PATH: Final = re.compile(r"/(?!/)[!-~]*")
_OURS: Final = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "host", "content-length", "transfer-encoding"}
)


def check_requests(dialect: Dialect, *, model: str = "model", but: Iterable[str] = ()) -> dict[str, RefusedError]:
    """Holds `request` to its laws on each of `REQUESTS`, asked of this model; `but` are those that need not be tried.

    Returns what was refused, by name, for the caller to compare. Raises AssertionError for a broken law.
    """
    refused: dict[str, RefusedError] = {}
    for name, asked in REQUESTS.items():
        if name in set(but):
            continue
        made = _made(dialect, asked.request, model, name)
        if isinstance(made, RefusedError):
            refused[name] = made
            continue
        check_http_request(made, name)
        for word in asked.words:
            assert _holds(made, word), f"{name}: `{word}` is not in what is sent, and was not refused"
        if asked.without is not None and asked.without != asked.request:
            plain = _made(dialect, asked.without, model, name)
            different = isinstance(plain, RefusedError) or plain != made
            assert different, f"{name}: what is sent is the same without it, and it was not refused"
    assert "a question" not in refused, f"a plain question is refused: {refused['a question'].message}"
    if getattr(dialect, "answers_whole", False):
        streamed = REQUESTS["a question"].request
        whole = msgspec.structs.replace(streamed, stream=False)
        different = _made(dialect, whole, model, "a whole answer") != _made(dialect, streamed, model, "a stream")
        assert different, "`answers_whole` is true, but a whole answer is not asked for in another way than a stream"
    for name in NAMES:
        made = _made(dialect, REQUESTS["a question"].request, name, f"the model {name!r}")
        if not isinstance(made, RefusedError):
            check_http_request(made, f"the model {name!r}")
    return refused


def check_http_request(made: HttpRequest, what: str) -> None:
    """Law 3, for a request that was made."""
    assert isinstance(made, HttpRequest), f"{what}: `request` gave a {type(made).__name__}"
    path, _, query = made.path.partition("?")
    assert _PATH.fullmatch(made.path), f"{what}: the path {made.path!r} is not one, or leads elsewhere"
    assert ".." not in path.split("/"), f"{what}: the path {made.path!r} leaves the base URL"
    assert "#" not in made.path, f"{what}: the path {made.path!r} is cut off by a fragment"
    assert "key=" not in query, f"{what}: a key in the address {made.path!r} would be in logs"
    assert isinstance(made.body, bytes), f"{what}: the body is a {type(made.body).__name__}"
    for name, value in made.headers.items():
        assert name.lower() not in _OURS, f"{what}: the header `{name}` is the server's to set"
        assert re.fullmatch(r"[\w-]+", name), f"{what}: {name!r} is no name of a header"
        assert not re.search(r"[\r\n\0]", value), f"{what}: the header `{name}` has a second line"


def _made(dialect: Dialect, request: GenerationRequest, model: str, what: str) -> HttpRequest | RefusedError:
    """Law 4, and of a refusal that it says where."""
    before = msgspec.structs.replace(request, model=model)
    # Copies, for a dialect that changes what it is given should spoil no other request.
    wanted = copy.deepcopy(before)
    try:
        made = dialect.request(wanted)
        again = dialect.request(copy.deepcopy(before))
    except RefusedError as error:
        _check_refusal(error, what)
        return error
    except Exception as error:
        raise AssertionError(f"{what}: `request` raised {type(error).__name__}: {error}") from error
    assert made == again, f"{what}: the same request is not the same bytes"
    assert wanted == before, f"{what}: `request` has changed what it was given"
    return made


def _check_refusal(refusal: RefusedError, what: str) -> None:
    pointer = refusal.extra.get("pointer")
    assert isinstance(pointer, str), f"{what}: refused without a JSON pointer: {refusal.message}"
    assert pointer.startswith("/"), f"{what}: {pointer!r} is no JSON pointer"
    assert refusal.message, f"{what}: refused without a word"


def _holds(made: HttpRequest, word: str) -> bool:
    """Whether a word is in the body, as UTF-8 or as JSON writes it in ASCII."""
    text = made.body.decode(errors="replace")
    escaped = "".join(each if ord(each) < 128 else _escaped(each) for each in word)
    return word in text or escaped in text


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

"""The kit for requests lets nothing be left out, and no name of a model lead anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import pytest

from headwater.domain.message import GenerationRequest, ImagePart, Message, Settings
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.contract import HttpRequest
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.servers import SERVERS
from headwater.testing.requests import REQUESTS, check_http_request, check_requests

#: A message that says nothing.
PLAIN = Message("user")

Change = Callable[[HttpRequest, GenerationRequest], HttpRequest]


class Changed(OpenAIChat):
    """Sends something else than it should."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self._change = change

    def request(self, request: GenerationRequest) -> HttpRequest:
        return self._change(super().request(request), request)


def without(member: str) -> Change:
    """Leaves out a member of the body."""

    def change(made: HttpRequest, request: GenerationRequest) -> HttpRequest:
        body = msgspec.json.decode(made.body)
        body.pop(member, None)
        return made._replace(body=msgspec.json.encode(body))

    return change


def headed(**headers: str) -> Change:
    return lambda made, _: made._replace(headers={name.replace("_", "-"): value for name, value in headers.items()})


def refusing(**extra: object) -> Change:
    def change(made: HttpRequest, request: GenerationRequest) -> HttpRequest:
        if request.settings != Settings():
            raise UnsupportedError("No.", **extra)  # type: ignore[arg-type]  # members of the problem
        return made

    return change


def spoiling(made: HttpRequest, request: GenerationRequest) -> HttpRequest:
    request.settings.extra["openai"] = {}
    return made


def counting() -> Change:
    numbers = iter(range(10**6))
    return lambda made, _: made._replace(body=b"%b%d" % (made.body, next(numbers)))


def with_stream(made: HttpRequest, request: GenerationRequest) -> HttpRequest:
    return OpenAIChat().request(msgspec.structs.replace(request, stream=True))


def raising(made: HttpRequest, request: GenerationRequest) -> HttpRequest:
    raise KeyError("seed")


def refuses_all(made: HttpRequest, request: GenerationRequest) -> HttpRequest:
    raise BadRequestError("No.", pointer="/messages")


MUTANTS: Mapping[str, tuple[Change, str]] = {
    "a temperature is left out": (without("temperature"), "a temperature: `0.625` is not in what is sent"),
    "an effort is left out": (without("reasoning_effort"), "none effort: what is sent is the same without it"),
    "a choice is left out": (without("tool_choice"), "what is sent is the same without it"),
    "tools are left out": (without("tools"), "`weather_at` is not in what is sent"),
    "the name is the path": (lambda made, asked: made._replace(path=f"/{asked.model}"), "leaves the base URL"),
    "the name is the host": (lambda made, asked: made._replace(path=asked.model), "leads elsewhere"),
    "the path is cut off": (lambda made, _: made._replace(path="/a#b"), "fragment"),
    "the key is in the address": (lambda made, _: made._replace(path="/a?key=7"), "would be in logs"),
    "the key is in a header": (headed(Authorization="Bearer x"), "is the server's to set"),
    "another key is in a header": (headed(X_Goog_Api_Key="x"), "is the server's to set"),
    "a header has two lines": (headed(A="b\r\nc: d"), "second line"),
    "a header has no name": (headed(**{"a b": "c"}), "no name of a header"),
    "a refusal says not where": (refusing(), "without a JSON pointer"),
    "a refusal points nowhere": (refusing(pointer="settings"), "no JSON pointer"),
    "the request is spoiled": (spoiling, "has changed what it was given"),
    "the bytes are others": (counting(), "not the same bytes"),
    "a whole answer is asked for as a stream": (with_stream, "whole answer is not asked for"),
    "it raises": (raising, "raised KeyError"),
    "it refuses everything": (refuses_all, "a plain question is refused"),
}


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_mutant_is_caught(mutant: str) -> None:
    change, words = MUTANTS[mutant]
    with pytest.raises(AssertionError, match=words):
        check_requests(Changed(change))


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_every_server_of_ours_keeps_the_laws(server: str) -> None:
    refused = check_requests(SERVERS[server].dialect())
    assert refused.keys() < REQUESTS.keys()


#: Models whose names say that they do not take everything, and what of a request is what happens with them anyway.
MODELS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("openai", "gpt-4o"): ("none effort",),
    ("openai", "gpt-5-nano"): (),
    ("openai_responses", "gpt-5.1"): (),
    ("xai", "grok-3-mini"): (),
    ("xai", "grok-4"): (),
    ("xai_responses", "grok-4-fast-non-reasoning"): ("none effort",),
    ("deepseek", "deepseek-v4-pro"): (),
    ("deepseek_responses", "deepseek-v4-pro"): (),
    ("groq", "llama-3.3-70b-versatile"): ("none effort",),
    ("groq", "qwen/qwen3-32b"): (),
    ("mistral", "mistral-large-2512"): ("none effort",),
    ("mistral", "mistral-small-2603"): (),
    ("gemini", "gemini-2.0-flash"): ("none effort",),
    ("gemini", "gemini-2.5-flash"): (),
    ("gemini", "gemini-3-pro-preview"): (),
    ("anthropic", "claude-opus-4-5"): ("none effort",),
    ("anthropic", "claude-opus-5-5"): (),
}


@pytest.mark.parametrize(("server", "model"), MODELS)
def test_what_a_model_does_not_take_is_refused_and_never_left_out(server: str, model: str) -> None:
    anyway = MODELS[server, model]
    refused = check_requests(SERVERS[server].dialect(), model=model, but=anyway)
    assert refused
    for name in anyway:
        SERVERS[server].dialect().request(msgspec.structs.replace(REQUESTS[name].request, model=model))


#: What a row promises, and a request that asks for it.
PROMISED: Mapping[str, str] = {
    "images": "an image as data",
    "tools": "a tool",
    "json_schema": "an answer to a schema",
    "reasoning": "high effort",
}


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_what_a_row_promises_can_be_asked_for(server: str) -> None:
    """Of a model that has it all, where that is the model's affair: `capabilities_of` promises what the model has."""
    row = SERVERS[server]
    promised = row.capabilities if row.capabilities_of is None else row.capabilities_of("model")
    refused = check_requests(row.dialect())
    assert [name for name, asked in PROMISED.items() if name in promised and asked in refused] == []


def test_what_is_refused_is_told() -> None:
    refused = check_requests(SERVERS["deepseek"].dialect())
    assert refused["an image as data"].extra == {"pointer": "/messages/0/content/1"}
    assert "an image as data" not in check_requests(OpenAIChat())
    assert "an answer to a schema" not in check_requests(SERVERS["deepseek"].dialect(), but=["an answer to a schema"])


def test_every_setting_is_asked_for_somewhere() -> None:
    asked = {
        name
        for each in REQUESTS.values()
        for name in Settings.__struct_fields__
        if getattr(each.request.settings, name) != getattr(Settings(), name)
    }
    # `extra` has members of each provider's own.
    assert asked == {*Settings.__struct_fields__} - {"extra"}


def test_every_part_of_a_message_is_asked_for_somewhere() -> None:
    messages = [message for each in REQUESTS.values() for message in each.request.messages]
    parts = [part for message in messages if isinstance(message.content, list) for part in message.content]
    images = [part for part in parts if isinstance(part, ImagePart)]
    told = {
        name for each in messages for name in Message.__struct_fields__ if getattr(each, name) != getattr(PLAIN, name)
    }
    # What a provider sealed has a form of its own.
    assert told == {*Message.__struct_fields__} - {"provider_data"}
    shown = {name for each in images for name in ImagePart.__struct_fields__ if getattr(each, name) is not None}
    assert shown == {*ImagePart.__struct_fields__}


def test_what_is_not_bytes_is_no_body() -> None:
    with pytest.raises(AssertionError, match="the body is a str"):
        check_http_request(HttpRequest("/", "{}"), "this")  # type: ignore[arg-type]  # what a plug-in may give
    with pytest.raises(AssertionError, match="gave a tuple"):
        check_http_request(("/", b""), "this")  # type: ignore[arg-type]

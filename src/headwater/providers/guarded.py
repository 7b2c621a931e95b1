"""A dialect of somebody else, held to what the server relies on: what it raises ends a call, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from headwater.domain.event import Annotation, Chunk, ProviderData, Reasoning, Refusal, ToolCall, UsageReport
from headwater.domain.message import GenerationRequest, Usage
from headwater.errors import ErrorCode, ProviderError, RefusedError, UnsupportedError
from headwater.providers.contract import Decoder, Dialect, Finish, Frame, HttpRequest, Item
from headwater.providers.headers import can_be_sent

#: What a stream consists of; the other events are the run's.
_ITEMS: Final = frozenset({Annotation, Chunk, Finish, ProviderData, Reasoning, Refusal, ToolCall, UsageReport})
#: What a plug-in may raise. One that leaves its process has a fault too: in a loop that would end the server.
RAISED: Final = (Exception, SystemExit)
_SENTENCE: Final = "The plug-in for this model's provider has a fault."


class Guarded:
    """A plug-in's dialect, between it and whoever calls it. `plugin` is the name that faults are told by.

    Nothing of what a plug-in raises is repeated but its type, for its words may quote keys and prompts.
    """

    def __init__(self, dialect: Dialect, plugin: str) -> None:
        self.name = dialect.name
        self.framing = dialect.framing
        self.answers_whole = bool(getattr(dialect, "answers_whole", False))
        self._dialect = dialect
        self._plugin = plugin

    def request(self, request: GenerationRequest) -> HttpRequest:
        """As `Dialect.request`; a plug-in that can not make one refuses it with `UnsupportedError`."""
        try:
            made = self._dialect.request(request)
        except RefusedError:
            raise
        except RAISED as error:
            raise self._refusal(f"`request` raised {type(error).__name__}") from None
        if not isinstance(made, HttpRequest):
            raise self._refusal(f"`request` gave a {type(made).__name__}")
        if flaw := _flaw(made):
            raise self._refusal(flaw)
        return made

    def decoder(self, request: GenerationRequest) -> Decoder:
        try:
            return _GuardedDecoder(self._dialect.decoder(request), self._plugin)
        except RAISED as error:
            raise _fault(self._plugin, "decoder", error) from None

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        try:
            error = self._dialect.error(status, headers, body)
            if not isinstance(error, ProviderError):
                raise TypeError
        except RAISED as raised:
            error = _fault(self._plugin, "error", raised)
            error.status_code = status
        return error

    def _refusal(self, what: str) -> UnsupportedError:
        return UnsupportedError(f"The plug-in `{self._plugin}` can not make this request: {what}.", pointer="/model")


class _GuardedDecoder:
    """One stream. Items behind a fault are lost with it, as with any error of a decoder."""

    def __init__(self, decoder: Decoder, plugin: str) -> None:
        self._decoder = decoder
        self._plugin = plugin

    @property
    def ended(self) -> bool:
        try:
            return bool(self._decoder.ended)
        except RAISED as error:
            raise _fault(self._plugin, "ended", error) from None

    @property
    def interim(self) -> Usage | None:
        """None where there is none, or what there is is none: this is asked when a call is over, which it stays."""
        try:
            usage = getattr(self._decoder, "interim", None)
            return None if usage is None else msgspec.convert(msgspec.to_builtins(usage), Usage)
        except RAISED:
            return None

    def feed(self, frame: Frame) -> list[Item]:
        try:
            return _checked(self._decoder.feed(frame))
        except ProviderError:
            raise
        except RAISED as error:
            raise _fault(self._plugin, "feed", error) from None

    def end(self, clean: bool) -> list[Item]:
        try:
            items = _checked(self._decoder.end(clean))
        except ProviderError:
            raise
        except RAISED as error:
            raise _fault(self._plugin, "end", error) from None
        if not items or not isinstance(items[-1], Finish):
            detail = f"the plug-in `{self._plugin}`: `end` gave no `Finish`"
            raise ProviderError(ErrorCode.SERVER, _SENTENCE, detail=detail, retryable=False)
        return items


def _flaw(made: tuple[Any, ...]) -> str:
    """Why a request can not be sent, whose parts have passed no type check; "" where it can."""
    path, body, method, headers = made
    if not isinstance(path, str) or not path.startswith("/"):
        # Behind a base URL without a path anything else could lead the key to another host.
        return "the path of its request does not begin with `/`"
    if not isinstance(body, bytes) or not isinstance(method, str):
        return "its request is not of bytes"
    if not isinstance(headers, Mapping) or not can_be_sent(headers):
        return "its request has a header that can not be sent"
    return ""


def _checked(items: Iterable[Item]) -> list[Item]:
    """A copy. What is no list, or holds what no stream can, is a fault here and not in whoever reads it."""
    copy = [*items]
    for item in copy:
        if type(item) not in _ITEMS:
            raise TypeError
        msgspec.convert(msgspec.to_builtins(item), type(item))
    return copy


def _fault(plugin: str, where: str, error: BaseException) -> ProviderError:
    detail = f"the plug-in `{plugin}`: `{where}` raised {type(error).__name__}"
    return ProviderError(ErrorCode.SERVER, _SENTENCE, detail=detail, retryable=False)

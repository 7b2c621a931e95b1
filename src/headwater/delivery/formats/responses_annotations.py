"""What providers say about text, in the words of OpenAI's Responses; what is not in them, or is odd, is left out.

The forms are those of https://platform.openai.com/docs/api-reference/responses/object, and of Chat Completions, which
puts a URL's members one level deeper.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec


class UrlCitation(msgspec.Struct, tag="url_citation", tag_field="type", frozen=True):
    url: str
    title: str
    start_index: int
    end_index: int


class FileCitation(msgspec.Struct, tag="file_citation", tag_field="type", frozen=True):
    file_id: str
    filename: str
    index: int


class ContainerFileCitation(msgspec.Struct, tag="container_file_citation", tag_field="type", frozen=True):
    container_id: str
    file_id: str
    filename: str
    start_index: int
    end_index: int


class FilePath(msgspec.Struct, tag="file_path", tag_field="type", frozen=True):
    file_id: str
    index: int


_Citation = UrlCitation | FileCitation | ContainerFileCitation | FilePath


class _Token(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Logprob(_Token, frozen=True):
    top_logprobs: list[_Token] = []


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[_Logprob] | None = None


_NESTED: Final = "url_citation"


def citation(value: object) -> dict[str, Any] | None:
    """An annotation of a provider as one of this API; None where it is none of these."""
    if isinstance(value, dict) and isinstance(nested := value.get(_NESTED), dict):
        value = {**nested, "type": _NESTED}
    try:
        found: dict[str, Any] = msgspec.to_builtins(msgspec.convert(value, _Citation))
    except msgspec.ValidationError:
        return None
    return found


def logprobs_of(value: object) -> list[dict[str, Any]]:
    """The tokens' probabilities of a record, each with its bytes, which are the token's own where none are told."""
    try:
        tokens = msgspec.convert(value, _Logprobs).content or []
    except msgspec.ValidationError:
        return []
    return [{**_token(each), "top_logprobs": [_token(top) for top in each.top_logprobs]} for each in tokens]


def without_bytes(logprob: dict[str, Any]) -> dict[str, Any]:
    """A token's probability as events have it: the item has its bytes too."""
    tops = [{"token": top["token"], "logprob": top["logprob"]} for top in logprob["top_logprobs"]]
    return {"token": logprob["token"], "logprob": logprob["logprob"], "top_logprobs": tops}


def _token(token: _Token) -> dict[str, Any]:
    spelled = list(token.token.encode()) if token.bytes is None else token.bytes
    return {"token": token.token, "logprob": token.logprob, "bytes": spelled}

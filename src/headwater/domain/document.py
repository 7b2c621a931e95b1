"""A document: what an application keeps beside the log, under a name, to be found again. Pure.

A run's log says what happened in it; a document is what the application made of it: a message of a chat, a verdict on a
prediction, a session's state. `collection` and `key` are its name among its owner's documents.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headwater.domain.nesting import NESTING_MAX, is_too_deep
from headwater.domain.surrogates import replace_surrogates, scrub_surrogates
from headwater.errors import BadRequestError, TooLargeError

#: A document's body as JSON, and how many are put in one piece.
BODY_BYTES_MAX: Final = 4 << 20
TOGETHER_MAX: Final = 256
#: Of a collection, a key, and of a word's name and value.
NAME_CHARS_MAX: Final = 256
WORDS_MAX: Final = 16

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Document(msgspec.Struct, frozen=True):
    """`body` is JSON; `words` are what it can be found by, all of them exact.

    `run` is the run that it came out of, and goes with: deleting the run deletes it.
    """

    collection: str
    key: str
    body: Any
    words: dict[str, str] = {}
    run: str | None = None


def sealed(documents: Iterable[Document]) -> tuple[Document, ...]:
    """The same documents as they will be stored, their bodies encoded (`msgspec.Raw`): nobody changes them any more.

    Raises `BadRequestError` for a name that is none, or is there twice, or a body that is no JSON; `TooLargeError`.
    """
    done: list[Document] = []
    places: set[tuple[str, str]] = set()
    for document in documents:
        if len(done) == TOGETHER_MAX:
            raise TooLargeError(f"At most {TOGETHER_MAX} documents are stored together.")
        _check_names(document)
        place = (document.collection, document.key)
        if place in places:
            raise BadRequestError("A document is there twice.")
        places.add(place)
        body = encode_body(document.body)
        if len(body) > BODY_BYTES_MAX:
            raise TooLargeError(f"A document has at most {BODY_BYTES_MAX} bytes as JSON, this one has {len(body)}.")
        if is_too_deep(body):
            raise TooLargeError(f"A document's body is nested {NESTING_MAX} deep at most.")
        done.append(msgspec.structs.replace(document, body=msgspec.Raw(body), words=dict(document.words)))
    return tuple(done)


def encode_body(body: Any) -> bytes:
    """A body as JSON in UTF-8; half a surrogate pair becomes U+FFFD. Raises `BadRequestError` for what is no JSON."""
    try:
        try:
            return _encode(body)
        except UnicodeEncodeError:
            return _encode(scrub_surrogates(msgspec.to_builtins(body)))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        raise BadRequestError("A document's body can not be said in JSON.") from None


def opened(document: Document) -> Document:
    """The document with its body decoded, as whoever reads it has it."""
    return msgspec.structs.replace(document, body=_decode(encode_body(document.body)))


def is_whole(text: str) -> bool:
    """Whether there is no half of a surrogate pair in it."""
    return replace_surrogates(text) is text


def _check_names(document: Document) -> None:
    if len(document.words) > WORDS_MAX:
        raise TooLargeError(f"A document has at most {WORDS_MAX} words.")
    for name in (document.collection, document.key, *document.words):
        if not name:
            raise BadRequestError("A document's collection, key and words have names that are not empty.")
    for text in (document.collection, document.key, document.run or "", *document.words, *document.words.values()):
        if len(text) > NAME_CHARS_MAX:
            raise TooLargeError(f"A document's names and words have at most {NAME_CHARS_MAX} characters.")
        if not is_whole(text):
            raise BadRequestError("A document's names and words are whole characters.")

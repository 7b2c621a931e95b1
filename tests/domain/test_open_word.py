"""Words that a newer version may have more of are read as they are, and the schema names those of this one."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from headwater.domain.open_word import open_word

Colour = Literal["red", "green"]


class Light(msgspec.Struct):
    colour: Annotated[str, open_word(Colour)]


@pytest.mark.parametrize("word", ["red", "infrared", ""])
def test_any_word_is_read_as_it_is(word: str) -> None:
    assert msgspec.json.decode(msgspec.json.encode({"colour": word}), type=Light) == Light(word)


def test_what_is_no_word_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"colour":1}', type=Light)


def test_the_schema_names_those_of_this_version() -> None:
    schema = msgspec.json.schema(Light)["$defs"]["Light"]["properties"]["colour"]
    assert schema == {"type": "string", "examples": ["red", "green"]}

"""Words of the protocol that a newer version may have more of."""

from __future__ import annotations

from typing import Any, get_args

import msgspec


def open_word(known: Any) -> msgspec.Meta:
    """For the type of a field that is read: `Annotated[str, open_word(Literal[…])]`.

    Any text is taken, so that a word of a newer server spoils nothing; the schema names those of this version, as its
    `examples`. What is written is held to them by the types of those who write it.
    """
    return msgspec.Meta(examples=list(get_args(known)))

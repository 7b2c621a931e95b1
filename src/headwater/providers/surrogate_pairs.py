"""Surrogate pairs that a provider cut in two, put together again over the deltas of a stream.

`headwater.domain.surrogates` says what halves are. A stream may have several texts under way at once, each with half a
pair that waits for its other half: a key tells them apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from headwater.domain.surrogates import join_surrogates

Key = TypeVar("Key", bound=Hashable)


class SurrogatePairs(Generic[Key]):
    """Holds back at most one character for each text."""

    def __init__(self) -> None:
        self._halves: dict[Key, str] = {}

    def join(self, key: Key, text: str) -> str:
        """`text` after what was held back of this key's, whole characters only; a first half at its end waits."""
        text, half = join_surrogates(self._halves.pop(key, "") + text)
        if half:
            self._halves[key] = half
        return text

    def alone(self) -> Iterator[Key]:
        """The texts that end in half a pair, as it has turned out: U+FFFD is what stands there."""
        return iter(list(self._halves))

    def is_alone(self, key: Key) -> bool:
        """Whether this text has ended in half a pair, which is then forgotten."""
        return self._halves.pop(key, "") != ""

"""The keys that count now, and who is connected by which. Pure: no I/O, and no clock but the one that is given.

A request asks here and nowhere else, so it costs a look into a dict and one SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from headwater.domain.api_key import ApiKey, id_in
from headwater.errors import AuthError

#: One sentence for what is no key, an unknown id, a wrong secret, and a key that is over: they must look the same.
NOT_TAKEN: Final = "The key is not one of this server's, or is no longer."

Cut = Callable[[], None]


class Visit:
    """A request under a key, for as long as it is answered. `cut` ends its connection; another may take its place."""

    __slots__ = ("cut", "key")

    def __init__(self, key: ApiKey, cut: Cut) -> None:
        self.key = key
        self.cut = cut


class KeyRing:
    """Every key there is, by its id. `now_ms` is the wall clock: when a key expires was said in its terms."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._keys: dict[str, ApiKey] = {}
        self._visits: dict[str, set[Visit]] = {}

    @property
    def active(self) -> int:
        """How many keys are taken at this moment."""
        now_ms = self._now_ms()
        return sum(key.state(now_ms) == "active" for key in self._keys.values())

    @property
    def visits(self) -> int:
        return sum(map(len, self._visits.values()))

    def replace(self, keys: Iterable[ApiKey]) -> None:
        """These count from now on, and no others."""
        self._keys = {key.id: key for key in keys}

    def find(self, text: str) -> ApiKey:
        """The key that is shown by this text. Raises `AuthError`."""
        id = id_in(text)
        key = None if id is None else self._keys.get(id)
        if key is None or not key.is_shown_by(text) or not self._is_taken(key):
            raise AuthError(NOT_TAKEN)
        return key

    def enter(self, key: ApiKey, cut: Cut) -> Visit:
        """Notes who is connected by the key, until `leave`."""
        visit = Visit(key, cut)
        self._visits.setdefault(key.id, set()).add(visit)
        return visit

    def leave(self, visit: Visit) -> None:
        visits = self._visits.get(visit.key.id)
        if visits is not None:
            visits.discard(visit)
            if not visits:
                del self._visits[visit.key.id]

    def cut_off(self) -> int:
        """Cuts whoever is connected by a key that is not taken any more; returns how many that were.

        What a cut raises keeps nobody else connected: it comes in an `ExceptionGroup`, once all are cut.
        """
        over = [visits for id, visits in self._visits.items() if not self._is_taken(self._keys.get(id))]
        cut = [visit for visits in over for visit in visits]
        raised = list[Exception]()
        for visit in cut:
            self.leave(visit)
            try:
                visit.cut()
            except Exception as error:
                raised.append(error)
        if raised:
            raise ExceptionGroup("readers could not be cut", raised)
        return len(cut)

    def _is_taken(self, key: ApiKey | None) -> bool:
        return key is not None and key.state(self._now_ms()) == "active"

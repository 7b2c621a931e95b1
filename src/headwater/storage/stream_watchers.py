"""Who waits for streams to move, for engines that tell them by name."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from headwater.domain.stream import StreamName


class StreamWatchers:
    """Callbacks by stream. All of it happens in the loop's thread."""

    def __init__(self) -> None:
        self._wakes: dict[StreamName, dict[int, Callable[[], None]]] = {}
        self._numbers = count()

    def __len__(self) -> int:
        return sum(map(len, self._wakes.values()))

    def watch(self, name: StreamName, wake: Callable[[], None]) -> Callable[[], None]:
        number = next(self._numbers)
        self._wakes.setdefault(name, {})[number] = wake

        def stop() -> None:
            wakes = self._wakes.get(name, {})
            wakes.pop(number, None)
            if not wakes:
                self._wakes.pop(name, None)

        return stop

    def wake(self, name: StreamName) -> None:
        for wake in tuple(self._wakes.get(name, {}).values()):
            wake()

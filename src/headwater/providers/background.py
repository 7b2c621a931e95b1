"""Answers that go on at their provider's when nobody listens: begun so, asked for again, stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from headwater.domain.message import GenerationRequest
from headwater.errors import ProviderError
from headwater.providers.contract import Checkpoint, Item, Reattachable
from headwater.providers.http import HttpProvider, close_response

#: How long connecting may take where an answer is to be stopped.
STOP_CONNECT_S = 5.0
#: What is answered about an answer that is over: it can not be stopped (any more), it is not there (any more).
_OVER = frozenset({400, 404, 409, 410})


class BackgroundHttpProvider(HttpProvider):
    """As `BackgroundProvider`: an `HttpProvider` whose dialect is `Reattachable`."""

    def __init__(self, name: str, dialect: Reattachable, **more: Any) -> None:
        """As `HttpProvider`."""
        super().__init__(name, dialect, **more)
        self._going_on = dialect

    def stream_in_background(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        return self.stream(self._going_on.in_background(request), connect_s=connect_s)

    def reattach(
        self, request: GenerationRequest, checkpoint: Checkpoint, *, connect_s: float | None
    ) -> AsyncIterator[list[Item]]:
        dialect = self._going_on
        decoder = dialect.resume(request, checkpoint)
        return self._answer(lambda: dialect.reattach(checkpoint), request, connect_s, decoder)

    async def stop(self, checkpoint: Checkpoint) -> None:
        try:
            response = await self._send(self._going_on.cancel(checkpoint), STOP_CONNECT_S)
            try:
                if not 200 <= response.status < 300 and response.status not in _OVER:
                    raise await self._refusal(response)
            finally:
                await close_response(response)
        except ProviderError as exc:
            raise self._cleaned(exc) from None


def http_provider(name: str, dialect: Any, **more: Any) -> HttpProvider:
    """The provider of a dialect, with all that it can do. Raises `ConfigError`."""
    made = BackgroundHttpProvider if isinstance(dialect, Reattachable) else HttpProvider
    return made(name, dialect, **more)

"""The provider of a call, as the policy after a crash has it: it goes on without us, or where the call was cut."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from headwater.domain.message import GenerationRequest
from headwater.domain.run import OnCrash
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import BackgroundProvider, Item, Provider
from headwater.runs.closing import close_stream
from headwater.runs.continuation import Joint, continued
from headwater.runs.overlap import Overlap
from headwater.runs.takeover import Resumption

#: What is said of an answer that the provider does not know (any more).
FORGOTTEN = 404


def provider_for(provider: Provider, policy: OnCrash, resumption: Resumption | None) -> Provider:
    """Who makes the tries of a call: the provider itself wherever nothing more is to be done."""
    mode = "fresh" if resumption is None else resumption.mode
    if mode == "continue" and resumption is not None:
        return _Continued(provider, resumption)
    if policy == "reattach" and isinstance(provider, BackgroundProvider):
        if mode == "reattach" and resumption is not None:
            return _Reattached(provider, resumption)
        return _InBackground(provider)
    return provider


class _InBackground:
    """Its answers go on when our process does not."""

    def __init__(self, provider: BackgroundProvider) -> None:
        self.name = provider.name
        self._provider = provider

    def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        if not request.stream:
            # an answer in one piece can not be asked on for
            return self._provider.stream(request, connect_s=connect_s)
        return self._provider.stream_in_background(request, connect_s=connect_s)

    async def close(self) -> None:
        """The provider is the catalog's."""


class _Continued:
    """Its answers go on where the call was cut; each try begins there anew."""

    def __init__(self, provider: Provider, resumption: Resumption) -> None:
        self.name = provider.name
        self._provider = provider
        self._resumption = resumption

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncGenerator[list[Item], None]:
        partial = self._resumption.partial
        joint = Joint(partial, self._resumption.part)
        stream = self._provider.stream(continued(request, partial), connect_s=connect_s)
        try:
            async for items in stream:
                yield joint.take(items)
        finally:
            await close_stream(stream)

    async def close(self) -> None:
        """The provider is the catalog's."""


class _Reattached:
    """The answer that was begun before the crash; each try asks for it from the last checkpoint on."""

    def __init__(self, provider: BackgroundProvider, resumption: Resumption) -> None:
        self.name = provider.name
        self._provider = provider
        self._resumption = resumption

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncGenerator[list[Item], None]:
        checkpoint = self._resumption.checkpoint
        assert checkpoint is not None
        overlap = Overlap(self._resumption.said)
        stream = self._provider.reattach(request, checkpoint, connect_s=connect_s)
        try:
            async for items in stream:
                yield items if overlap.is_passed else overlap.take(items)
        except ProviderError as error:
            if error.status_code != FORGOTTEN:
                raise
            raise ProviderError(
                ErrorCode.INTERRUPTED, provider=self.name, detail=error.detail, retryable=True
            ) from None
        finally:
            await close_stream(stream)

    async def close(self) -> None:
        """The provider is the catalog's."""

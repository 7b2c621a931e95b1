"""The provider of a call, as the policy after a crash has it: it goes on without us, or where the call was cut."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.run import OnCrash
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.answer import Answer
from headwater.providers.contract import BackgroundProvider, Checkpoint, Finish, Item, Provider
from headwater.runs.closing import close_stream
from headwater.runs.continuation import Joint, continued
from headwater.runs.overlap import Overlap
from headwater.runs.takeover import Resumption, checkpoint_of

#: What is said of an answer that the provider does not know (any more).
FORGOTTEN = 404


def provider_for(provider: Provider, policy: OnCrash, resumption: Resumption | None) -> Provider:
    """Who makes the tries of a call: the provider itself wherever nothing more is to be done."""
    mode = "fresh" if resumption is None else resumption.mode
    if mode == "continue" and resumption is not None:
        return _Continued(provider, resumption)
    if policy == "reattach" and isinstance(provider, BackgroundProvider):
        if mode == "reattach" and resumption is not None:
            return Lasting(provider, resumption.checkpoint, resumption.said)
        return Lasting(provider)
    return provider


class Lasting:
    """Its answers go on when our process or a connection does not: once one is begun, a stream is the rest of it.

    `place` is where an answer is that was begun before, and `said` what it has put out since. One call's.
    """

    def __init__(
        self, provider: BackgroundProvider, place: Checkpoint | None = None, said: Iterable[ev.Event] = ()
    ) -> None:
        self.name = provider.name
        #: whether something new has come since the newest stream began
        self.has_progressed = False
        self.provider = provider
        self._place = place
        self._said = [*said]

    @property
    def is_begun(self) -> bool:
        """Whether there is an answer that can be asked on for."""
        return self._place is not None

    def forget(self) -> Checkpoint | None:
        """The next stream is an answer of its own; returns where this one goes on, if it was begun."""
        left, self._place = self._place, None
        self._said.clear()
        return left

    def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        self.has_progressed = False
        place = self._place
        if place is not None:
            return self._rest(self.provider.reattach(request, place, connect_s=connect_s))
        if not request.stream:
            # an answer in one piece can not be asked on for
            return self.provider.stream(request, connect_s=connect_s)
        stream = self.provider.stream_in_background(request, connect_s=connect_s)
        return Answer(lambda answer: self._begun(answer, stream))

    async def _begun(self, answer: Answer, stream: AsyncIterator[list[Item]]) -> AsyncGenerator[list[Item], None]:
        try:
            async for items in stream:
                self._note(items)
                yield items
        finally:
            await close_stream(stream)
            answer.stands_for(stream)

    async def _rest(self, stream: AsyncIterator[list[Item]]) -> AsyncGenerator[list[Item], None]:
        overlap = Overlap(self._said)
        try:
            async for items in stream:
                fresh = items if overlap.is_passed else overlap.take(items)
                self._note(fresh)
                yield fresh
        except ProviderError as error:
            if error.status_code != FORGOTTEN:
                raise
            raise ProviderError(
                ErrorCode.INTERRUPTED, provider=self.name, detail=error.detail, retryable=True
            ) from None
        finally:
            await close_stream(stream)

    def _note(self, items: list[Item]) -> None:
        """Before whoever takes the items changes them: what is compared later is what the provider said."""
        for item in items:
            self.has_progressed = True
            if isinstance(item, ev.ProviderData) and (place := checkpoint_of(item)) is not None:
                self._place = place
                self._said.clear()
            elif self._place is not None and not isinstance(item, Finish):
                self._said.append(item)

    async def close(self) -> None:
        """The provider is the catalog's."""


class _Continued:
    """Its answers go on where the call was cut; each try begins there anew."""

    def __init__(self, provider: Provider, resumption: Resumption) -> None:
        self.name = provider.name
        self._provider = provider
        self._resumption = resumption

    def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        stream = self._provider.stream(continued(request, self._resumption.partial), connect_s=connect_s)
        return Answer(lambda answer: self._joined(answer, stream))

    async def _joined(self, answer: Answer, stream: AsyncIterator[list[Item]]) -> AsyncGenerator[list[Item], None]:
        joint = Joint(self._resumption.partial, self._resumption.part)
        try:
            async for items in stream:
                yield joint.take(items)
        finally:
            await close_stream(stream)
            answer.stands_for(stream)

    async def close(self) -> None:
        """The provider is the catalog's."""

"""Who makes the tries of a call: nearly always the provider itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message
from headwater.domain.run import OnCrash
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Checkpoint, Finish, Item
from headwater.runs.closing import close_stream
from headwater.runs.resumed import Lasting, provider_for
from headwater.runs.takeover import Resumption
from tests.runs.lasting import LastingProvider
from tests.runs.scene import ScriptedProvider, virtual, words

ASKED = GenerationRequest("m", [Message("user", "Hi")])
ANSWER: list[Item] = [ev.Chunk("a", 0), ev.Chunk("b", 0), ev.Chunk("c", 0)]


@pytest.mark.parametrize(
    ("policy", "resumption"),
    [
        ("interrupt", None),
        ("rerun", None),
        ("rerun", Resumption("rerun", "m")),
        ("rerun", Resumption("fresh")),
        ("continue", None),
        ("continue", Resumption("fresh")),
    ],
)
def test_where_nothing_more_is_to_be_done_it_is_the_provider_itself(
    policy: OnCrash, resumption: Resumption | None
) -> None:
    provider = LastingProvider(ANSWER)
    assert provider_for(provider, policy, resumption) is provider


def test_a_provider_whose_answers_end_with_their_reader_is_itself() -> None:
    """A model that is fallen back to may be one."""
    provider = ScriptedProvider(words("x"))
    assert provider_for(provider, "reattach", None) is provider


@pytest.mark.parametrize("resumption", [None, Resumption("fresh")])
@virtual
async def test_who_may_want_it_back_asks_for_an_answer_that_lasts(resumption: Resumption | None) -> None:
    provider = LastingProvider(ANSWER)
    made = provider_for(provider, "reattach", resumption)
    assert made.name == provider.name
    items = [item async for items in made.stream(ASKED, connect_s=None) for item in items]
    assert items[-1] == Finish("stop", "stop")
    assert list(provider.begun) == ["resp_1"]
    await made.close()


@virtual
async def test_an_answer_in_one_piece_is_asked_for_as_ever() -> None:
    class Whole(LastingProvider):
        def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
            return ScriptedProvider(words("whole")).stream(request, connect_s=connect_s)

    provider = Whole(ANSWER)
    asked = GenerationRequest("m", ASKED.messages, stream=False)
    stream = provider_for(provider, "reattach", None).stream(asked, connect_s=None)
    items = [item async for items in stream for item in items]
    assert items == [ev.Chunk("whole", 0), Finish("stop", "stop")]
    assert provider.begun == {}


@virtual
async def test_each_try_of_what_is_asked_for_again_passes_over_the_same() -> None:
    provider = LastingProvider(ANSWER, mark=10)
    provider.begun["resp_1"] = 0.0
    said = (ev.Chunk("a", 0), ev.Chunk("b", 0))
    made = provider_for(
        provider, "reattach", Resumption("reattach", "m", checkpoint=Checkpoint("resp_1", 0), said=said)
    )
    for new in ([ev.Chunk("c", 0)], []):
        got = [items async for items in made.stream(ASKED, connect_s=None)]
        assert got == [[], [], [], new, [Finish("stop", "stop")]]
    assert [place.sequence_number for place in provider.asked_again] == [0, 0]
    await made.close()


@virtual
async def test_a_stream_that_was_cut_is_gone_on_with_from_the_newest_place() -> None:
    provider = LastingProvider(ANSWER, mark=2)
    made = provider_for(provider, "reattach", None)
    assert isinstance(made, Lasting)
    assert not made.is_begun
    got: list[Item] = []
    for wanted in (2, 1, 1):
        stream = made.stream(ASKED, connect_s=None)
        while len(got) < wanted or not made.has_progressed:
            got += [item for item in await anext(aiter(stream)) if not isinstance(item, ev.ProviderData)]
        await close_stream(stream)
        if not made.is_begun:
            break
    assert got[:2] == [ev.Chunk("a", 0), ev.Chunk("b", 0)]
    assert list(provider.begun) == ["resp_1"]
    assert [place.sequence_number for place in provider.asked_again][:1] == [2]
    made.forget()
    assert not made.is_begun


@pytest.mark.parametrize(("status", "code"), [(404, ErrorCode.INTERRUPTED), (400, ErrorCode.BAD_REQUEST)])
@virtual
async def test_only_what_is_forgotten_is_interrupted(status: int, code: ErrorCode) -> None:
    provider = LastingProvider(ANSWER)
    provider.failures = [ProviderError(ErrorCode.BAD_REQUEST, status_code=status)]
    made = provider_for(provider, "reattach", Resumption("reattach", "m", checkpoint=Checkpoint("resp_1", 0)))
    with pytest.raises(ProviderError) as caught:
        async for _ in made.stream(ASKED, connect_s=None):
            pass
    assert caught.value.code is code


@virtual
async def test_each_try_of_what_goes_on_is_asked_the_same() -> None:
    provider = ScriptedProvider(words(" c"))
    made = provider_for(provider, "continue", Resumption("continue", "m", partial="a b ", part=1))
    for _ in range(2):
        items = [item async for items in made.stream(ASKED, connect_s=None) for item in items]
        assert items == [ev.Chunk("c", 1), Finish("stop", "stop")]
    assert [asked.messages[-1] for asked in provider.calls] == [Message("assistant", "a b")] * 2
    assert provider.open == 0
    await made.close()

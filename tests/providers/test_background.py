"""Answers that go on without us, over real sockets: how they are begun, asked for again, and stopped."""

from __future__ import annotations

import json

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.background import BackgroundHttpProvider, http_provider
from headwater.providers.contract import BackgroundProvider, Checkpoint, Decoder, Finish, HttpRequest
from headwater.providers.egress import Egress
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.redact import Secret
from tests.kit.upstream import Script, ScriptedUpstream, Status, chat_stream, error_answer
from tests.providers.calls import ASKED, CANARY, flat

PLACE = Checkpoint("resp_1", 7)


class Lasting(OpenAIChat):
    """Chat Completions with answers that last: the least that is `Reattachable`."""

    def in_background(self, request: GenerationRequest) -> GenerationRequest:
        settings = msgspec.structs.replace(request.settings, extra={"openai": {"background": True}})
        return msgspec.structs.replace(request, settings=settings)

    def checkpoint(self, event: ev.ProviderData) -> Checkpoint | None:
        return msgspec.convert(event.value, Checkpoint)

    def reattach(self, checkpoint: Checkpoint) -> HttpRequest:
        path = f"/answers/{checkpoint.response_id}?after={checkpoint.sequence_number}"
        return HttpRequest(path, method="GET")

    def resume(self, request: GenerationRequest, checkpoint: Checkpoint) -> Decoder:
        return self.decoder(request)

    def cancel(self, checkpoint: Checkpoint) -> HttpRequest:
        return HttpRequest(f"/answers/{checkpoint.response_id}/cancel")


class Lasts:
    """A provider of that dialect, and the server that it calls."""

    def __init__(self, *scripts: Script) -> None:
        self.upstream = ScriptedUpstream(*scripts)

    async def __aenter__(self) -> Lasts:
        await self.upstream.__aenter__()
        self.provider = BackgroundHttpProvider(
            "lasting",
            Lasting(),
            base_url=self.upstream.base_url,
            auth=Auth(Secret(CANARY, name="`KEY`")),
            egress=Egress(True),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.provider.close()
        await self.upstream.__aexit__()


def test_a_provider_can_what_its_dialect_can() -> None:
    lasting = http_provider("p", Lasting(), base_url="https://example.com/v1")
    plain = http_provider("p", OpenAIChat(), base_url="https://example.com/v1")
    assert isinstance(lasting, BackgroundProvider)
    assert type(plain) is HttpProvider
    assert not isinstance(plain, BackgroundProvider)


async def test_it_is_asked_to_go_on_without_us() -> None:
    async with Lasts() as lasts:
        stream = lasts.provider.stream_in_background(ASKED, connect_s=5)
        items = flat([items async for items in stream])
        assert items[-1] == Finish("stop", "stop")
        assert (await lasts.upstream.request()).json["background"] is True


async def test_the_rest_is_asked_for_by_its_place() -> None:
    async with Lasts(chat_stream(["the rest"])) as lasts:
        stream = lasts.provider.reattach(ASKED, PLACE, connect_s=5)
        items = flat([items async for items in stream])
        assert items[0] == ev.Chunk("the rest", 0)
        assert items[-1] == Finish("stop", "stop")
        received = await lasts.upstream.request()
        assert (received.method, received.path, received.body) == ("GET", "/v1/answers/resp_1?after=7", b"")
        assert received.headers["authorization"] == f"Bearer {CANARY}"


async def test_what_is_not_known_any_more_is_refused_by_status() -> None:
    async with Lasts(error_answer(404, "no such answer")) as lasts:
        with pytest.raises(ProviderError) as caught:
            async for _ in lasts.provider.reattach(ASKED, PLACE, connect_s=5):
                pass
        assert caught.value.status_code == 404


@pytest.mark.parametrize("status", [200, 400, 404, 409])
async def test_it_is_stopped_and_may_be_over_already(status: int) -> None:
    answer = json.dumps({"id": "resp_1", "status": "cancelled"}).encode()
    script = [Status(status, {"Content-Type": "application/json"}, answer, "length")]
    async with Lasts(script) as lasts:
        await lasts.provider.stop(PLACE)
        received = await lasts.upstream.request()
        assert (received.method, received.path) == ("POST", "/v1/answers/resp_1/cancel")


@pytest.mark.parametrize(
    ("status", "code"), [(401, ErrorCode.AUTH), (500, ErrorCode.SERVER), (503, ErrorCode.OVERLOADED)]
)
async def test_who_can_not_stop_it_says_so(status: int, code: ErrorCode) -> None:
    async with Lasts(error_answer(status, f"no, {CANARY}")) as lasts:
        with pytest.raises(ProviderError) as caught:
            await lasts.provider.stop(PLACE)
        assert caught.value.code is code
        assert caught.value.provider
        assert CANARY not in caught.value.detail

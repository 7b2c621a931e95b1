"""A reader behind a proxy resumes by itself, whatever was cut: its line, the proxy, the server. Fault 8."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from headwater.client import FollowStatus, HeadwaterClient, RetryPolicy
from headwater.client.errors import ServerError
from headwater.domain.event import Chunk
from tests.acceptance.scene import until
from tests.kit.client import call
from tests.kit.proxy import Fault, FaultProxy
from tests.proxies.servers import Door
from tests.proxies.stage import Stage, Talk

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


class _Named(httpx2.AsyncHTTPTransport):
    """Calls loopback by the name that the server has its certificate for, as a resolver would let it."""

    def __init__(self, door: Door) -> None:
        super().__init__(verify=door.way.tls or True)
        self._host = door.way.host

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._host is not None:
            request.extensions = {**request.extensions, "sni_hostname": self._host}
        return await super().handle_async_request(request)


def client_of(door: Door) -> HeadwaterClient:
    """The product's own client at that door; it tries often, and soon."""
    host = f"{door.way.host or '127.0.0.1'}:{door.port}"
    policy = RetryPolicy(tries_max=1000, base_s=0.05, cap_s=0.2)
    return HeadwaterClient(
        f"{'https' if door.way.tls else 'http'}://127.0.0.1:{door.port}",
        headers={"Host": host, **door.way.headers},
        transport=_Named(door),
        call_retry=policy,
        follow_retry=policy,
    )


class _Follower:
    """A client that follows a run at a door, with all that it went through."""

    def __init__(self, stage: Stage, door: Door) -> None:
        self.door = door
        self.talk: Talk = stage.talk(door.name)
        self.run = ""
        self.seqs: list[int] = []
        self.text = ""
        self.last = ""
        self.statuses: list[FollowStatus] = []
        self._stage = stage

    async def follow(self) -> None:
        self.run = await self._stage.scene.start(self.door.name, model="scripted", answer=self.talk.text)
        async with client_of(self.door) as client, client.follow(self.run, on_status=self.statuses.append) as records:
            async for record in records:
                self.seqs.append(record.seq)
                self.last = type(record.event).__name__
                if isinstance(record.event, Chunk):
                    self.text += record.event.content

    async def reads(self, word: str) -> None:
        async def has_word() -> bool:
            return word in self.text

        await until(has_word, f"{word} at {self.door.name}")

    @property
    def connections(self) -> int:
        return sum(status.state == "streaming" for status in self.statuses)


async def test_a_cut_line_is_resumed_exactly(stage: Stage) -> None:
    """The line between the client and the proxy is cut again and again, by a reset or an end, at any byte."""

    async def check(door: Door) -> None:
        talk = stage.talk(door.name, 400)
        run = await stage.scene.start(door.name, model="scripted", answer=talk.text)
        reader = stage.scene.reader(run)
        reader.way = door.way
        # TLS takes some kilobytes before its first answer.
        begin = 3000 if door.way.tls else 600

        def plan(number: int) -> Fault:
            return Fault(begin + 97 * number, "reset" if number % 2 else "close") if number <= 8 else Fault()

        async with FaultProxy(door.port, plan) as line:
            reading = asyncio.create_task(reader.read_on(line.port))
            await reader.begun.wait()
            talk.finish()
            await reading
        assert reader.ended
        assert reader.connections > 4
        assert reader.payloads == await stage.scene.payloads(run)

    await stage.everywhere(check)
    await stage.scene.judge()


async def test_a_killed_server_is_read_on_after_its_start(stage: Stage) -> None:
    """kill -9 in mid-answer: while nobody is there the proxy says 502, and the client comes back until somebody is."""
    followers = [_Follower(stage, door) for door in stage.doors]
    followings = [asyncio.create_task(follower.follow()) for follower in followers]
    for follower in followers:
        await follower.reads(follower.talk.say(0))
    await stage.product.kill()

    async def was_refused(follower: _Follower) -> bool:
        return any(isinstance(it.error, ServerError) and it.error.status == 502 for it in follower.statuses)

    for follower in followers:
        answer = await call(follower.door.port, "GET", "/readyz", way=follower.door.way)
        assert answer.status == 502, follower.door
        await until(lambda follower=follower: was_refused(follower), f"a 502 at {follower.door}")  # type: ignore[misc]
    await stage.product.start()
    await asyncio.gather(*followings)
    for follower in followers:
        stored = await stage.scene.records(follower.run)
        assert follower.seqs == [record.seq for record in stored] == list(range(1, len(stored) + 1)), follower.door
        assert (follower.text, follower.last) == (follower.talk.words[0], "Error")
        assert stored[-1].data["code"] == "INTERRUPTED"
    await stage.scene.judge()


async def test_a_killed_proxy_is_passed_again_after_its_start(stage: Stage) -> None:
    """The run does not notice: the client is back as soon as the proxy is, and has the whole answer."""

    async def check(door: Door) -> None:
        follower = _Follower(stage, door)
        following = asyncio.create_task(follower.follow())
        await follower.reads(follower.talk.say(0))
        await door.stop()
        follower.talk.say(1)
        await door.start()
        await follower.reads(follower.talk.say(2))
        follower.talk.finish()
        await following
        assert (follower.text, follower.last) == (follower.talk.text, "Complete")
        assert follower.seqs == list(range(1, len(follower.seqs) + 1))
        assert follower.connections > 1

    await stage.everywhere(check)
    await stage.scene.judge()

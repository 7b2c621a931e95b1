"""Many runs over one socket of the real server: killed, drained, hostile pages, and readers that leave (T3)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.acceptance.scene import Scene, figure, until
from tests.kit.product import Product
from tests.kit.websocket import Socket, socket_to

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

SLOW = {"extra": {"simulated": {"words": 60, "delay_ms": [10, 30]}}}


def request(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "simulated", "messages": [{"role": "user", "content": prompt}], "settings": SLOW, **more}


async def listen_to_the_end(socket: Socket) -> None:
    """Takes what comes until the socket is no more."""
    try:
        while True:
            await socket.more()
    except ConnectionClosed:
        pass


async def test_killed_in_the_middle_each_run_goes_on_at_its_own_record(data_dir: Path) -> None:
    policies = ["interrupt", "rerun", "interrupt", "rerun"]
    async with Product(data_dir) as product:
        scene = Scene(product)
        async with socket_to(product.port) as socket:
            runs = []
            for number, policy in enumerate(policies):
                asked = request(f"Prompt {number}", on_crash=policy)
                runs.append((await socket.done("start", request=asked, idempotency_key=f"k-{number}"))["run"])
            await socket.until(lambda: all(len(socket.seqs(run)) > 8 for run in runs))
            await product.kill()
            await listen_to_the_end(socket)
        seen = {run: list(socket.records[run]) for run in runs}
        assert not socket.ends
        await product.start()
        async with socket_to(product.port) as socket:
            for number, (run, policy) in enumerate(zip(runs, policies, strict=True)):
                # A client that was cut may repeat what it said: the key leads to the same run, from where it was.
                asked = request(f"Prompt {number}", on_crash=policy)
                after = seen[run][-1]["seq"]
                again = await socket.done("start", request=asked, idempotency_key=f"k-{number}", after=after)
                assert again == {"run": run, "created": False, "subscribed": True}
            await socket.ended(*runs)
        for run, policy in zip(runs, policies, strict=True):
            records = [*seen[run], *socket.records.get(run, [])]
            assert records == [json.loads(payload) for payload in await scene.payloads(run)]
            assert records[-1]["type"] == ("complete" if policy == "rerun" else "error")


async def test_a_server_that_is_told_to_end_says_when_to_come_back(data_dir: Path) -> None:
    async with Product(data_dir) as product, socket_to(product.port) as socket:
        run = (await socket.done("start", request=request("Hello")))["run"]
        await socket.until(lambda: len(socket.seqs(run)) > 3)
        ending = asyncio.create_task(product.terminate())
        await listen_to_the_end(socket)
        assert await ending == 0
        assert socket.records[run][-1]["type"] == "error", "the run's end was still seen"
        assert socket.records[run][-1]["data"]["code"] == "DRAINING"
        assert socket.connection.close_code == 1012
        assert 500 <= socket.others[-1]["farewell"]["retry_ms"] <= 1500


async def test_pages_of_others_are_kept_out(data_dir: Path) -> None:
    async with Product(data_dir, config={"server": {"allowed_origins": ["https://app.example"]}}) as product:
        for origin in ("https://evil.example", "null", "http://localhost:1", "https://app.example.evil.example"):
            with pytest.raises(InvalidStatus) as refusal:
                async with socket_to(product.port, origin=origin):
                    pass
            assert refusal.value.response.status_code == 403
        with pytest.raises(InvalidStatus) as refusal:
            async with socket_to(product.port, additional_headers={"Host": "evil.example"}):
                pass
        assert refusal.value.response.status_code in (400, 421)
        for origin in ("https://app.example", product.url):
            async with socket_to(product.port, origin=origin) as socket:
                assert await socket.done("ping") == {}


async def test_each_subscription_is_a_reader_and_goes_with_its_socket(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        scene = Scene(product)
        async with socket_to(product.port) as socket:
            left, kept = [
                (await socket.done("start", request=request(f"Prompt {number}", on_disconnect=policy)))["run"]
                for number, policy in enumerate(["cancel", "continue"])
            ]
            await socket.until(lambda: bool(socket.seqs(left) and socket.seqs(kept)))
            assert await figure(product.port, "headwater_readers", 'transport="websocket"') == 2
            socket.connection.transport.abort()
        assert (await scene.end(left)).type == "cancelled"
        assert (await scene.end(kept)).type == "complete"

        async def nobody_reads() -> bool:
            return await figure(product.port, "headwater_readers", 'transport="websocket"') == 0

        await until(nobody_reads, "the readers' leaving")


async def test_a_silent_socket_has_heartbeats(data_dir: Path) -> None:
    stalled = {"extra": {"simulated": {"stall_after": 2}}}
    async with Product(data_dir, config={"server": {"heartbeat_s": 1}}) as product, socket_to(product.port) as socket:
        await socket.until(lambda: len(socket.others) >= 2)
        run = (await socket.done("start", request={**request("Hello"), "settings": stalled}))["run"]
        await socket.until(lambda: len(socket.others) >= 4)
        assert socket.others == [{"heartbeat": {}}] * 4
        assert (await socket.done("cancel", run=run))["run"] == run
        await socket.ended(run)

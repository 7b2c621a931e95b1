"""What operators add to a proxy: compression, a second proxy, buffering by force."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.acceptance.scene import figure, until
from tests.kit.client import call
from tests.proxies.servers import Door, plain_caddy, plain_nginx
from tests.proxies.stage import NGINX_OF_OLD, Stage, product_stage

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

GZIP = ("gzip on;", "gzip_proxied any;", "gzip_min_length 1;", "gzip_types text/event-stream *;")


async def streams(stage: Stage, door: Door, **headers: str) -> str:
    """Every token comes through as it is sent; returns the answer's content coding."""
    talk = stage.talk(door.name)
    run = await stage.scene.start(door.name, model="scripted", answer=talk.text)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with stage.stream(door, "GET", f"/api/v1/runs/{run}/events", named) as stream:
        await stream.until(": ok\n\n")
        for number in range(len(talk.words)):
            await stream.until(talk.say(number))
        talk.finish()
        await stream.rest()
        assert stream.http.whole
        return stream.http.headers.get("content-encoding", "identity")


async def test_nginx_compresses_and_holds_nothing_back(tmp_path: Path) -> None:
    """nginx does not heed `no-transform`, but what is not buffered it flushes out of the compression too."""
    async with (
        product_stage(tmp_path / "data") as stage,
        plain_nginx("nginx with gzip", tmp_path / "nginx", stage.product.port, *GZIP) as door,
    ):
        assert await streams(stage, door, accept_encoding="gzip") == "gzip"


async def test_caddy_leaves_streams_uncompressed(tmp_path: Path) -> None:
    """Caddy heeds `no-transform`: of its own it would compress text of every kind."""
    async with (
        product_stage(tmp_path / "data") as stage,
        plain_caddy("Caddy with encode", tmp_path / "caddy", stage.product.port, "encode gzip") as door,
    ):
        assert await streams(stage, door, accept_encoding="gzip") == "identity"


async def test_a_second_proxy_streams_where_the_first_passes_our_header_on(tmp_path: Path) -> None:
    """Caddy does so by itself; nginx has to be told, as `deploy/nginx` does."""
    async with product_stage(tmp_path / "data") as stage:
        backend = stage.product.port
        passing = plain_nginx("inner nginx", tmp_path / "inner-nginx", backend, "proxy_pass_header X-Accel-Buffering;")
        async with passing, plain_caddy("inner Caddy", tmp_path / "inner-caddy", backend) as caddy:
            for inner in (passing, caddy):
                directory = tmp_path / f"before-{inner.port}"
                async with plain_nginx(f"nginx before {inner.name}", directory, inner.port) as outer:
                    await streams(stage, outer)


@pytest.mark.parametrize("how", ["told to ignore us", "behind an nginx that keeps our header"])
async def test_where_a_proxy_holds_streams_back_pages_still_come(tmp_path: Path, how: str) -> None:
    """The control of all these tests: this is what holding back looks like. What is left to do then is to poll.

    nginx has to be one of old for it: since 1.29.7 it passes on what comes in chunks even where it may buffer.
    """
    async with product_stage(tmp_path / "data") as stage, AsyncExitStack() as stack:
        backend = stage.product.port
        lines: tuple[str, ...] = NGINX_OF_OLD
        if how == "told to ignore us":
            lines = (*lines, "proxy_ignore_headers X-Accel-Buffering;")
        else:
            backend = (await stack.enter_async_context(plain_nginx("inner", tmp_path / "inner", backend))).port
        door = await stack.enter_async_context(plain_nginx("outer", tmp_path / "outer", backend, *lines))
        talk = stage.talk("Held")
        run = await stage.scene.start("Held", model="scripted", answer=talk.text)
        path, cursor, paged = f"/api/v1/runs/{run}/events", 0, ""

        seen: list[bytes] = []

        async def read() -> None:
            async with stage.stream(door, "GET", path) as stream:
                seen.append(b"")  # the head is there
                await stream.rest()
                seen.append(stream.seen)

        reading = asyncio.create_task(read())

        async def is_read() -> bool:
            return await figure(stage.scene.port, "headwater_readers", 'transport="sse"') == 1

        await until(is_read, "the reader behind the proxy")
        for number in range(len(talk.words)):
            word = talk.say(number)
            while word not in paged:
                poll = f"{path}?after={cursor}&wait_ms=5000"
                page = await call(door.port, "GET", poll, headers={"accept": "application/json"})
                cursor = page.json()["last"]
                paged += page.body.decode()
        await asyncio.sleep(0.5)  # paces: whoever is going to pass on what came has done so by now
        assert seen == []
        talk.finish()
        await reading
        assert talk.words[-1].encode() in seen[-1]

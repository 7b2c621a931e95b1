"""Keys on the real server: made, used by the official SDKs and our clients, revoked while somebody reads, and nowhere
written down."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from websockets.exceptions import ConnectionClosed

from headwater.client import HeadwaterClient
from headwater.client.errors import ServerError
from headwater.domain.message import Message
from headwater.domain.run import RunRequest
from tests.acceptance.test_secrets import all_files, found_in
from tests.kit.product import Product
from tests.kit.websocket import socket_to

pytestmark = [pytest.mark.slow]

#: SECURITY 7.
CUT_WITHIN_S = 5.0
LONG = {"model": "simulated", "messages": [{"role": "user", "content": "Hi"}]}


class Server:
    """A product that asks for keys, and the command that makes them."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.url = product.url
        self.said = b""
        self.shown: list[str] = []

    async def keys(self, *arguments: str) -> str:
        return await self.command("keys", *arguments, "--data", str(self.product.data))

    async def command(self, *arguments: str, environ: dict[str, str] | None = None, code: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "headwater", *arguments),
            env={**os.environ, "HEADWATER_URL": self.url, **(environ or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        assert process.returncode == code, (out, errors)
        if arguments[:2] != ("keys", "create"):
            self.said += out
        self.said += errors
        return out.decode()

    async def create(self, name: str, *arguments: str) -> str:
        text = (await self.keys("create", name, *arguments)).strip()
        self.shown.append(text)
        return text

    async def get(self, path: str, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False) as client:
            answer = await client.get(path, headers=headers)
        self.said += json.dumps(dict(answer.headers)).encode() + answer.content
        return answer


@asynccontextmanager
async def server(data: Path, **options: Any) -> AsyncIterator[Server]:
    product = Product(data, config={"server": {"keys": "required", **options}})
    found = Server(product)
    await found.create("before the first start")
    async with product:
        yield found


async def test_a_key_works_from_before_the_start_over_a_kill_until_it_is_revoked(data_dir: Path) -> None:
    async with server(data_dir) as served:
        early = served.shown[0]
        late = await served.create("while it runs", "--org", "acme", "--user", "ann")
        assert (await served.get("/api/v1/session", late)).json()["owner"] == {"org": "acme", "user": "ann"}
        assert [(await served.get("/api/v1/runs", key)).status_code for key in (None, early, late)] == [401, 200, 200]
        await served.product.kill()
        await served.product.start()
        assert [(await served.get("/api/v1/runs", key)).status_code for key in (early, late)] == [200, 200]
        await served.keys("revoke", late.split("_")[1])
        assert [(await served.get("/api/v1/runs", key)).status_code for key in (early, late)] == [200, 401]
        await served.product.kill()
        await served.keys("revoke", early.split("_")[1])
        await served.product.start()
        assert [(await served.get("/api/v1/runs", key)).status_code for key in (early, late)] == [401, 401]
        for path in ("/livez", "/readyz", "/", "/chat/test"):
            assert (await served.get(path)).status_code in (200, 404), path


async def test_the_official_sdks_work_with_a_key_and_say_what_is_wrong_without(data_dir: Path) -> None:
    async with server(data_dir) as served:
        key = served.shown[0]
        messages: Any = LONG["messages"]
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0) as theirs:
            stream = await theirs.chat.completions.create(model="simulated", messages=messages, stream=True)
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
            assert (await theirs.responses.create(model="simulated", input="Hi")).output_text
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-wrong", max_retries=0) as theirs:
            with pytest.raises(openai.AuthenticationError) as refused:
                await theirs.models.list()
            assert refused.value.code == "invalid_api_key"
        async with anthropic.AsyncAnthropic(base_url=served.url, api_key=key, max_retries=0) as claude:
            message = await claude.messages.create(model="simulated", max_tokens=100, messages=messages)
            assert message.content
        async with anthropic.AsyncAnthropic(base_url=served.url, auth_token=key, max_retries=0) as claude:
            async with claude.messages.stream(model="simulated", max_tokens=100, messages=messages) as text:
                assert await text.get_final_text()
        async with anthropic.AsyncAnthropic(base_url=served.url, api_key="sk-wrong", max_retries=0) as claude:
            with pytest.raises(anthropic.AuthenticationError):
                await claude.messages.create(model="simulated", max_tokens=100, messages=messages)


async def test_our_own_client_and_command_show_a_key(data_dir: Path) -> None:
    async with server(data_dir) as served:
        key = served.shown[0]
        request = RunRequest(model="simulated", messages=[Message("user", "Hi")])
        for via in ("sse", "websocket", "ndjson", "long-poll"):
            async with HeadwaterClient(served.url, headers={"Authorization": f"Bearer {key}"}) as client:
                records = [record async for record in client.start_and_follow(request, via=via)]
                assert records[-1].event.type == "complete"
        async with HeadwaterClient(served.url) as client:
            with pytest.raises(ServerError) as refused:
                await client.list()
            assert refused.value.code == "AUTH"
        environ = {"HEADWATER_API_KEY": f"{key}\n"}
        assert "completed" in await served.command("runs", "ls", environ=environ)
        assert await served.command("chat", "Hi", environ=environ)
        bench = ["bench", "--url", served.url, "--runs", "1", "--seconds", "0.5"]
        assert "first token" in (await served.command(*bench, environ=environ)).lower()
        assert b"HEADWATER_API_KEY" not in served.said
        await served.command("runs", "ls", environ={"HEADWATER_API_KEY": ""}, code=1)
        assert b"HEADWATER_API_KEY" in served.said


async def test_readers_of_a_revoked_key_are_cut_in_time_and_nobody_else(data_dir: Path) -> None:
    async with server(data_dir) as served:
        kept, over = served.shown[0], await served.create("to be revoked")
        headers = {"authorization": f"Bearer {over}"}
        loop = asyncio.get_running_loop()
        async with (
            httpx.AsyncClient(
                base_url=served.url, headers=headers, trust_env=False, timeout=60, verify=False
            ) as client,
            socket_to(served.product.port, additional_headers=headers) as socket,
            socket_to(served.product.port, additional_headers={"x-api-key": kept}) as another,
        ):
            path = "/v1/stream/waited-for"
            made = await client.put(path, content=b"", headers={"content-type": "text/plain"})
            assert made.status_code == 201

            async def read(live: str) -> float:
                with pytest.raises(httpx.TransportError):
                    async with client.stream("GET", path, params={"offset": "now", "live": live}, timeout=60) as answer:
                        async for _ in answer.aiter_raw():
                            pass
                return loop.time()

            async def listen() -> float:
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.more()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008
                return loop.time()

            cut = asyncio.gather(read("sse"), read("long-poll"), listen())
            await asyncio.sleep(1.0)  # paces: all three wait by then; one that came later would find a 401
            await served.keys("revoke", over.split("_")[1])
            revoked_at = loop.time()
            assert max(await cut) - revoked_at < CUT_WITHIN_S
            assert (await client.get(path)).status_code == 401
            assert (await another.done("ping")) is not None


async def test_a_key_is_written_down_nowhere(data_dir: Path) -> None:
    async with server(data_dir) as served:
        key = served.shown[0]
        wrong = f"{key[:20]}{'0' * (len(key) - 20)}"
        for shown in (key, wrong):
            for path in ("/api/v1/runs", "/api/v1/session", "/v1/models", "/none", "/api/v1/runs/run_x", "/metrics"):
                await served.get(path, shown)
            await served.get(f"/api/v1/runs?key={shown}")
            async with httpx.AsyncClient(base_url=served.url, trust_env=False, verify=False) as client:
                answer = await client.post("/api/v1/session", json={"key": shown, "more": shown})
                served.said += answer.content
                ask = {"authorization": f"Bearer {shown}"}
                await client.post("/v1/chat/completions", json=LONG, headers=ask)
                await client.post("/api/v1/runs", json={**LONG, "metadata": {}}, headers=ask)
        await served.keys("ls")
        await served.keys("revoke", key.split("_")[1])
        assert found_in(all_files(data_dir), [key.rpartition("_")[2]]) == []
        assert await served.product.terminate() == 0
        secrets = [key.rpartition("_")[2]]
        assert found_in(all_files(data_dir), secrets) == []
        assert found_in(served.product.log_text.encode(), secrets) == []
        assert found_in(served.said, secrets) == []
        assert key.split("_")[1].encode() in served.said

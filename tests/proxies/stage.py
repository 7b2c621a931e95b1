"""A product with a scripted model behind it and proxies in front of it, and readers that see bytes as they come."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.scene import SCRIPTED, Scene, by_prompt
from tests.kit.client import STUCK_S, Http
from tests.kit.product import Product, compatible_model
from tests.kit.script import Pause, Send, Step, chat_chunk, chat_stream
from tests.kit.upstream import Received, ScriptedUpstream
from tests.proxies.servers import HOST, Door, our_caddy, our_nginx, plain_caddy, plain_nginx, root_of, trust

#: What nginx did with what is behind it, unless told otherwise, before 1.29.7 (Debian 12 and 13 have such a one).
NGINX_OF_OLD = ("proxy_http_version 1.0;", "proxy_set_header Connection close;")


class Talk:
    """An answer of the scripted model that says each word when it is told to, and nothing before."""

    def __init__(self, words: int = 5) -> None:
        self.words = [f"word{number} " for number in range(words)]
        self._gates = [asyncio.Event() for _ in self.words]
        self._end = asyncio.Event()

    @property
    def text(self) -> str:
        return "".join(self.words)

    def say(self, number: int) -> str:
        """Lets the n-th word (from 0) out; returns it."""
        self._gates[number].set()
        return self.words[number]

    def finish(self) -> None:
        """Everything that is left, and the end."""
        for gate in (*self._gates, self._end):
            gate.set()

    def script(self, _: Received) -> list[Step]:
        steps: list[Step] = []
        for gate, word in zip(self._gates, self.words, strict=True):
            steps += [Pause(gate), Send(chat_chunk(word), tokens=1)]
        return [*steps, Pause(self._end), *chat_stream([])]


class Stream:
    """One answer's body as it comes, decompressed where it was compressed."""

    def __init__(self, http: Http, limit_s: float) -> None:
        self.http = http
        self._limit_s = limit_s
        self.seen = b""
        self._body = http.body()
        self._unpack = zlib.decompressobj(wbits=31) if http.headers.get("content-encoding") == "gzip" else None

    async def until(self, text: str) -> None:
        """Reads on until this has come. EOFError where the body ends before, TimeoutError where nothing comes."""
        async with asyncio.timeout(self._limit_s):
            while text.encode() not in self.seen:
                try:
                    data = await anext(self._body)
                except StopAsyncIteration:
                    raise EOFError(f"the body ended without {text!r}: {self.seen[-500:]!r}") from None
                self.seen += self._unpack.decompress(data) if self._unpack else data

    async def rest(self) -> None:
        """To the body's end, or to where it is cut: `http.whole` says which."""
        async with asyncio.timeout(self._limit_s):
            try:
                async for data in self._body:
                    self.seen += self._unpack.decompress(data) if self._unpack else data
            except EOFError:
                return


class Stage:
    """What a test has. `doors` are all that stand in front of the product."""

    def __init__(self, product: Product, upstream: ScriptedUpstream, talks: dict[str, Any]) -> None:
        self.product = product
        self.upstream = upstream
        self.scene = Scene(product)
        self.doors: list[Door] = []
        #: what signs the certificates of the doors that have one
        self.authority = Path()
        self._talks = talks

    def talk(self, prompt: str, words: int = 5) -> Talk:
        """What the model will say to this prompt."""
        talk = Talk(words)
        self._talks[prompt] = talk.script
        return talk

    @asynccontextmanager
    async def stream(
        self,
        door: Door,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        limit_s: float = STUCK_S,
    ) -> AsyncIterator[Stream]:
        """An answer through that door, its head read. No wait for it is longer than `limit_s`."""
        http = Http(door.port, door.way)
        try:
            async with asyncio.timeout(limit_s):
                await http.send(method, path, headers, b"" if body is None else json.dumps(body).encode())
            yield Stream(http, limit_s)
        finally:
            http.close()

    async def everywhere(self, check: Callable[[Door], Awaitable[None]]) -> None:
        """The same at all doors side by side; a failure says at which it was."""

        async def at(door: Door) -> None:
            try:
                await check(door)
            except BaseException as error:
                error.add_note(f"at {door.name}, which said: {door.log_text[-2000:]}")
                raise

        async with asyncio.TaskGroup() as group:
            for door in self.doors:
                group.create_task(at(door))


def request_of(prompt: str, **more: Any) -> dict[str, Any]:
    """The body of `POST /api/v1/runs` for the scripted model."""
    return {"model": SCRIPTED, "messages": [{"role": "user", "content": prompt}], **more}


@asynccontextmanager
async def product_stage(data: Path, **server: Any) -> AsyncIterator[Stage]:
    """A stage without doors, its product told what `deploy/` says; `server` are further settings of that section."""
    talks: dict[str, Any] = {}
    async with ScriptedUpstream(by_prompt(talks)) as upstream:
        section = {"allowed_hosts": [HOST], "allowed_origins": [f"https://{HOST}"], **server}
        models = [compatible_model(SCRIPTED, upstream.base_url)]
        async with Product(data, config={"server": section, "models": models}) as product:
            yield Stage(product, upstream, talks)


@asynccontextmanager
async def full_stage(directory: Path) -> AsyncIterator[Stage]:
    """A stage with nginx and Caddy, each as nobody configured it and as `deploy/` does, and nginx as it was of old."""
    async with product_stage(directory / "data") as stage, AsyncExitStack() as stack:

        async def put(door: Door) -> None:
            stage.doors.append(await stack.enter_async_context(door))

        backend = stage.product.port
        authority = directory / "our-caddy"
        await put(our_caddy(authority, backend))
        trust(stage.doors[0], authority)
        stage.authority = root_of(authority)
        await put(our_nginx(directory / "our-nginx", backend, authority))
        await put(plain_nginx("nginx", directory / "nginx", backend))
        await put(plain_nginx("nginx of old", directory / "nginx-of-old", backend, *NGINX_OF_OLD))
        await put(plain_caddy("Caddy", directory / "caddy", backend))
        yield stage

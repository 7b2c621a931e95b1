"""What the migration guide shows as before, of useChat with resumable-stream, does what the guide says of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from headwater.wire.sse import SSEDecoder
from tests.docs.test_migrate import shown
from tests.kit.client import STUCK_S
from tests.kit.proxy import Fault, FaultProxy
from tests.kit.responses import responses_events
from tests.kit.script import Pause, Send, Status, Step
from tests.kit.upstream import ScriptedUpstream
from tests.wire.oracles import NODE, ORACLES, installed_packages

pytestmark = pytest.mark.slow

FOLDER: Final = ORACLES / "resumable_stream"
TOKENS: Final = [f"{number} from a spring, " for number in range(20)]
TEXT: Final = "".join(TOKENS)
#: The events of the answer that come before the model waits: two of the response, two of its item, and some of text.
FIRST_EVENTS: Final = 9
QUESTION: Final = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Where does the river begin?"}]}


def routes() -> str:
    """The guide's routes; in the place of Redis is what they would have asked it for."""
    (program,) = shown("migrate-use-chat", "ts")
    for old, new in (
        ('from "resumable-stream"', 'from "resumable-stream/generic"'),
        ("({ waitUntil: null })", "({ waitUntil: null, ...redis })"),
    ):
        assert program.count(old) == 1
        program = program.replace(old, new)
    return f'import * as redis from "./memory.mjs";\n{program}'


@asynccontextmanager
async def application(directory: Path, upstream: ScriptedUpstream) -> AsyncIterator[int]:
    """The application of the guide, as a process; its port."""
    packages = await asyncio.to_thread(installed_packages, FOLDER)
    (directory / "node_modules").symlink_to(packages / "node_modules")
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / "memory.mjs").write_bytes((FOLDER / "memory.mjs").read_bytes())
    (directory / "routes.ts").write_text(routes(), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(NODE, FOLDER / "serve.mjs", directory / "routes.ts"),
        env={**os.environ, "OPENAI_API_KEY": "sk-of-nobody", "OPENAI_BASE_URL": upstream.base_url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


def answering(goes_on: asyncio.Event) -> list[Step]:
    """A model that waits in mid-answer."""
    events = responses_events("resp_1", [TOKENS])
    head = Status(200, {"Content-Type": "text/event-stream"})
    return [
        head,
        Send(b"".join(events[:FIRST_EVENTS])),
        Pause(goes_on),
        *(Send(event) for event in events[FIRST_EVENTS:]),
    ]


async def told(response: httpx2.Response) -> AsyncGenerator[dict[str, Any], None]:
    """The parts of an answer in the AI SDK's stream, to its end. Raises `httpx2.TransportError` where that is cut."""
    decoder = SSEDecoder()
    async for piece in response.aiter_raw():
        for frame in decoder.feed(piece):
            if frame.data != b"[DONE]":
                yield json.loads(frame.data)


async def text_of(response: httpx2.Response, length: int | None = None) -> str:
    """The text, to its end or until there is so much of it."""
    text = ""
    async with aclosing(told(response)) as parts:
        async for part in parts:
            assert part["type"] != "error", part
            text += part["delta"] if part["type"] == "text-delta" else ""
            if length is not None and len(text) >= length:
                break
    return text


class Page:
    """What `useChat` asks the routes for."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    def ask(self) -> Any:
        body = {"id": "moved", "messages": [QUESTION], "trigger": "submit-message"}
        return self._http.stream("POST", f"{self._url}/api/chat", json=body)

    def resume(self) -> Any:
        return self._http.stream("GET", f"{self._url}/api/chat/moved/stream")


async def test_an_answer_goes_on_behind_a_reload_and_is_gone_at_its_end(tmp_path: Path) -> None:
    goes_on = asyncio.Event()
    async with (
        ScriptedUpstream(answering(goes_on)) as upstream,
        application(tmp_path, upstream) as port,
        httpx2.AsyncClient(timeout=STUCK_S) as http,
    ):
        page = Page(http, f"http://127.0.0.1:{port}")
        async with page.ask() as response:
            beginning = await text_of(response, 1)
        assert beginning == TOKENS[0]
        # Reloaded, and in a second tab: both have the answer from its beginning.
        async with page.resume() as reloaded, page.resume() as second:
            assert (await text_of(reloaded, 1), reloaded.status_code) == (beginning, 200)
            goes_on.set()
            assert await text_of(second) == TEXT
        # Of what ended while nobody looked nothing comes: that is the table's business.
        async with page.resume() as late:
            assert late.status_code == 204
        assert len(upstream.requests) == 1


async def test_a_connection_that_breaks_is_an_error_until_the_page_is_reloaded(tmp_path: Path) -> None:
    goes_on = asyncio.Event()
    async with (
        ScriptedUpstream(answering(goes_on)) as upstream,
        application(tmp_path, upstream) as port,
        FaultProxy(port, lambda number: Fault(cut_at=600) if number == 1 else Fault()) as proxy,
        httpx2.AsyncClient(timeout=STUCK_S) as http,
    ):
        page = Page(http, proxy.url)
        with pytest.raises(httpx2.TransportError):
            async with page.ask() as response:
                await text_of(response)
        async with page.resume() as reloaded:
            goes_on.set()
            assert await text_of(reloaded) == TEXT
        assert (proxy.cuts, len(upstream.requests)) == (1, 1)

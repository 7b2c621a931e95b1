"""The scripted upstream itself: other tests' words about what a provider sent are only as good as this."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.kit.upstream import (
    EndWithoutTerminator,
    HalfClose,
    Pause,
    Reset,
    ScriptedUpstream,
    Send,
    Stall,
    Status,
    Step,
    chat_stream,
)

ASK = b"POST /v1/chat HTTP/1.1\r\nHost: upstream\r\nContent-Length: 2\r\n\r\n{}"
ROOT = Path(__file__).resolve().parent.parent


async def ask(upstream: ScriptedUpstream) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(ASK)
    return reader, writer


@pytest.mark.parametrize(
    ("script", "wire"),
    [
        ([Status(headers={}), Send(b"hello", 2)], b"2\r\nhe\r\n2\r\nll\r\n1\r\no\r\n0\r\n\r\n"),
        ([Status(headers={}), Send(b"hello", [1, 3])], b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"),
        ([Status(headers={}, framing="length", length=9), Send(b"hello"), EndWithoutTerminator()], b"hello"),
        ([Status(headers={}, framing="close"), Send(b"hello")], b"hello"),
        ([Status(headers={}), Send(b"hello"), HalfClose()], b"5\r\nhello\r\n"),
    ],
    ids=["pieces", "sizes", "short", "close", "half-closed"],
)
async def test_it_sends_exactly_the_bytes_of_its_script(script: list[Step], wire: bytes) -> None:
    async with ScriptedUpstream(script) as upstream:
        reader, writer = await ask(upstream)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(len(wire)) == wire
        if not wire.endswith(b"0\r\n\r\n"):
            assert await reader.read() == b""
        assert upstream.bytes_sent >= len(wire) - len(b"0\r\n\r\n")
        writer.close()
        await upstream.requests[0].closed.wait()


async def test_a_reset_is_one() -> None:
    async with ScriptedUpstream([Status(), Reset()]) as upstream:
        reader, writer = await ask(upstream)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    "waiting", [Stall(), Pause(asyncio.Event()), Pause(seconds=3_600)], ids=["stall", "gate", "time"]
)
async def test_it_hears_that_its_client_has_gone_whatever_it_waits_for(waiting: Step) -> None:
    told: list[str] = []
    async with ScriptedUpstream([Send(b"x", tokens=3), waiting]) as upstream:
        upstream.observe = lambda what, _: told.append(what)
        reader, writer = await ask(upstream)
        await reader.readuntil(b"x\r\n")
        received = await upstream.request(1)
        assert not received.closed.is_set()
        writer.close()
        await received.closed.wait()
        assert not received.played.is_set()
        assert told == ["request", "closed"]
        assert upstream.tokens_billed == 3


async def test_scripts_answer_in_turn_and_the_last_one_all_that_follow() -> None:
    async with ScriptedUpstream([Status(500)], [Status(201)]) as upstream:
        seen = []
        for _ in range(3):
            reader, writer = await ask(upstream)
            seen.append((await reader.readuntil(b"0\r\n\r\n"))[9:12])
            writer.close()
        assert seen == [b"500", b"201", b"201"]


async def test_it_runs_as_a_process_that_counts(tmp_path: Path) -> None:
    counts = tmp_path / "counts"
    command = [
        sys.executable,
        "-m",
        "tests.kit.upstream",
        "--tokens",
        "3",
        "--delay-ms",
        "0",
        "--count-file",
        str(counts),
    ]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    base_url = (await process.stdout.readline()).decode().strip()
    port = int(base_url.removesuffix("/v1").rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASK)
    answer = await reader.readuntil(b"0\r\n\r\n")
    assert answer.count(b"data: ") == len(chat_stream(["a", "b", "c"]))
    writer.close()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    lines = [json.loads(line) for line in counts.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["request", "played", "closed"]
    assert lines[-1]["tokens"] == 3
    assert lines[-1]["whole"]

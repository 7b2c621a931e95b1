"""A server for the delivery benchmarks, in its own process: `python -m benchmarks.delivery_server WAY DIR RECORDS`.

WAY is `headwater-live` (the whole product; the run goes on, its records are in memory), `headwater-ended` (they are on
the disk only), `starlette` (a StreamingResponse under plain uvicorn that never says more than hello) or `file` (the
bytes of the same answer, sent by the kernel). Prints its port and, for Headwater, the run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from headwater.api.sockets import address_of, listen, raise_file_limit
from headwater.app import App
from headwater.domain.event import Chunk, Complete, encode_record
from headwater.domain.message import Message, Usage
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest, new_run_id
from headwater.settings import LogSettings, ServerSettings, Settings
from headwater.storage.contract import Storage
from headwater.storage.sqlite import SqliteStorage
from headwater.wire.sse import record_frame

RECORDS_A_COMMIT = 100


def payloads(records: int) -> list[bytes]:
    """What a model of many words says."""
    return [encode_record(seq, seq * 20, Chunk(f" token{seq % 977}", 0)) for seq in range(1, records + 1)]


async def fill(storage: Storage, records: int, ended: bool) -> str:
    """A run with so many records; returns its id."""
    request = RunRequest("simulated", messages=[Message("user", "Hello")])
    run = Run(new_run_id(), LOCAL_OWNER, request, 1_750_000_000_000, epoch=1)
    await storage.runs.create(run)
    await storage.log.claim(run.id, 1)
    all_payloads = payloads(records)
    for at in range(0, records, RECORDS_A_COMMIT):
        await storage.log.append(run.id, at, all_payloads[at : at + RECORDS_A_COMMIT], 1)
    if ended:
        end = encode_record(records + 1, records * 20, Complete("stop", Usage()))
        await storage.log.append(run.id, records, [end], 1, final=True)
    return run.id


async def headwater(directory: Path, records: int, ended: bool) -> None:
    run = ""
    if ended:
        storage = SqliteStorage(directory, durability="process")
        await storage.open()
        run = await fill(storage, records, ended)
        await storage.close()
    app = App(Settings(data=directory, server=ServerSettings(port=0), log=LogSettings(durability="process")))
    await app.start()
    if not ended:
        run = await fill(app.parts.storage, records, ended)
    print(app.url.rpartition(":")[2], run, flush=True)
    await asyncio.Event().wait()


async def starlette() -> None:
    async def hello(request: Request) -> StreamingResponse:
        async def forever() -> AsyncIterator[bytes]:
            yield b": ok\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(forever(), media_type="text/event-stream")

    sockets = listen("127.0.0.1", 0)
    app = Starlette(routes=[Route("/{path:path}", hello)])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, http="httptools"))
    print(address_of(sockets)[1], "-", flush=True)
    await server.serve(sockets)


async def file(directory: Path, records: int) -> None:
    path = directory / "answer"
    body = b"".join([record_frame(seq, payload) for seq, payload in enumerate(payloads(records), 1)])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    path.write_bytes(head + body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with path.open("rb") as source:
            await asyncio.get_running_loop().sendfile(writer.transport, source)

    sockets = listen("127.0.0.1", 0)
    server = await asyncio.start_server(answer, sock=sockets[0])
    print(address_of(sockets)[1], "-", flush=True)
    await server.serve_forever()


def main(way: str, directory: Path, records: int) -> None:
    raise_file_limit()
    if way == "starlette":
        uvloop.run(starlette())
    elif way == "file":
        # uvloop has no sendfile.
        asyncio.run(file(directory, records))
    else:
        uvloop.run(headwater(directory, records, way == "headwater-ended"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

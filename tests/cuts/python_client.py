"""The Python client, driven over stdin and stdout: see `tests.cuts.driver`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import msgspec

from headwater.client import ClientError, HeadwaterClient, RunRequest, Timing
from headwater.domain.event import encode_record


def say(line: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


async def read(reading: dict[str, Any]) -> dict[str, Any]:
    async def nap(delay_s: float) -> None:
        await asyncio.sleep(delay_s / reading["haste"])  # paces: the wait before a new try, in the harness's haste

    records: list[msgspec.Raw] = []
    failure: ClientError | None = None
    timing = Timing(heartbeat_s=reading["heartbeat_ms"] / 1000, sleep=nap)
    async with HeadwaterClient(reading["url"], timing=timing) as client:
        if "start" in reading:
            request = msgspec.convert(reading["start"], RunRequest)
            subscription = client.start_and_follow(request, via=reading["via"])
        else:
            subscription = client.follow(reading["runs"][0], via=reading["via"])
        try:
            async for record in subscription:
                records.append(msgspec.Raw(encode_record(*record)))
                say({"id": reading["id"], "given": len(records)})
        except ClientError as error:
            failure = error
    said = failure and {"name": type(failure).__name__, "code": failure.code, "message": failure.message}
    return {"id": reading["id"], "shown": [{"run": subscription.run, "records": records}], "error": said}


async def main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def answer(line: bytes) -> None:
        say(await read(json.loads(line)))

    async with asyncio.TaskGroup() as readings:
        while line := await reader.readline():
            readings.create_task(answer(line))


if __name__ == "__main__":
    asyncio.run(main())

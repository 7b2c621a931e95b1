"""The program of docs/howto/websocket.md, as it stands, in Node: through cuts at any byte, and a killed server."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.scene import Scene, until
from tests.docs.test_readme import blocks
from tests.kit.product import Product
from tests.kit.proxy import Fault, FaultProxy
from tests.wire.oracles import NODE

pytestmark = pytest.mark.slow

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "howto" / "websocket.md"
FUNCTION, CALL = [text for language, text in blocks(PAGE.read_text(encoding="utf-8")) if language == "js"]
SIMULATED: Final = {"extra": {"simulated": {"words": 80, "delay_ms": [5, 15]}}}


async def followed(port: int, runs: list[str]) -> list[list[Any]]:
    """What the page's own call prints."""
    call = CALL.replace("ws://127.0.0.1:8000", f"ws://127.0.0.1:{port}")
    program = f"{FUNCTION}\nconst runs = {json.dumps(runs)};\n{call}"
    process = await asyncio.create_subprocess_exec(
        *(NODE, "--input-type=module", "-e", program), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, complaints.decode()) == (0, "")
    return [[run, int(seq), kind] for run, seq, kind in (line.split() for line in out.decode().splitlines())]


async def stored(scene: Scene, run: str) -> list[list[Any]]:
    return [[run, record["seq"], record["type"]] for record in map(json.loads, await scene.payloads(run))]


async def test_every_record_once_whatever_is_cut(data_dir: Path) -> None:
    random_ = random.Random(7)
    async with Product(data_dir) as product:
        scene = Scene(product)
        runs = [await scene.start(f"Prompt {number}", settings=SIMULATED) for number in range(3)]

        def plan(number: int) -> Fault:
            return Fault(cut_at=random_.randrange(100, 6000), by=random_.choice(["close", "reset"]))

        async with FaultProxy(product.port, plan) as proxy:
            seen = await followed(proxy.port, runs)
            assert proxy.cuts > 2
        for run in runs:
            assert [each for each in seen if each[0] == run] == await stored(scene, run)


async def test_and_over_a_killed_server(data_dir: Path) -> None:
    async with Product(data_dir) as product:
        scene = Scene(product)
        runs = [await scene.start(f"Prompt {number}", settings=SIMULATED, on_crash="rerun") for number in range(3)]
        following = asyncio.create_task(followed(product.port, runs))

        async def under_way() -> bool:
            return all([(await scene.show(run))["tail"] > 20 for run in runs])

        await until(under_way, "twenty records of each run")
        await product.kill()
        await product.start()
        seen = await following
        for run in runs:
            assert [each for each in seen if each[0] == run] == await stored(scene, run)

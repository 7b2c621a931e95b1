"""Clients of other people in a Node process: a program of tests/oracles, asked and answered in JSON."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from tests.wire.oracles import NODE, ORACLES, installed_packages


async def ask_node(program: str, question: dict[str, Any]) -> Any:
    """What the program says to it. Raises AssertionError with what it complained of where it failed."""
    packages = await asyncio.to_thread(installed_packages)
    process = await asyncio.create_subprocess_exec(
        NODE,
        ORACLES / program,
        packages,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", "")},
    )
    try:
        out, errors = await process.communicate(json.dumps(question).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return json.loads(out)

"""The product kit itself: what it says of a server must be able to be wrong."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.kit.client import call, start_run
from tests.kit.nursery import Child
from tests.kit.product import CANARY_KEY, Product, compatible_model, toml_of
from tests.kit.upstream import ScriptedUpstream


async def test_a_key_that_is_written_down_is_found(tmp_path: Path) -> None:
    product = Product(tmp_path / "data")
    await product.start()
    (product.data / "notes").write_text(f"the key is {CANARY_KEY}")
    assert product.leaks() == [product.data / "notes"]
    with pytest.raises(AssertionError, match="key"):
        await product.__aexit__()


async def test_the_canary_is_the_key_that_the_upstream_is_shown(tmp_path: Path) -> None:
    async with (
        ScriptedUpstream() as upstream,
        Product(tmp_path / "data", config={"models": [compatible_model("m", upstream.base_url)]}) as product,
    ):
        run = (await start_run(product.port, model="m")).json()["id"]
        await call(product.port, "GET", f"/api/v1/runs/{run}/events", headers={"accept": "application/x-ndjson"})
        headers = {name.lower(): value for name, value in upstream.requests[0].headers.items()}
        assert headers["authorization"] == f"Bearer {CANARY_KEY}"


def test_a_configuration_is_written_as_toml() -> None:
    text = toml_of({"server": {"port": 1, "allowed_hosts": ["a"]}, "models": [{"name": "m", "allow_private": True}]})
    assert text == '[server]\nport = 1\nallowed_hosts = ["a"]\n[[models]]\nname = "m"\nallow_private = true\n'


def _open_as(pid: int) -> list[str]:
    """What the process reads and writes by default; nothing where the system does not tell."""
    held = Path(f"/proc/{pid}/fd")
    return [str((held / str(number)).readlink()) for number in range(3)] if held.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("environ", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["copied", "begun"])
async def test_a_copy_is_what_a_process_of_its_own_would_be(tmp_path: Path, environ: dict[str, str]) -> None:
    """Killed, ended and refused alike, with its own arguments and environment, and all that it says in its log."""
    product = Product(tmp_path / "data", environ={"ENABLE_SSE_STREAMING": "false", **environ})
    await product.start()
    assert b"DISABLED" in (await call(product.port, "GET", "/api/stream/analyze/007bbfb7/simulated")).body
    assert _open_as(product.pid) in ([os.devnull, str(product.log_path), str(product.log_path)], [])
    await product.kill()
    assert product.process.returncode == -signal.SIGKILL
    await product.start()
    assert await product.terminate() == 0
    assert product.log_text.count("listens on") == product.starts == 2
    twice = Product(tmp_path / "data", environ=environ, arguments=["--port", "no"])
    with pytest.raises(AssertionError, match="the server ended"):
        await twice.start()
    assert twice.process.returncode == 2
    assert isinstance(product.process, Child) is (sys.platform == "linux" and not environ)

"""`headwater bench`: it measures, it ends when it is told to, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headwater.cli import app
from headwater.client import HeadwaterClient
from tests.kit.product import Product, free_port
from tests.kit.terminal import CTRL_C, Terminal

SHORT = ("--seconds", "0.5", "--runs", "3")


def report_of(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["bench", "--json", *SHORT, *arguments])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def until(true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends_at
        time.sleep(0.02)  # paces: asks the file system again


@pytest.mark.slow
def test_a_server_of_its_own_is_measured_and_gone(tmp_path: Path) -> None:
    report = report_of("--directory", str(tmp_path), "--pace", "100", "--readers", "2")
    (load,) = report["loads"]
    assert (load["runs"], load["readers"], load["pace"]) == (3, 2, 100)
    assert load["tokens"] > 0
    assert load["cpu_us_per_token"] > 0
    assert load["commit_ms"] > 0
    # A token is a record here, and comes to two readers.
    assert load["lag_ms"]["samples"] > load["tokens"]
    for spread in (load["lag_ms"], report["sync_ms"], report["first_token_ms"]):
        assert 0 <= spread["p50"] <= spread["p99"]
    assert report["reader_bytes"] > 1000
    assert report["server"] is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_a_server_that_runs_is_seen_from_outside_and_left_as_it_was(tmp_path: Path) -> None:
    async with Product(tmp_path / "data") as product, HeadwaterClient(product.url) as client:
        report = await asyncio.to_thread(report_of, "--url", product.url, "--pace", "0")
        (load,) = report["loads"]
        assert load["pace"] is None
        assert load["tokens"] > 0
        assert load["lag_ms"]["samples"] > 0
        assert report["server"] == product.url
        # What only the machine itself can tell.
        assert {report["sync_ms"], report["reader_bytes"], load["cpu_us_per_token"], load["cores"]} == {None}
        assert (await client.list()).runs == ()


@pytest.mark.slow
def test_ctrl_c_ends_it_in_order(tmp_path: Path) -> None:
    with Terminal("bench", "--seconds", "60", "--directory", str(tmp_path)) as terminal:
        until(lambda: any(tmp_path.glob("headwater-bench-*/data/headwater.db")))
        terminal.press(CTRL_C)
        assert terminal.wait() == 130
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in terminal.shown


@pytest.mark.slow
def test_a_kill_leaves_neither_server_nor_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headwater", "bench", "--seconds", "60", "--directory", str(tmp_path)]
    with subprocess.Popen(command) as process:
        until(lambda: any(tmp_path.glob("headwater-bench-*/data/headwater.lock")))
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: list(tmp_path.iterdir()) == [])


def test_what_can_not_be_measured_is_a_sentence(tmp_path: Path) -> None:
    nobody = CliRunner().invoke(app, ["bench", "--url", f"http://127.0.0.1:{free_port()}"])
    assert nobody.exit_code == 1
    assert "There is no server at" in nobody.stderr
    assert CliRunner().invoke(app, ["bench", "--url", "nowhere"]).exit_code == 2
    assert CliRunner().invoke(app, ["bench", "--directory", str(tmp_path / "none")]).exit_code == 2

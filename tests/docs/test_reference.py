"""The documentation and the code name the same things."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from headwater.api.app import RESOURCES
from headwater.delivery.subscription import State
from headwater.domain.event import EVENT_TYPES
from headwater.domain.message import Settings as GenerationSettings
from headwater.domain.run import RunRequest
from headwater.errors import ErrorCode
from headwater.metrics import Metrics
from headwater.providers.replay import Playback
from headwater.providers.simulated import Scenario
from headwater.settings import Settings
from headwater.storage.schema import FILE_NAME
from tests.kit.product import Product

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "spec").glob("*.md"),
        *ROOT.glob("benchmarks/results/*.md"),
    ]
)
_LINK: Final = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<place>[^)]*))?\)")
#: a picture in both themes
_PICTURE: Final = re.compile(r'\bsrc(?:set)?="(?P<path>[^":]+)"')
PICTURE_BYTES_MAX: Final = 200_000
_PATH: Final = re.compile(r"`((?:src|tests|docs|spec|tools|benchmarks|locks)(?:/[\w*.-]+)+/?)`")
_CELL: Final = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def section(path: str, heading: str) -> str:
    """What stands below a heading, to the next one of the same rank."""
    rank = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^{rank} |\Z)", text(path), re.DOTALL | re.MULTILINE)
    assert found, f"{path} has no {heading}"
    return found[1]


def anchors(page: str) -> set[str]:
    """The places in a page that a link can name, as the usual Markdown renderers make them of headings."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", re.sub(r"[`*]", "", each).lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    lost = []
    for link in _LINK.finditer(words):
        target = page.parent / link["path"] if link["path"] else page
        if not target.exists() or (link["place"] and link["place"] not in anchors(target.read_text(encoding="utf-8"))):
            lost.append(link[0])
    lost += [path for path in _PATH.findall(words) if not list(ROOT.glob(path.rstrip("/")))]
    assert not lost


def test_the_readme_s_pictures_are_there_and_small() -> None:
    pictures = [ROOT / path for path in _PICTURE.findall(text("README.md"))]
    assert {picture.name for picture in pictures} == {"chat.png", "chat-dark.png"}
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG\r\n")
        assert picture.stat().st_size <= PICTURE_BYTES_MAX


def test_the_commands_of_make_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    in_code = re.compile(r"(?:`|^)make ([a-z-]+)", re.MULTILINE)
    named = {name for page in PAGES for name in in_code.findall(page.read_text(encoding="utf-8"))}
    assert {"serve", "test"} <= named <= targets


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting's name, with its default."""
    for name, field in model.model_fields.items():
        default = field.get_default()
        rows = getattr(field.annotation, "__args__", ())
        if isinstance(default, BaseModel):
            yield from settings(type(default), f"{prefix}{name}.")
            continue
        yield prefix + name, default
        if rows and isinstance(rows[0], type) and issubclass(rows[0], BaseModel):
            yield from settings(rows[0], f"{prefix}{name}.")


def test_every_setting_is_described_with_its_default() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", text("docs/reference/configuration.md"), re.MULTILINE)
    described = {name: shown.strip("` ") for name, shown in rows}
    there = dict(settings(Settings))
    assert described.keys() == there.keys()
    for name, default in there.items():
        if default is None:
            assert described[name] in ("none", "name"), name
        elif default is PydanticUndefined:
            assert described[name] == "required", name
        else:
            plain = str(default) if isinstance(default, Path) else default
            assert described[name] == json.dumps(plain), name


def test_every_error_code_is_explained() -> None:
    assert _CELL.findall(section("docs/reference/errors.md", "## What each means")) == sorted(ErrorCode)


def test_every_event_type_is_described() -> None:
    assert {*_CELL.findall(section("spec/PROTOCOL.md", "## Events"))} == EVENT_TYPES.keys()


def test_every_field_of_a_request_is_described() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", section("spec/PROTOCOL.md", "### Starting a run"), re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    wanted = {f"settings.{name}" for name in GenerationSettings.__struct_fields__}
    assert described == {*RunRequest.__struct_fields__, *wanted} - {"settings"}


def test_every_resource_is_described() -> None:
    resources = section("spec/PROTOCOL.md", "## Resources").partition("### ")[0]
    described = set()
    for cell in re.findall(r"^\| (`[A-Z][^|]*) \|", resources, re.MULTILINE):
        method = ""
        for name in re.findall(r"`([^`]+)`", cell):
            method, path = name.split(" ") if " " in name else (method, name)
            described.add((method, path.replace("{id}", "{run}")))
    assert described == {(method, each.path) for each in RESOURCES for method in each.operations}


def test_every_field_of_the_simulated_model_is_described() -> None:
    assert _CELL.findall(text("docs/reference/simulated.md")) == list(Scenario.__struct_fields__)


def test_every_field_of_a_replay_is_described() -> None:
    assert _CELL.findall(text("docs/reference/replay.md")) == list(Playback.__struct_fields__)


def test_every_state_of_a_subscription_is_described() -> None:
    assert [cell for cell in _CELL.findall(section("docs/architecture.md", "## States"))] == [s.name for s in State]


def samples(family: Metric) -> str:
    return family.name + ("_total" if family.type == "counter" else "")


def test_every_metric_is_described() -> None:
    metrics = Metrics(live=lambda: 0, waiting=lambda: 0)
    families = text_string_to_metric_families(metrics.text().decode())
    there = {samples(family) for family in families if not family.name.endswith("_created")}
    described = _CELL.findall(section("docs/howto/operate.md", "## What to watch"))
    assert len(described) == len(set(described))
    assert set(described) == there


def test_every_decision_is_in_the_index() -> None:
    records = {path.name: path for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", text("docs/decisions/README.md"), re.MULTILINE)
    assert [name for _, name in listed] == sorted(records)
    for title, name in listed:
        words = records[name].read_text(encoding="utf-8")
        assert words.startswith(f"# {title}\n")
        assert re.findall(r"^## (.*)$", words, re.MULTILINE) == ["Context", "Decision", "Consequences"]


async def said(url: str, *arguments: str) -> str:
    """What Python says with these arguments."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, "HEADWATER_URL": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


@pytest.mark.slow
async def test_a_backup_of_a_running_server_can_be_served(tmp_path: Path) -> None:
    (command,) = re.findall(r"^python3 -c (\".*\")$", text("docs/howto/operate.md"), re.MULTILINE)
    async with Product(tmp_path / "data") as product:
        await said(product.url, "-m", "headwater", "chat", "Hello")
        run = (await said(product.url, "-m", "headwater", "runs", "ls")).split()[0]
        program = shlex.split(command)[0]
        assert "file:data/" in program
        assert "'backup.db'" in program
        here = program.replace("file:data/", f"file:{product.data}/").replace("'backup.db'", f"'{tmp_path}/backup.db'")
        await said(product.url, "-c", here)
    restored = tmp_path / "restored"
    restored.mkdir()
    (tmp_path / "backup.db").rename(restored / FILE_NAME)
    with closing(sqlite3.connect(restored / FILE_NAME)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with Product(restored) as product:
        shown = await said(product.url, "-m", "headwater", "runs", "show", run)
    assert "completed" in shown
    assert "You wrote: “Hello”" in shown

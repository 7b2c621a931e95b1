"""Plug-ins are found by their entry points, and one that is broken is told of and left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.guarded import Guarded
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.plugins import GROUP, Plugins, installed_plugins, load_plugins, without_faulty
from headwater.providers.servers import SERVERS, ServerRow
from tests.installed import install

ROW = ServerRow(dialect=OpenAIChat, base_url="https://api.acme.example/v1", api_key_env="ACME_API_KEY")


class Entry(NamedTuple):
    """An entry point that loads what it is told to."""

    name: str
    load: Callable[[], Any]
    value: str = "acme_headwater:SERVER"


def gives(value: object) -> Callable[[], Any]:
    return lambda: value


def raises(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


class Nameless(OpenAIChat):
    name = ""


class Foreign(OpenAIChat):
    framing = "carrier pigeon"  # type: ignore[assignment]  # as a plug-in without type checks may have it


class Silent:
    """Has nothing of a dialect but its looks."""

    name = "silent"
    framing = "sse"


class Fickle(OpenAIChat):
    """Can not say whether it can be asked for an answer in one piece."""

    @property
    def answers_whole(self) -> bool:  # type: ignore[override]
        raise SystemExit


BROKEN = {
    "an import that fails": (raises(ImportError("no module named acme")), "can not be imported.*no module named acme"),
    "an import that ends the process": (raises(SystemExit(3)), "can not be imported.*SystemExit"),
    "a module without it": (raises(AttributeError("SERVER")), "can not be imported.*SERVER"),
    "a dialect in place of a row": (gives(OpenAIChat), "names a `type` in place of a `ServerRow`"),
    "nothing": (gives(None), "names a `NoneType`"),
    "a constructor that raises": (gives(ServerRow(dialect=raises(KeyError("x")))), "dialect can not be made.*KeyError"),
    "no dialect": (gives(ServerRow(dialect=lambda: None)), "can not be made|has no `request`"),  # type: ignore[arg-type, return-value]
    "half a dialect": (gives(ServerRow(dialect=Silent)), "has no `request`"),  # type: ignore[arg-type]
    "a dialect without a name": (gives(ServerRow(dialect=Nameless)), "no `name`"),
    "a framing that is not spoken": (gives(ServerRow(dialect=Foreign)), "framing `carrier pigeon`"),  # type: ignore[arg-type]
    "a property that raises": (gives(ServerRow(dialect=Fickle)), "row can not be used"),
    "a promise of nobody's": (gives(ServerRow(dialect=OpenAIChat, capabilities=("flight",))), "promises `flight`"),
    "a promise of ours only": (gives(ServerRow(dialect=OpenAIChat, capabilities=("background",))), "`background`"),
    "an address of the inside": (gives(ServerRow(dialect=OpenAIChat, base_url="https://10.0.0.1/")), "allow_private"),
    "an address in the clear": (
        gives(ServerRow(dialect=OpenAIChat, base_url="http://acme.example")),
        "base_url is http",
    ),
    "an address that is none": (gives(ServerRow(dialect=OpenAIChat, base_url=7)), "row can not be used"),  # type: ignore[arg-type]
    "a prefix that is none": (gives(ServerRow(dialect=OpenAIChat, auth_prefix=7)), "row can not be used"),  # type: ignore[arg-type]
}


def test_a_plug_in_is_a_server_like_ours() -> None:
    plugins = load_plugins([Entry("acme", gives(ROW))])
    assert plugins.faults == {}
    row = plugins.servers["acme"]
    assert (row.base_url, row.api_key_env) == (ROW.base_url, ROW.api_key_env)
    assert isinstance(row.dialect(), Guarded)
    assert plugins.all_servers == {**SERVERS, "acme": row}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_plug_in_is_told_of_and_left_out(kind: str) -> None:
    load, words = BROKEN[kind]
    plugins = load_plugins([Entry("broken", load), Entry("acme", gives(ROW))])
    assert plugins.servers.keys() == {"acme"}
    assert plugins.faults.keys() == {"broken"}
    said = plugins.faults["broken"]
    assert said.startswith("The plug-in `broken` (acme_headwater:SERVER) is disabled: ")
    assert re.search(words, said)


def test_what_it_promises_of_a_model_is_what_a_plug_in_can() -> None:
    promises: dict[str, Any] = {"good": ("text", "tools", "background"), "odd": 7}
    row = ServerRow(dialect=OpenAIChat, capabilities=("text",), capabilities_of=promises.__getitem__)
    of_model = load_plugins([Entry("acme", gives(row))]).servers["acme"].capabilities_of
    assert of_model is not None
    assert [of_model(model) for model in ("good", "odd", "unknown")] == [("text", "tools"), ("text",), ("text",)]


def test_it_makes_one_dialect_for_all_calls() -> None:
    dialects = iter([OpenAIChat()])
    row = load_plugins([Entry("acme", gives(ServerRow(dialect=lambda: next(dialects))))]).servers["acme"]
    assert row.dialect() is row.dialect()


def test_a_server_on_this_machine_is_where_its_plug_in_says() -> None:
    here = ServerRow(dialect=OpenAIChat, base_url="http://127.0.0.1:9999/v1", is_local=True)
    assert load_plugins([Entry("acme", gives(here))]).faults == {}


@pytest.mark.parametrize("name", ["openai", "simulated", "replay"])
def test_no_plug_in_takes_a_name_of_ours(name: str) -> None:
    plugins = load_plugins([Entry(name, gives(ROW))])
    assert "of Headwater's own" in plugins.faults[name]
    assert plugins.all_servers == SERVERS


def test_of_two_with_one_name_neither_is_taken() -> None:
    plugins = load_plugins([Entry("acme", gives(ROW)), Entry("acme", gives(ROW), "other:SERVER")])
    assert plugins.servers == {}
    assert "2 plug-ins have this name, other:SERVER too" in plugins.faults["acme"]


def test_they_are_found_by_their_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def entry_points(*, group: str) -> list[metadata.EntryPoint]:
        asked.append(group)
        return [
            metadata.EntryPoint("mine", f"{__name__}:ROW", group),
            metadata.EntryPoint("gone", "headwater_plugin_that_is_not_there:ROW", group),
        ]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    monkeypatch.setattr(
        metadata.EntryPoint, "load", lambda self: ROW if self.name == "mine" else raises(ImportError())()
    )
    plugins = installed_plugins()
    assert asked == [GROUP]
    assert (list(plugins.servers), list(plugins.faults)) == (["mine"], ["gone"])


def test_a_list_that_can_not_be_read_disables_its_own_models_and_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = (
        "from headwater.providers.openai_chat import OpenAIChat\nfrom headwater.providers.servers import ServerRow\n"
    )
    module += "IT = ServerRow(dialect=OpenAIChat, base_url='https://api.acme.example/v1')\n"
    good, broken = (
        f"[{GROUP}]\nacme = acme_of_test:IT\n",
        f"[{GROUP}]\nother other_of_test:IT\nlate = other_of_test:IT\n",
    )
    install(monkeypatch, tmp_path / "good", "acme-of-test", good, {"acme_of_test": module})
    install(monkeypatch, tmp_path / "broken", "other-of-test", broken)
    plugins = installed_plugins()
    assert "acme" in plugins.servers
    assert plugins.faults["late"].startswith("The plug-in `late` is disabled: the file entry_points.txt of the distri")
    rows = [ModelRow(name=name, provider=name, model="m") for name in ("acme", "late")]
    usable, told = without_faulty(rows, plugins)
    assert ([row.name for row in usable], len(told)) == (["acme"], 1)


def test_without_plug_ins_there_are_ours() -> None:
    assert Plugins().all_servers == SERVERS


def test_a_model_of_a_broken_plug_in_is_left_out_and_told_of() -> None:
    plugins = load_plugins([Entry("broken", raises(ImportError())), Entry("acme", gives(ROW))])
    rows = [
        ModelRow(name="a", provider="acme"),
        ModelRow(name="b", provider="broken"),
        ModelRow(name="c", provider="openai"),
        ModelRow(name="d", provider="replay", dialect="broken"),
    ]
    usable, sentences = without_faulty(rows, plugins)
    assert [row.name for row in usable] == ["a", "c"]
    assert sentences == [f"The model `{name}` can not be called: its plug-in `broken` is disabled." for name in "bd"]


async def test_a_model_of_a_plug_in_is_one_like_others() -> None:
    plugins = load_plugins([Entry("acme", gives(ROW))])
    catalog = Catalog.from_rows([ModelRow(name="a", provider="acme")], {}, servers=plugins.all_servers)
    assert catalog.models()[-1].provider == "acme"
    assert catalog.warnings == ["The model `a` can not be called: `ACME_API_KEY` is not set."]
    await catalog.close()

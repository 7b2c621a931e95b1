"""The page of models: found, picked, and asked one thing side by side, live over one connection (U4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from headwater.client.blocking import Portal
from tests.browser.chat import PATIENCE_MS
from tests.browser.comparing import Comparing, EventRequests, note_growth
from tests.browser.conftest import NewContext
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.test_accessibility import ERROR, THEMES, focused, violations
from tests.browser.test_survival import CUT, DOWN, HASTE
from tests.browser.watch import Watch
from tests.kit.proxy import Fault, FaultProxy
from tests.kit.script import Send, chat_stream

QUESTION = "Where does the river begin?"
NAMES = ["amber", "basalt", "chalk", "dolomite", "emery", "flint", "garnet"]
SIX = NAMES[:6]
PARTS = {
    name: [[f"{name} says {part}: ", "a ", "*spring* ", "泉 👩\u200d👧 ", "<b>\n"] for part in range(3)]
    for name in NAMES
}
TEXTS = {name: ["".join(sum(parts[:count], [])) for count in range(4)] for name, parts in PARTS.items()}
PRICE = {"input": 1.25, "output": 10.0}


@pytest.fixture
def server_config(model: ScriptedModel) -> dict[str, Any]:
    rows = model.named_rows(*NAMES[:3], price=PRICE, capabilities=["text", "tools"])
    return {"models": [*rows, *model.named_rows(*NAMES[3:], capabilities=["text", "tools", "images"])]}


@pytest.fixture
def gates(model: ScriptedModel) -> list[Gate]:
    """The gate n is behind part n of all answers, counted from 0; the last one is before their ends."""
    gates = [model.gate() for _ in range(3)]
    for name in NAMES:
        model.answers(QUESTION, told_in_parts(PARTS[name], gates), name=name)
    return gates


@pytest.fixture
def comparing(new_context: NewContext) -> Comparing:
    context = new_context()
    note_growth(context)
    return Comparing(context.new_page()).open()


def all_show(comparing: Comparing, count: int, names: list[str] = SIX) -> None:
    for name in names:
        comparing.shows(name, TEXTS[name][count])


def test_six_answers_over_one_connection(
    comparing: Comparing, model: ScriptedModel, gates: list[Gate], server: Server
) -> None:
    events = EventRequests(comparing.page)
    runs = comparing.pick(*SIX).ask(QUESTION)
    assert len(runs) == 6
    for count, gate in enumerate(gates, 1):
        all_show(comparing, count)
        assert {server.run(run)["state"] for run in runs} == {"running"}
        model.open(gate)
    for name, run in zip(SIX, runs, strict=True):
        comparing.badge(name, "complete")
        shown = server.run(run)
        assert (shown["model"], shown["snapshot"]["text"]) == (name, TEXTS[name][3])
        expect(comparing.score(name, "ttft")).to_have_text(re.compile(r"\d (ms|s)$"))
        expect(comparing.score(name, "tokens")).to_have_text(re.compile(r"^\d+$"))
        expect(comparing.score(name, "rate")).to_have_text(re.compile(r"^\d+ tokens/s$"))
        expect(comparing.score(name, "cost")).to_have_text(re.compile(r"^\$|^unknown$"))
    assert len(events.asked) == 1
    assert re.findall(r"run=(run_\w+):0", events.asked[0]) == runs
    expect(comparing.page.locator("main [role=status]")).to_have_text("All 6 answers have ended")


# ── pictures ────────────────────────────────────────────────────────────────────────────────────────

"""The tabs of one browser read over one connection, whichever of them has it, and whichever is closed."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.chat import PATIENCE_MS, Chat
from tests.browser.conftest import NewContext
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.watch import DOWN, Watch

QUESTIONS = ["Where does the river begin?", "Where does it end?"]
PARTS = [[f"{number}. ", "The river ", "runs on — 泉.\n\n"] for number in range(1, 5)]
TEXTS = ["".join(token for part in PARTS[:count] for token in part) for count in range(len(PARTS) + 1)]


@pytest.fixture
def gates(model: ScriptedModel) -> list[list[Gate]]:
    """Of each question: the gate n is behind part n, counted from 0."""
    gates = [[model.gate() for _ in PARTS] for _ in QUESTIONS]
    for question, own in zip(QUESTIONS, gates, strict=True):
        model.answers(question, told_in_parts(PARTS, own))
    return gates


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    return new_context()


def readings(context: BrowserContext) -> list[str]:
    """The address of every event stream that a tab of the browser asks for from now on."""
    asked: list[str] = []
    stream = re.compile(r"/api/v1/(runs/[^/]+/)?events(\?|$)")
    context.on("request", lambda request: asked.append(request.url) if stream.search(request.url) else None)
    return asked


def reads(page: Page, server: Server, runs: int) -> None:
    """Waits until so many runs are being read, each connection's for itself, as the server counts them."""
    ends_at = time.monotonic() + PATIENCE_MS / 1000
    while True:
        metrics = server.http.get("/metrics").text
        counts = re.findall(r"^headwater_readers\{[^}]*\} (\S+)", metrics, re.MULTILINE)
        if sum(map(float, counts)) == runs:
            return
        assert time.monotonic() < ends_at, counts
        # paces: what a tab has let go of, the server sees a moment later.
        page.wait_for_timeout(50)


def test_two_tabs_with_one_answer(
    context: BrowserContext, model: ScriptedModel, gates: list[list[Gate]], server: Server
) -> None:
    asked = readings(context)
    first = Chat(context.new_page()).open()
    run = first.ask(QUESTIONS[0])
    first.shows(TEXTS[1])
    second = Chat(context.new_page()).visit(run)
    second.shows(TEXTS[1])
    model.open(gates[0][0])
    for chat in (first, second):
        chat.shows(TEXTS[2])
    reads(first.page, server, 1)
    assert all("/api/v1/events?" in url for url in asked)
    for gate in gates[0][1:]:
        model.open(gate)
    for chat in (first, second):
        chat.shows(TEXTS[-1])


def test_the_tab_with_the_connection_is_closed(
    context: BrowserContext, model: ScriptedModel, gates: list[list[Gate]], server: Server
) -> None:
    first = Chat(context.new_page()).open()
    run = first.ask(QUESTIONS[0])
    first.shows(TEXTS[1])
    others = [Chat(context.new_page()).visit(run) for _ in range(2)]
    own = Chat(context.new_page()).open()
    own.ask(QUESTIONS[1])
    tabs = [first, *others]
    for count, gate in enumerate(gates[0][:2], start=2):
        tabs.pop(0).page.close()
        model.open(gate)
        for chat in tabs:
            chat.shows(TEXTS[count])
        model.open(gates[1][count - 2])
        own.shows(TEXTS[count])
        reads(own.page, server, 1 + (len(tabs) > 0))
    for gate in [*gates[0][2:], *gates[1][2:]]:
        model.open(gate)
    for chat in [*tabs, own]:
        chat.shows(TEXTS[-1])


def test_the_server_is_killed_under_two_tabs(
    context: BrowserContext, model: ScriptedModel, gates: list[list[Gate]], server: Server, watch: Watch
) -> None:
    watch.expect(DOWN)
    first = Chat(context.new_page()).open()
    run = first.ask(QUESTIONS[0])
    first.shows(TEXTS[1])
    second = Chat(context.new_page()).visit(run)
    second.shows(TEXTS[1])
    server.kill()
    server.start()
    for chat in (first, second):
        chat.badge("partial")
        chat.shows(TEXTS[1])

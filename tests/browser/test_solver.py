"""The Solver's page: chosen, searched, stopped and read on; tokens and steps have connections of their own (U3)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext, Screenshot
from tests.browser.inspector import INSPECT
from tests.browser.model import Gate, ScriptedModel
from tests.browser.server import Server
from tests.browser.test_accessibility import THEMES, violations
from tests.browser.test_pictures import DEVICES
from tests.browser.watch import DOWN, Watch
from tests.kit.script import Pause, Step, chat_stream

#: It is turned by half a turn.
TASK = "3c9b0459"
WRONG = "def transform(grid):\n    return [row[::-1] for row in grid]\n"
FAULTY = "def transform(grid):\n    return [grid[9]]\n"
RIGHT = "def transform(grid):\n    return [row[::-1] for row in grid[::-1]]\n"


def answer(*programs: str, gate: Gate | None = None) -> list[Step]:
    """Programs in fences, with a gate after the first words."""
    text = "I look at the pairs. " + "".join(f"Try this:\n```python\n{program}```\n" for program in programs)
    words = re.findall(r"\S+\s*", text)
    steps = chat_stream(words)
    return [*steps[:6], *([] if gate is None else [Pause(until=gate)]), *steps[6:]]


def script(model: ScriptedModel, *answers: list[Step]) -> list[str]:
    """What the model says to one prompt after another, whatever they ask; the last one is for all further ones.

    Returns the prompts, as they come.
    """
    prompts: list[str] = []

    def next_answer(prompt: str) -> list[Step]:
        prompts.append(prompt)
        return answers[min(len(prompts), len(answers)) - 1]

    model.otherwise = next_answer
    return prompts


class Solving:
    """One page with a search on it, or with what one is begun with."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.search = page.get_by_test_id("search")
        self.iterations = page.get_by_test_id("iteration")
        self.tokens = page.get_by_test_id("model-words")
        self.lines = page.get_by_test_id("log-lines").get_by_role("listitem")
        #: the messages of the page's sockets
        self.heard: list[dict[str, Any]] = []
        page.on("websocket", self._on_socket)

    def start(self, iterations: int = 3, model: str = "scripted") -> str:
        """Begins a search for the puzzle from the list, and returns its run."""
        self.page.goto("/solver")
        self.page.get_by_test_id("find-puzzle").fill(TASK)
        self.page.locator(f"[data-testid=puzzle][data-task='{TASK}']").click()
        self.page.get_by_test_id("model").select_option(model)
        self.page.get_by_test_id("iterations").fill(str(iterations))
        return self.moved(self.page.get_by_test_id("start").click)

    def moved(self, act: Callable[[], None]) -> str:
        """The run that the page goes to."""
        before = self.page.url
        act()
        self.page.wait_for_url(lambda url: url != before and "run=" in url, timeout=PATIENCE_MS)
        return str(re.findall(r"run_[0-9a-f]{32}", self.page.url)[0])

    def badge(self, state: str) -> None:
        expect(self.search).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    def iteration(self, number: int) -> Locator:
        return self.page.locator(f"[data-testid=iteration][data-number='{number}']")

    def done(self, number: int) -> Locator:
        """Waits until the programs of an iteration have been tried."""
        expect(self.iteration(number)).to_have_attribute("data-done", "true", timeout=PATIENCE_MS)
        return self.iteration(number)

    def says(self, text: str) -> None:
        """Waits until the model's panel has this."""
        expect(self.tokens).to_contain_text(text, timeout=PATIENCE_MS)

    def _on_socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.heard.append(json.loads(str(frame))))


def log_of(server: Server, run: str) -> list[dict[str, Any]]:
    answered = server.http.get(f"/api/v1/runs/{run}/events", headers={"accept": "application/x-ndjson"})
    return [json.loads(line) for line in answered.text.splitlines()]


def judge(solving: Solving, server: Server, run: str) -> None:
    """The panels hold what the log holds, all of it and once."""
    log = log_of(server, run)
    expect(solving.lines).to_have_count(sum(record["type"] == "log" for record in log))
    messages = [record["data"]["message"] for record in log if record["type"] == "log"]
    assert [line.locator("span").text_content() for line in solving.lines.all()] == messages
    text = "".join(record["data"]["content"] for record in log if record["type"] == "chunk")
    shown = "".join(
        each.locator(".plain").text_content() or "" for each in solving.page.get_by_test_id("call-output").all()
    )
    assert shown == text


@pytest.fixture
def solving(new_context: NewContext) -> Solving:
    return Solving(new_context().new_page())


def test_from_the_choice_of_a_puzzle_to_the_result(solving: Solving, model: ScriptedModel, server: Server) -> None:
    gates = [model.gate() for _ in range(2)]
    prompts = script(model, answer(WRONG, FAULTY, gate=gates[0]), answer(RIGHT, gate=gates[1]))
    run = solving.start()
    solving.says("I look at the pairs. ")
    solving.badge("streaming")
    expect(solving.iteration(1)).to_contain_text("The model writes programs")
    model.open(gates[0])
    first = solving.done(1)
    expect(first.get_by_test_id("program")).to_have_count(2)
    expect(first).to_contain_text("IndexError")
    expect(first.get_by_test_id("outcome").first).to_have_attribute("data-right", re.compile("true|false"))
    expect(solving.iteration(2)).to_contain_text("The model writes programs")
    expect(solving.page.get_by_test_id("phase")).to_contain_text("Iteration 2 of 3")
    model.open(gates[1])
    solving.badge("complete")
    expect(solving.iteration(2)).to_contain_text("All pairs right")
    result = solving.page.get_by_test_id("result")
    expect(result).to_have_attribute("data-solved", "true")
    expect(result.get_by_test_id("result-test")).to_have_attribute("data-right", "true")
    expect(result.get_by_role("img", name=re.compile("Test 1, predicted.*no cell differs"))).to_be_visible()
    expect(result.get_by_role("img", name="Test 1, truth")).to_be_visible()
    chart = solving.page.get_by_test_id("score-chart")
    expect(chart.locator("circle")).to_have_count(2)
    # none of its letters is cut off
    assert chart.locator(".axis").evaluate_all("texts => Math.min(...texts.map((text) => text.getBBox().x))") > 0
    judge(solving, server, run)
    assert len(prompts) == 2


def test_steps_over_the_websocket_and_tokens_over_the_stream(
    solving: Solving, model: ScriptedModel, server: Server
) -> None:
    gate = model.gate()
    script(model, answer(WRONG), answer(RIGHT, gate=gate))
    run = solving.start()
    solving.done(1)
    expect(solving.page.get_by_test_id("log-way")).to_have_text("WebSocket")
    model.open(gate)
    solving.badge("complete")
    judge(solving, server, run)
    records = [each["record"] for each in solving.heard if "record" in each]
    assert {record["type"] for record in records} == {"status", "iteration", "log"}
    log = {record["seq"]: record for record in log_of(server, run)}
    assert [record["seq"] for record in records] == sorted({record["seq"] for record in records})
    assert all(log[record["seq"]] == record for record in records)


def test_where_no_websocket_is_let_through(solving: Solving, model: ScriptedModel, server: Server) -> None:
    gate = model.gate()
    script(model, answer(WRONG), answer(RIGHT, gate=gate))
    solving.page.route_web_socket(re.compile("/api/v1/ws$"), lambda socket: socket.close())
    run = solving.start()
    solving.done(1)
    expect(solving.page.get_by_test_id("log-way")).to_have_text("with the tokens")
    model.open(gate)
    solving.badge("complete")
    judge(solving, server, run)


def test_reloaded_in_the_middle_of_an_iteration(solving: Solving, model: ScriptedModel, server: Server) -> None:
    gate = model.gate()
    prompts = script(model, answer(WRONG), answer(RIGHT, gate=gate))
    run = solving.start()
    solving.done(1)
    for _ in range(2):
        solving.says("I look at the pairs. ")
        solving.page.reload()
        solving.done(1)
        expect(solving.iteration(2)).to_contain_text("The model writes programs")
    tab = Solving(solving.page.context.new_page())
    tab.page.goto(f"/solver?run={run}")
    tab.done(1)
    model.open(gate)
    for each in (solving, tab):
        each.badge("complete")
        expect(each.page.get_by_test_id("result")).to_have_attribute("data-solved", "true")
        judge(each, server, run)
    # A search that has ended is shown the same to who comes late.
    solving.page.reload()
    solving.badge("complete")
    judge(solving, server, run)
    assert len(prompts) == 2


def test_stopped_in_the_middle_and_searched_again(solving: Solving, model: ScriptedModel, server: Server) -> None:
    gate = model.gate()
    prompts = script(model, answer(WRONG), answer(RIGHT, gate=gate), answer(RIGHT))
    run = solving.start()
    solving.done(1)
    solving.says("I look at the pairs. ")
    solving.page.get_by_test_id("stop").click()
    solving.badge("stopped")
    expect(solving.page.get_by_text("What came is kept.")).to_be_visible()
    expect(solving.iterations).to_have_count(2)
    expect(solving.iteration(2)).to_contain_text("Not finished")
    result = solving.page.get_by_test_id("result")
    expect(result).to_contain_text("The search was ended before it was over.")
    expect(result.get_by_role("img", name=re.compile("Test 1, predicted"))).to_be_visible()
    assert server.run(run)["state"] == "cancelled"
    again = solving.moved(solving.page.get_by_test_id("retry").click)
    assert again != run
    solving.badge("complete")
    expect(solving.page.get_by_test_id("result")).to_have_attribute("data-solved", "true")
    assert server.run(again)["retry_of"] == run
    assert len(prompts) == 3


def test_the_server_is_killed_in_the_middle(
    solving: Solving, model: ScriptedModel, server: Server, watch: Watch
) -> None:
    watch.expect(DOWN + "|WebSocket connection to .* failed")
    gate = model.gate()
    prompts = script(model, answer(WRONG), answer(RIGHT, gate=gate), answer(RIGHT))
    run = solving.start()
    solving.done(1)
    solving.says("I look at the pairs. ")
    listed = solving.page.locator(f"[data-testid=runs] [data-run='{run}']")
    server.kill()
    solving.badge("reconnecting")
    # The page reads the search; the list beside it has no reader of its own that could say something else.
    expect(listed).to_contain_text("State unknown")
    server.start()
    solving.badge("complete")
    expect(listed).to_contain_text("Complete")
    expect(solving.page.get_by_test_id("result")).to_have_attribute("data-solved", "true")
    assert server.run(run)["state"] == "completed"
    assert len(prompts) == 3, "the finished iteration is not asked for again"


def test_an_example_needs_no_key(solving: Solving) -> None:
    solving.page.goto("/solver")
    solving.moved(solving.page.get_by_test_id("example").click)
    solving.badge("complete")
    expect(solving.page.get_by_test_id("result")).to_contain_text("The answers were a script’s")


def test_by_looking_at_pictures(solving: Solving) -> None:
    page = solving.page
    page.goto(f"/solver?task={TASK}")
    page.get_by_test_id("method").select_option("visual_solver")
    expect(page.get_by_test_id("iterations")).to_be_disabled()
    page.get_by_test_id("model").select_option("simulated")
    solving.moved(page.get_by_test_id("start").click)
    phases = page.get_by_test_id("phase-card")
    expect(phases.first).to_be_visible(timeout=PATIENCE_MS)
    page.reload()
    solving.badge("complete")
    # Four training pairs, of which the second is predicted and then seen, and one test; the newest first.
    expect(phases.get_by_role("heading", level=3)).to_have_text(
        [
            "6. Answers test 1",
            "5. Holds its rule against pair 4",
            "4. Holds its rule against pair 3",
            "3. Sees what pair 2 is",
            "2. Predicts pair 2",
            "1. Looks at pair 1",
        ]
    )
    calls = page.get_by_test_id("call-output")
    expect(calls.get_by_role("heading")).to_have_text([f"Call {number}" for number in range(1, 7)])
    expect(calls.last).to_contain_text("patternDescription")
    expect(page.get_by_test_id("result").get_by_test_id("result-test")).to_have_count(1)
    # Nothing is logged, so there is no place for it.
    expect(solving.tokens).to_be_visible()
    expect(page.get_by_test_id("log-panel")).to_have_count(0)
    expect(page.get_by_test_id("score-chart")).to_be_hidden()


def test_nothing_becomes_active(new_context: NewContext, model: ScriptedModel) -> None:
    """What the model writes, in the panel, as a program, and as what went wrong with it."""
    context = new_context()
    context.add_init_script(INSPECT)
    hostile = "<img src=x onerror=alert(1)><b>"
    program = f"def transform(grid):\n    raise ValueError('{hostile}')  # {hostile}\n"
    script(model, [*chat_stream([hostile])[:-3], *answer(program)[1:]])
    solving = Solving(context.new_page())
    solving.start(1)
    solving.badge("complete")
    expect(solving.done(1)).to_contain_text(f"ValueError: {hostile}")
    solving.says(hostile)
    assert solving.page.locator(":is(.search b, .search [onerror])").count() == 0


def test_an_address_that_leads_nowhere(solving: Solving, watch: Watch) -> None:
    watch.expect("404")
    solving.page.goto(f"/solver?run=run_{'0' * 32}")
    expect(solving.page.get_by_text("This search is not here")).to_be_visible(timeout=PATIENCE_MS)
    asked = {"model": "simulated", "messages": [{"role": "user", "content": "A"}]}
    chat = solving.page.request.post("/api/v1/runs", data=asked).json()["id"]
    solving.page.goto(f"/solver?run={chat}")
    expect(solving.page.get_by_text("This search is not here")).to_be_visible(timeout=PATIENCE_MS)
    solving.page.goto("/solver?task=00000000")
    expect(solving.page.get_by_role("alert")).to_have_text("There is no puzzle 00000000.", timeout=PATIENCE_MS)


def test_the_keyboard_goes_along_to_the_search(solving: Solving, model: ScriptedModel) -> None:
    script(model, answer(RIGHT))
    solving.page.goto(f"/solver?task={TASK}")
    solving.page.get_by_test_id("model").select_option("scripted")
    solving.page.get_by_test_id("start").press("Enter")
    expect(solving.page.get_by_test_id("search")).to_be_focused(timeout=PATIENCE_MS)
    solving.page.reload()
    solving.badge("complete")
    expect(solving.page.get_by_test_id("search")).not_to_be_focused()
    solving.page.get_by_test_id("all-puzzles").click()
    listed = solving.page.get_by_test_id("runs").get_by_role("link").first
    listed.press("Enter")
    solving.badge("complete")
    expect(solving.page.get_by_test_id("search")).not_to_be_focused()


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing(new_context: NewContext, model: ScriptedModel, theme: str) -> None:
    gate = model.gate()
    script(model, answer(WRONG, FAULTY), answer(RIGHT, gate=gate))
    solving = Solving(new_context(reduced_motion="reduce", **THEMES[theme]).new_page())
    solving.page.goto("/solver")
    expect(solving.page.get_by_test_id("puzzle").first).to_be_visible(timeout=PATIENCE_MS)
    assert violations(solving.page) == []
    solving.start()
    solving.done(1)
    assert violations(solving.page) == []
    model.open(gate)
    solving.badge("complete")
    assert violations(solving.page) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DEVICES)
def test_every_state_of_a_search(
    new_context: NewContext, model: ScriptedModel, screenshot: Screenshot, name: str
) -> None:
    """Pictures in `.cache/screenshots`, to be looked at; nothing scrolls sideways."""
    gate = model.gate()
    script(model, answer(WRONG, FAULTY), answer(FAULTY, WRONG), answer(RIGHT, gate=gate), answer(WRONG), answer(FAULTY))
    solving = Solving(new_context(**DEVICES[name]).new_page())
    page = solving.page

    def picture(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{state} scrolls sideways"
        screenshot(page, state)

    page.goto("/solver")
    expect(page.get_by_test_id("puzzle").first).to_be_visible(timeout=PATIENCE_MS)
    picture("1-choice")
    page.goto(f"/solver?task={TASK}")
    expect(page.get_by_test_id("start")).to_be_visible(timeout=PATIENCE_MS)
    picture("2-chosen")
    solving.start(5)
    solving.done(2)
    expect(solving.iteration(3)).to_contain_text("The model writes programs")
    picture("3-searching")
    model.open(gate)
    solving.badge("complete")
    picture("4-solved")
    solving.start(2)
    solving.badge("complete")
    expect(page.get_by_test_id("result")).not_to_have_attribute("data-solved", "true")
    picture("5-not-solved")

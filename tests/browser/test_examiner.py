"""The Examiner: puzzles, and what a model makes of them while it does (U2)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext, Screenshot
from tests.browser.examining import HINTS, PATTERN, PUZZLE, STRATEGY, TRUTH, WRONG, Examining, in_parts, said, told
from tests.browser.inspector import INSPECT
from tests.browser.model import Gate, ScriptedModel
from tests.browser.server import Server
from tests.browser.test_accessibility import THEMES, focused, violations
from tests.browser.test_pictures import DEVICES
from tests.browser.watch import DOWN, Watch
from tests.kit.script import Pause, Send, chat_chunk, chat_stream

#: Simulated answers are drawn by the puzzle (workflows/arc/simulated.py): two that are wrong, the second of two tests,
#: and one that is no JSON.
SIMULATED_WRONG = "007bbfb7"
SIMULATED_TWO = "1d398264"
SIMULATED_MALFORMED = "6150a2bd"


@pytest.fixture
def server_config(request: pytest.FixtureRequest, model: ScriptedModel) -> dict[str, Any]:
    """A test that is parametrised with more of it has more."""
    more: dict[str, Any] = getattr(request, "param", {})
    return {"models": model.rows("scripted"), **more}


@pytest.fixture
def examining(new_context: NewContext) -> Examining:
    return Examining(new_context().new_page())


def answers(model: ScriptedModel, text: str) -> None:
    """The model says this to every puzzle."""
    model.otherwise = lambda question: chat_stream([text])


def paused(model: ScriptedModel, text: str, *ends: str) -> list[Gate]:
    """The model says this, and waits behind each of the ends for its gate."""
    gates = [model.gate() for _ in ends]
    model.otherwise = lambda question: told(in_parts(text, *ends), gates)
    return gates


def asked_for(page: Page, part: str) -> list[str]:
    """What the page asks for from now on whose address has this in it."""
    found: list[str] = []

    def note(request: Request) -> None:
        if part in request.url:
            found.append(f"{request.method} {request.url}")

    page.on("request", note)
    return found


# ── an analysis ─────────────────────────────────────────────────────────────────────────────────────


def test_fields_and_rows_come_one_by_one(examining: Examining, model: ScriptedModel, server: Server) -> None:
    ends = ["*another*", "every cell.", "[9, 5, 4], ", "[9, 5, 4], "]
    gates = paused(model, said(TRUTH), *ends)
    examining.open()
    run = examining.analyse()
    expect(examining.field("pattern")).to_have_text("Each colour becomes *another*", timeout=PATIENCE_MS)
    examining.rows(0)
    model.open(gates[0])
    expect(examining.field("strategy")).to_contain_text("every cell.", timeout=PATIENCE_MS)
    expect(examining.field("pattern")).to_have_text(PATTERN)
    model.open(gates[1])
    examining.rows(1)
    expect(examining.field("hints").get_by_role("listitem")).to_have_text(HINTS)
    assert server.run(run)["state"] == "running"
    model.open(gates[2])
    examining.rows(2)
    examining.judged("Not judged yet")
    model.open(gates[3])
    examining.rows(3)
    examining.badge("complete")
    examining.judged("Right")
    expect(examining.figure("Tests right")).to_have_text("1 of 1")
    expect(examining.figure("Confidence")).to_have_text("85 %")
    expect(examining.figure("Trustworthiness")).to_have_text("97 %")
    expect(examining.field("strategy")).to_have_js_property("textContent", STRATEGY)
    assert server.run(run)["workflow"] == "analysis"


def test_reasoning_stands_beside(examining: Examining, model: ScriptedModel) -> None:
    gate = model.gate()
    thoughts = [Send(chat_chunk(reasoning_content=word)) for word in ("Is it ", "a turn? ", "<i>No.</i>")]
    model.otherwise = lambda question: [*thoughts, Pause(until=gate), *chat_stream([said(TRUTH)])[1:]]
    page = examining.open().page
    examining.analyse()
    beside = page.get_by_test_id("thoughts-text")
    expect(beside).to_contain_text("Is it a turn? <i>No.</i>", timeout=PATIENCE_MS)
    examining.badge("streaming")
    model.open(gate)
    examining.badge("complete")
    expect(beside).to_contain_text("Is it a turn? <i>No.</i>")
    page.get_by_test_id("side-answer").click()
    expect(beside).to_contain_text('"patternDescription"')


def test_differing_cells_are_marked(examining: Examining, model: ScriptedModel) -> None:
    answers(model, said(WRONG, 0.9))
    page = examining.open().page
    examining.analyse()
    examining.judged("Wrong")
    expect(page.get_by_test_id("differing")).to_have_attribute("data-count", "2")
    grids = examining.prediction.get_by_role("img")
    expect(grids.nth(0)).to_have_accessible_name("Prediction, 3 rows of 3, 2 cells differ")
    expect(grids.nth(1)).to_have_accessible_name("Truth, 3 rows of 3")
    rows = examining.prediction.get_by_role("list", name="Rows of: Prediction").get_by_role("listitem")
    expect(rows).to_have_text(
        ["Row 1: 9 5 4", "Row 2: 9 0 4; differs in column 2", "Row 3: 9 5 1; differs in column 3"]
    )
    expect(examining.prediction).to_contain_text("77 % of the cells are right")
    expect(examining.figure("Confidence")).to_have_text("90 %")


def test_what_is_no_answer_is_told_of(examining: Examining, model: ScriptedModel) -> None:
    answers(model, "I can not see a rule.")
    examining.open()
    examining.analyse()
    examining.judged("Wrong")
    expect(examining.prediction).to_contain_text("No grid was found in the answer.")
    expect(examining.figure("Confidence")).to_have_text("not said")


def test_the_simulated_model_shows_right_wrong_and_malformed(examining: Examining) -> None:
    page = examining.open(None).page
    before = page.url
    page.get_by_test_id("example").click()
    examining.moved(before)
    examining.judged("Right")
    expect(examining.analysis).to_contain_text("scripted answers")
    examining.open(SIMULATED_WRONG, model="simulated").analyse()
    examining.judged("Wrong")
    examining.open(SIMULATED_MALFORMED, model="simulated").analyse()
    examining.badge("complete")
    expect(examining.result.get_by_role("list", name="How the answer was read")).not_to_be_empty(timeout=PATIENCE_MS)


def test_each_of_several_tests_is_judged(examining: Examining) -> None:
    page = examining.open(SIMULATED_TWO, model="simulated").page
    examining.analyse()
    examining.judged("Wrong")
    expect(examining.prediction).to_have_count(2)
    expect(examining.figure("Tests right")).to_have_text("0 of 2")
    expect(examining.past).to_contain_text("Wrong · 0 of 2 tests right")
    expect(page.get_by_test_id("differing")).to_have_count(2)


def test_nothing_becomes_active(new_context: NewContext, model: ScriptedModel) -> None:
    context = new_context()
    context.add_init_script(INSPECT)
    examining = Examining(context.new_page())
    evil = "<img src=x onerror=alert(1)><script>alert(1)</script>[x](javascript:alert(1))"
    answers(model, said([[evil, {"__proto__": 1}], evil], evil, result={evil: evil}, hints=[evil]))
    examining.open()
    examining.analyse()
    examining.badge("complete")
    expect(examining.result).to_have_attribute("data-judged", "true", timeout=PATIENCE_MS)
    expect(examining.field("hints")).to_have_text(evil)


def test_stopped_and_analysed_again(examining: Examining, model: ScriptedModel, server: Server) -> None:
    paused(model, said(TRUTH), "[9, 5, 4], ")
    page = examining.open().page
    first = examining.analyse()
    examining.rows(1)
    page.keyboard.press("Escape")
    examining.badge("stopped")
    examining.judged("Stopped")
    expect(examining.field("pattern")).to_have_text(PATTERN)
    assert server.run(first)["state"] == "cancelled"
    answers(model, said(TRUTH))
    second = examining.analyse()
    examining.judged("Right")
    assert second != first
    expect(examining.past).to_have_count(2)
    page.locator(f"[data-testid=past-analysis][data-run={first}]").click()
    examining.judged("Stopped")
    examining.rows(1)


# ── without a stream ────────────────────────────────────────────────────────────────────────────────


def test_streaming_is_switched_off(examining: Examining, model: ScriptedModel) -> None:
    (gate,) = paused(model, said(TRUTH), "[9, 5, 4], ")
    page = examining.open().page
    streams = asked_for(page, "/api/stream/")
    page.get_by_test_id("streaming").uncheck()
    page.get_by_test_id("analyse").click()
    expect(page.get_by_test_id("opening")).to_have_attribute("data-state", "whole", timeout=PATIENCE_MS)
    model.request(1)
    before = page.url
    model.open(gate)
    examining.moved(before)
    examining.judged("Right")
    examining.rows(3)
    assert streams == []
    page.reload()
    expect(page.get_by_test_id("streaming")).not_to_be_checked()
    examining.judged("Right")


def test_stopped_without_a_stream(examining: Examining, model: ScriptedModel, server: Server) -> None:
    paused(model, said(TRUTH), "[9, 5, 4], ")
    page = examining.open().page
    page.get_by_test_id("streaming").uncheck()
    page.get_by_test_id("analyse").click()
    model.request(1)
    before = page.url
    page.get_by_test_id("stop").click()
    run = examining.moved(before)
    examining.judged("Stopped")
    assert server.run(run)["state"] == "cancelled"


def test_left_without_a_stream_it_is_found_again(examining: Examining, model: ScriptedModel) -> None:
    (gate,) = paused(model, said(TRUTH), "[9, 5, 4], ")
    page = examining.open().page
    page.get_by_test_id("streaming").uncheck()
    page.get_by_test_id("analyse").click()
    model.request(1)
    page.reload()
    before = page.url
    page.get_by_test_id("under-way").get_by_role("link").click()
    examining.moved(before)
    examining.badge("streaming")
    model.open(gate)
    examining.judged("Right")


@pytest.mark.parametrize("server_config", [{"flags": {"sse_streaming": False}}], indirect=True)
def test_the_server_gives_no_streams(examining: Examining, model: ScriptedModel, watch: Watch) -> None:
    watch.expect("403")
    (gate,) = paused(model, said(TRUTH), "[9, 5, 4], ")
    page = examining.open().page
    page.get_by_test_id("analyse").click()
    expect(page.get_by_test_id("opening")).to_have_attribute("data-state", "fallback", timeout=PATIENCE_MS)
    before = page.url
    model.open(gate)
    examining.moved(before)
    examining.judged("Right")


def test_a_stream_that_can_not_come_through(examining: Examining, model: ScriptedModel, watch: Watch) -> None:
    watch.expect("ERR_FAILED")
    (gate,) = paused(model, said(TRUTH), "[9, 5, 4], ")
    page = examining.open().page
    page.route("**/api/stream/**", lambda route: route.abort())
    page.get_by_test_id("analyse").click()
    expect(page.get_by_test_id("opening")).to_have_attribute("data-state", "fallback", timeout=PATIENCE_MS)
    before = page.url
    model.open(gate)
    examining.moved(before)
    examining.judged("Right")


def test_what_can_not_be_begun_is_told_of(examining: Examining, model: ScriptedModel, watch: Watch) -> None:
    watch.expect("422|400|404")
    page = examining.open().page
    detail = '{"code": "BAD_REQUEST", "status": 400, "detail": "Not so.", "retryable": false}'
    page.route(
        "**/api/stream/**",
        lambda route: route.fulfill(status=400, body=detail, content_type="application/problem+json"),
    )
    page.get_by_test_id("analyse").click()
    expect(page.get_by_role("alert")).to_have_text("Not so.", timeout=PATIENCE_MS)
    page.unroute("**/api/stream/**")
    answers(model, said(TRUTH))
    before = page.url
    page.get_by_test_id("retry").click()
    examining.moved(before)
    examining.judged("Right")


# ── survival ────────────────────────────────────────────────────────────────────────────────────────


def test_reloaded_in_mid_answer_and_in_a_second_tab(examining: Examining, model: ScriptedModel, server: Server) -> None:
    (gate,) = paused(model, said(TRUTH), "[9, 5, 4], ")
    page = examining.open().page
    run = examining.analyse()
    examining.rows(1)
    page.reload()
    examining.rows(1)
    tab = Examining(page.context.new_page())
    tab.page.goto(page.url)
    tab.rows(1)
    # Asked for again while it goes on it is joined, and nothing is paid twice.
    other = Examining(page.context.new_page()).open()
    assert other.analyse() == run
    other.rows(1)
    model.open(gate)
    for each in (examining, tab, other):
        each.judged("Right")
    assert len([each for each in server.runs() if each["workflow"] == "analysis"]) == 1


def test_the_server_is_killed_and_started_again(
    examining: Examining, model: ScriptedModel, server: Server, watch: Watch
) -> None:
    watch.expect(DOWN)
    paused(model, said(TRUTH), "[9, 5, 4], ")
    examining.open()
    examining.analyse()
    examining.rows(1)
    server.kill()
    examining.badge("reconnecting")
    server.start()
    examining.badge("partial")
    examining.judged("Failed")
    examining.rows(1)
    expect(examining.past).to_have_count(1)


def test_it_is_among_the_conversations(examining: Examining, model: ScriptedModel) -> None:
    answers(model, said(TRUTH))
    page = examining.open().page
    run = examining.analyse()
    examining.judged("Right")
    listed = page.get_by_test_id("runs").get_by_role("link")
    expect(listed).to_contain_text(f"Analysis of {PUZZLE}")
    page.goto("/")
    listed.click()
    examining.judged("Right")
    assert run in page.url
    # The address names the run alone: the puzzle is that of the run.
    expect(page.get_by_test_id("puzzle-view")).to_have_attribute("data-task", PUZZLE)


# ── puzzles ─────────────────────────────────────────────────────────────────────────────────────────


def test_puzzles_are_found(examining: Examining) -> None:
    page = examining.open(None).page
    expect(examining.puzzles).to_have_count(48, timeout=PATIENCE_MS)
    page.get_by_test_id("more-puzzles").click()
    expect(examining.puzzles).to_have_count(96)
    ids = [each.get_attribute("data-task") for each in examining.puzzles.all()]
    assert len(set(ids)) == 96
    page.get_by_test_id("puzzle-set").select_option("arc1-evaluation")
    page.keyboard.press("/")
    page.keyboard.type("00576224")
    expect(examining.puzzles).to_have_count(1)
    assert "query=00576224" in page.url
    examining.puzzles.click()
    expect(page.get_by_test_id("puzzle-view")).to_have_attribute("data-task", "00576224")
    page.get_by_test_id("all-puzzles").click()
    expect(page.get_by_test_id("find-puzzle")).to_have_value("00576224")
    page.get_by_test_id("find-puzzle").fill("xyz")
    expect(page.get_by_text("No puzzle here has that in its id.")).to_be_visible()
    page.get_by_role("button", name="Show all puzzles").click()
    expect(examining.puzzles).to_have_count(96)


def test_a_puzzle_that_is_not_there(examining: Examining, watch: Watch) -> None:
    watch.expect("404")
    page = examining.page
    page.goto("/examiner?task=ffffffff")
    expect(page.get_by_text("There is no puzzle ffffffff.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_test_id("analyse")).to_be_disabled()


def test_an_address_of_a_run_that_is_no_analysis(examining: Examining, watch: Watch) -> None:
    watch.expect("404")
    page = examining.page
    alert = page.get_by_role("main").get_by_role("alert")
    page.goto(f"/examiner?run=run_{'0' * 32}")
    expect(alert).to_contain_text("This analysis is not here.", timeout=PATIENCE_MS)
    asked = {"model": "simulated", "messages": [{"role": "user", "content": "A"}]}
    chat = page.request.post("/api/v1/runs", data=asked)
    page.goto(f"/examiner?run={chat.json()['id']}")
    expect(alert).to_have_text("This run is no analysis of a puzzle.", timeout=PATIENCE_MS)
    expect(page.get_by_text("Loading")).to_be_hidden()


def test_numbers_in_cells(examining: Examining) -> None:
    page = examining.open().page
    numbers = page.locator(".cell-number")
    expect(numbers).to_have_count(0)
    page.get_by_test_id("numbers").check()
    expect(numbers.first).to_be_visible()


def test_a_typewriter_writes_all_of_it(examining: Examining, model: ScriptedModel) -> None:
    answers(model, said(TRUTH))
    page = examining.open().page
    page.get_by_test_id("typewriter").check()
    examining.analyse()
    examining.judged("Right")
    expect(examining.field("pattern")).to_have_text(PATTERN, timeout=PATIENCE_MS)


def test_by_the_keyboard_alone(examining: Examining, model: ScriptedModel) -> None:
    answers(model, said(TRUTH))
    page = examining.open().page
    page.locator("body").press("/")
    assert focused(page) == "analyse"
    before = page.url
    page.keyboard.press("Enter")
    examining.moved(before)
    examining.judged("Right")


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing(new_context: NewContext, model: ScriptedModel, theme: str) -> None:
    examining = Examining(new_context(reduced_motion="reduce", **THEMES[theme]).new_page()).open(None)
    page = examining.page
    expect(examining.puzzles.first).to_be_visible(timeout=PATIENCE_MS)
    assert violations(page) == []
    (gate,) = paused(model, said(WRONG), "[9, 5, 4], ")
    examining.open()
    assert violations(page) == []
    examining.analyse()
    examining.rows(1)
    assert violations(page) == []
    model.open(gate)
    examining.judged("Wrong")
    assert violations(page) == []


# ── pictures ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", DEVICES)
def test_every_state_of_an_analysis(
    new_context: NewContext, model: ScriptedModel, screenshot: Screenshot, name: str
) -> None:
    """Pictures in `.cache/screenshots`, to be looked at; nothing scrolls sideways."""
    examining = Examining(new_context(**DEVICES[name]).new_page()).open(None)
    page = examining.page

    def picture(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{state} scrolls sideways"
        screenshot(page, state)

    expect(examining.puzzles.first).to_be_visible(timeout=PATIENCE_MS)
    picture("1-puzzles")
    examining.open()
    picture("2-puzzle")
    thoughts: list[Any] = [Send(chat_chunk(reasoning_content=f"{word} ")) for word in (STRATEGY * 6).split(" ")]
    gate = model.gate()
    parts = in_parts(said(WRONG), "[9, 5, 4], ")
    model.otherwise = lambda question: [*thoughts, *told(parts, [gate])[1:]]
    examining.analyse()
    examining.rows(1)
    picture("3-streaming")
    model.open(gate)
    examining.judged("Wrong")
    picture("4-wrong")
    answers(model, said(TRUTH))
    examining.analyse()
    examining.judged("Right")
    picture("5-right")
    page.locator(".scroller").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
    picture("6-right-end")
    examining.open(SIMULATED_WRONG, model="simulated").analyse()
    examining.judged("Wrong")
    picture("7-simulated")
    examining.open(SIMULATED_MALFORMED, model="simulated").analyse()
    examining.badge("complete")
    expect(examining.result).to_have_attribute("data-judged", "true")
    picture("8-malformed")
    page.get_by_test_id("streaming").uncheck()
    model.otherwise = lambda question: [Pause(until=model.gate())]
    examining.open()
    page.get_by_test_id("analyse").click()
    expect(page.get_by_test_id("opening")).to_be_visible()
    picture("9-whole")

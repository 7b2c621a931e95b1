"""The list of models while answers go on, and what it says of failures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.comparing import Comparing
from tests.browser.conftest import NewContext, Screenshot
from tests.browser.model import ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.test_accessibility import ERROR, violations
from tests.browser.test_pictures import DEVICES
from tests.browser.watch import Watch
from tests.kit.script import Send, chat_stream

QUESTION = "Where does the river begin?"
NAMES = ["amber", "basalt"]


@pytest.fixture
def server_config(model: ScriptedModel) -> dict[str, Any]:
    return {"models": model.named_rows(*NAMES)}


def ask_both(comparing: Comparing, model: ScriptedModel) -> list[str]:
    """Both answers are on their way, and the list is shown again."""
    gate = model.gate()
    for name in NAMES:
        model.answers(QUESTION, told_in_parts([[f"{name} says."], ["Never."]], [gate]), name=name)
    runs = comparing.pick(*NAMES).ask(QUESTION)
    for name in NAMES:
        comparing.shows(name, f"{name} says.")
    comparing.page.get_by_test_id("all-models").click()
    expect(comparing.rows.first).to_be_visible()
    return runs


@pytest.fixture
def comparing(new_context: NewContext) -> Comparing:
    return Comparing(new_context().new_page()).open()


def all_stopped(comparing: Comparing, server: Server, runs: list[str]) -> None:
    expect(comparing.page.get_by_test_id("under-way")).to_be_hidden()
    assert [server.run(run)["state"] for run in runs] == ["cancelled"] * len(runs)


def test_stopped_from_the_list(comparing: Comparing, model: ScriptedModel, server: Server) -> None:
    runs = ask_both(comparing, model)
    expect(comparing.page.get_by_test_id("under-way")).to_contain_text("2 answers are on their way")
    comparing.page.get_by_test_id("stop-all").click()
    all_stopped(comparing, server, runs)


def test_stopped_from_the_list_with_the_keyboard(comparing: Comparing, model: ScriptedModel, server: Server) -> None:
    runs = ask_both(comparing, model)
    find = comparing.page.get_by_test_id("find-model")
    find.fill("am")
    # What is searched for is let go first.
    find.press("Escape")
    expect(find).to_have_value("")
    assert [server.run(run)["state"] for run in runs] == ["running", "running"]
    find.press("Escape")
    all_stopped(comparing, server, runs)


def test_shown_again_and_beside_a_new_question(comparing: Comparing, model: ScriptedModel, server: Server) -> None:
    page = comparing.page
    runs = ask_both(comparing, model)
    # The list is for asking: what is on its way is in the way of nothing.
    model.answers("And where does it end?", chat_stream(["In the sea."]), name="amber")
    comparing.row("basalt").get_by_test_id("pick").uncheck()
    comparing.ask("And where does it end?")
    comparing.shows("amber", "In the sea.")
    comparing.badge("amber", "complete")
    page.get_by_test_id("all-models").click()
    page.get_by_test_id("show-answers").click()
    assert comparing.runs() == runs
    comparing.shows("basalt", "basalt says.")
    page.keyboard.press("Escape")
    for name in NAMES:
        comparing.badge(name, "stopped")
    page.get_by_test_id("all-models").click()
    expect(comparing.rows.first).to_be_visible()
    all_stopped(comparing, server, runs)


def test_the_end_of_all_is_noticed_on_the_list(comparing: Comparing, model: ScriptedModel) -> None:
    gate = model.gate()
    model.answers(QUESTION, told_in_parts([["Half "], ["whole."]], [gate]), name="amber")
    comparing.pick("amber").ask(QUESTION)
    comparing.shows("amber", "Half ")
    comparing.page.get_by_test_id("all-models").click()
    expect(comparing.page.get_by_test_id("under-way")).to_contain_text("The answer is on its way")
    model.open(gate)
    expect(comparing.page.get_by_test_id("under-way")).to_be_hidden()


@pytest.mark.parametrize("name", DEVICES)
def test_what_went_wrong_last(new_context: NewContext, model: ScriptedModel, screenshot: Screenshot, name: str) -> None:
    """It is text, for who has no pointer; the pictures are to be looked at."""
    comparing = Comparing(new_context(reduced_motion="reduce", **DEVICES[name]).new_page()).open()
    page = comparing.page
    model.answers("Fail", [Send(ERROR)], name="basalt")
    comparing.pick("basalt").ask("Fail")
    comparing.badge("basalt", "failed")
    page.goto("/models")
    expect(comparing.row("basalt").get_by_test_id("last-error")).to_have_text("Last error OVERLOADED, just now")
    expect(comparing.row("amber").get_by_test_id("last-error")).to_have_count(0)
    ask_both(comparing, model)
    expect(page.get_by_test_id("under-way")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []
    screenshot(page, "list")


def test_names_in_a_refusal_are_code(
    comparing: Comparing, screenshot: Screenshot, watch: Watch, server: Server
) -> None:
    watch.expect("400|404")

    def misname(route: Route) -> None:
        body = json.loads(route.request.post_data or "")
        route.continue_(post_data=json.dumps({**body, "model": "<b>no`body</b>"}))

    page = comparing.page
    page.route("**/api/v1/runs", misname)
    comparing.pick("amber")
    page.get_by_test_id("composer").fill(QUESTION)
    page.get_by_test_id("composer").press("Enter")
    refused = page.get_by_test_id("refused")
    expect(refused.locator("code").first).to_contain_text("<b>no")
    assert page.locator("main b").count() == 0
    screenshot(page, "refused")
    assert server.runs() == []

"""For everybody: the page is used by the keyboard alone, and axe finds nothing wrong with it, in both themes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import Chat
from tests.browser.conftest import PHONE, NewContext
from tests.browser.model import ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.test_pictures import QUESTION, calling, thinking, words
from tests.browser.until import until
from tests.kit.script import Pause, Send, chat_stream
from tests.wire.oracles import installed_packages

#: WCAG 2.2 at level AA, and what axe's makers recommend beyond.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE, "is_mobile": True, "has_touch": True},
}
TAB_STOPS_MAX = 40
ERROR = b'data: {"error": {"message": "The model is overloaded.", "type": "overloaded_error", "code": null}}\n\n'


def violations(page: Page) -> list[str]:
    """What axe finds: a line for each rule and element."""
    # Through the debugger, which the policy of the page does not hold.
    page.evaluate((installed_packages() / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("(tags) => axe.run(document, { runOnly: tags })", RULES)
    assert len(found["passes"]) > 10, "axe looked at the page"
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing(new_context: NewContext, model: ScriptedModel, theme: str) -> None:
    # Colours that fade in have no contrast yet.
    page = new_context(reduced_motion="reduce", **THEMES[theme]).new_page()
    chat = Chat(page).open(view="Markdown")
    assert violations(page) == []
    gate = model.gate()
    model.answers(QUESTION, thinking(gate))
    model.answers("How high is the Aare?", calling())
    model.answers("Fail", [*chat_stream(words("One two three"))[:3], Send(ERROR)])
    chat.ask(QUESTION)
    expect(page.get_by_test_id("reasoning")).to_contain_text("bounds the growth")
    assert violations(page) == []
    model.open(gate)
    chat.badge("complete")
    assert violations(page) == []
    chat.ask("How high is the Aare?")
    chat.badge("complete")
    assert violations(page) == []
    chat.ask("Fail")
    chat.badge("partial")
    assert violations(page) == []
    if page.get_by_test_id("menu").is_visible():
        page.get_by_test_id("menu").click()
        assert violations(page) == []


def focused(page: Page) -> str:
    """What has the focus, by its test id, its label or its words."""
    name: str = page.evaluate(
        "(({ dataset, ariaLabel, textContent }) => dataset.testid ?? ariaLabel ?? textContent)(document.activeElement)"
    )
    return name


def test_by_the_keyboard_alone(page: Page, model: ScriptedModel, server: Server) -> None:
    """From the address bar to an answer, a stop, another answer and back, and nothing is out of reach."""
    gate = model.gate()
    model.answers("One?", [*chat_stream(["One. "])[:2], Pause(until=gate)])
    model.answers("Two?", chat_stream(["```\ntwo\n```"]))
    page.goto("/")
    expect(page.get_by_test_id("composer")).to_be_focused()
    page.get_by_test_id("model").select_option("scripted")
    page.keyboard.press("Shift+Tab")
    assert focused(page) == "example"
    page.keyboard.press("/")
    expect(page.get_by_test_id("composer")).to_be_focused()
    page.keyboard.type("One?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    chat = Chat(page)
    chat.badge("streaming")
    page.keyboard.press("Escape")
    chat.badge("stopped")
    page.keyboard.type("Two?")
    page.keyboard.press("Enter")
    chat.badge("complete")
    # Backwards through all there is to press, in the order in which it stands.
    reached = [focused(page)]
    while reached[-1] != "Skip to the composer":
        assert len(reached) < TAB_STOPS_MAX, reached
        page.keyboard.press("Shift+Tab")
        reached.append(focused(page))
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", f"no ring around {reached[-1]}"
    wanted = ["composer", "retry", "Copy answer", "Copy code", "new-chat"]
    assert [each for each in reached if each in wanted] == wanted
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("composer")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("model")).to_be_focused()
    assert [run["state"] for run in server.runs()] == ["completed", "cancelled"]


def test_the_drawer_by_the_keyboard(new_context: NewContext) -> None:
    page = new_context(viewport=PHONE).new_page()
    page.goto("/")
    page.get_by_test_id("menu").focus()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page.get_by_test_id("menu")).to_be_focused()


def test_states_are_told_to_screen_readers(page: Page, model: ScriptedModel) -> None:
    """Each once, and not every token."""
    page.add_init_script(
        """
        window.told = [];
        new MutationObserver(() => {
          const words = document.querySelector("[role=status]")?.textContent;
          if (words !== undefined && words !== told.at(-1)) told.push(words);
        }).observe(document, { subtree: true, childList: true, characterData: true });
        """
    )
    gate = model.gate()
    model.answers("One?", told_in_parts([["One. "] * 25, ["One. "] * 25], [gate]))
    chat = Chat(page).open(view="Markdown")
    chat.ask("One?")
    chat.badge("streaming")
    until(page, "told.at(-1) === 'Streaming'")
    model.open(gate)
    chat.badge("complete")
    until(page, "told.at(-1) !== 'Streaming'")
    told = page.evaluate("told")
    assert told[-1] == "Complete"
    assert told[-2] == "Streaming"
    assert len(told) == len(set(told))

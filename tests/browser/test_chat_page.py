"""The page to try the chat with, in Chromium: all three ways, its settings, and an EventSource that comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, NewContext, Screenshot
from tests.browser.model import ScriptedModel, told_in_parts
from tests.browser.test_accessibility import violations

QUESTION = "How high is the Aare?"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": PHONE, "is_mobile": True},
}


def opened(page: Page, **settings: str) -> Page:
    """The page with these settings, and the model that the test plays."""
    page.goto("/chat/test")
    for label, value in {"Model": "scripted", **settings}.items():
        page.get_by_label(label, exact=True).fill(value)
        page.get_by_label(label, exact=True).blur()
    return page


def ask(page: Page, question: str, way: str) -> None:
    page.get_by_label("Way", exact=True).select_option(way)
    page.get_by_label("Message", exact=True).fill(question)
    page.get_by_role("button", name="Send").click()


@pytest.mark.parametrize("way", ["post", "eventsource", "whole"])
def test_each_way_shows_the_answer_and_goes_on_with_the_chat(page: Page, model: ScriptedModel, way: str) -> None:
    model.answers(QUESTION, told_in_parts([["Two ", "metres."]], []))
    model.answers("And now?", told_in_parts([["<b>Three</b>"]], []))
    opened(page)
    for question, answer in ((QUESTION, "Two metres."), ("And now?", "<b>Three</b>")):
        ask(page, question, way)
        expect(page.get_by_role("status")).to_contain_text("Complete. chat_")
        expect(page.get_by_role("listitem").last).to_have_text(answer)
    said = [message["content"] for message in model.request(2).json["messages"]]
    assert said == [QUESTION, "Two metres.", "And now?"]


def test_it_keeps_its_settings(page: Page, model: ScriptedModel) -> None:
    model.answers(QUESTION, told_in_parts([["Two metres."]], []))
    opened(page, Organisation="acme", User="ann")
    page.get_by_label("Way", exact=True).select_option("whole")
    page.reload()
    for label, value in (("Organisation", "acme"), ("User", "ann"), ("Model", "scripted"), ("Way", "whole")):
        expect(page.get_by_label(label, exact=True)).to_have_value(value)
    ask(page, QUESTION, "post")
    expect(page.get_by_role("status")).to_contain_text("Complete.")
    owner = {"x-org-id": "acme", "x-user-id": "ann"}
    chats = json.loads(page.request.get("/chat/chats", headers=owner).body())["chats"]
    assert [chat["title"] for chat in chats] == [QUESTION]


def test_an_answer_can_be_stopped(page: Page, model: ScriptedModel) -> None:
    gate = model.gate()
    model.answers(QUESTION, told_in_parts([["Two "], ["metres."]], [gate]))
    opened(page)
    ask(page, QUESTION, "post")
    expect(page.get_by_role("listitem").last).to_have_text("Two ")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_contain_text("Stopped here")
    # the server hears of it, and so does the model
    model.closed(model.request(1))


@pytest.mark.parametrize("look", LOOKS)
def test_how_it_looks(new_context: NewContext, model: ScriptedModel, screenshot: Screenshot, look: str) -> None:
    model.answers(QUESTION, told_in_parts([["Two metres, and it is rising."]], []))
    page = opened(new_context(**LOOKS[look]).new_page())
    ask(page, QUESTION, "post")
    expect(page.get_by_role("status")).to_contain_text("Complete.")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screenshot(page, look)


#: Nobody closes it: what it makes of the stream's end is the browser's own business.
LISTEN = """(address) => new Promise((resolve) => {
  const source = new EventSource(address);
  const seen = [];
  source.onmessage = ({ data }) => seen.push(JSON.parse(data));
  source.onerror = () => source.readyState === EventSource.CLOSED && resolve(seen);
})"""


def test_an_event_source_that_nobody_closes_asks_once(page: Page, model: ScriptedModel) -> None:
    model.answers(QUESTION, told_in_parts([["Two ", "metres."]], []))
    page.goto("/chat/test")
    seen = page.evaluate(LISTEN, f"/chat/stream?message={QUESTION.replace(' ', '%20')}&model=scripted&userId=ann")
    assert [frame["token"] for frame in seen] == ["Two ", "metres.", ""]
    runs = page.request.get("/chat/chats", headers={"x-user-id": "ann"}).json()["chats"]
    assert len(runs) == 1

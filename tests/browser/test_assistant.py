"""The Assistant's page: what it understood, what could be said next, with streaming and without, and thumbs (U7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext, Screenshot
from tests.browser.inspector import INSPECT
from tests.browser.model import Gate, ScriptedModel
from tests.browser.server import Server
from tests.browser.test_accessibility import ERROR, THEMES, violations
from tests.browser.test_pictures import DEVICES, RICH, words
from tests.browser.watch import Watch
from tests.kit.script import Pause, Send, Step, chat_stream

QUESTION = "Where can I eat ramen in Kyoto?"
SUGGESTED = "Which of them is open late?"
INTENT = {
    "intent": "find_restaurant",
    "entities": [{"name": "place", "value": "Kyoto"}, {"name": "dish", "value": "ramen"}],
}
SAID = ["Behind ", "the ", "station ", "there ", "are ", "*eight* ", "of ", "them."]
WHOLE = "".join(SAID)
TOKYO = "Find me a restaurant in Tokyo"


def as_json(value: object) -> list[Step]:
    return chat_stream([json.dumps(value)])


def script(model: ScriptedModel, question: str, *answers: list[Step]) -> None:
    """Each time that the question is asked the model says what is wanted, then the answer; at its end suggestions."""
    model.answers(question, *[step for answer in answers for step in (as_json(INTENT), answer)])
    model.otherwise = lambda prompt: as_json({"suggestions": [SUGGESTED, "Thank you"]})


def told(gate: Gate | None = None) -> list[Step]:
    """The answer, with a gate before its last four words."""
    steps = chat_stream(SAID)
    return [*steps[:5], *([] if gate is None else [Pause(until=gate)]), *steps[5:]]


class Talk:
    """One page with a conversation on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.answer = page.get_by_test_id("answer")
        self.text = page.get_by_test_id("answer-text")
        self.context = page.get_by_test_id("context")
        self.suggestions = page.get_by_test_id("suggestion")
        self.posts: list[str] = []
        page.on("request", lambda request: self.posts.append(request.url) if request.method == "POST" else None)

    def open(self, *, model: str = "scripted", streaming: bool = True) -> Talk:
        self.page.goto("/assistant")
        self.page.get_by_test_id("view").get_by_text("Plain text").click()
        self.page.get_by_test_id("model").select_option(model)
        self.page.get_by_test_id("streaming").set_checked(streaming)
        return self

    def say(self, message: str) -> None:
        self.page.get_by_test_id("composer").fill(message)
        self.page.get_by_test_id("composer").press("Enter")

    def badge(self, state: str) -> None:
        expect(self.answer).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    def shows(self, text: str) -> None:
        expect(self.text).to_have_js_property("textContent", text, timeout=PATIENCE_MS)

    def session(self, server: Server) -> dict[str, Any]:
        """As the server has it."""
        name = self.page.evaluate("new URLSearchParams(location.search).get('session')")
        shown: dict[str, Any] = server.http.get(f"/api/conversation/local/sessions/{name}").json()
        return shown


@pytest.fixture
def talk(new_context: NewContext) -> Talk:
    return Talk(new_context().new_page())


def test_context_then_the_answer_then_suggestions(talk: Talk, model: ScriptedModel, server: Server) -> None:
    gate = model.gate()
    script(model, QUESTION, told(gate))
    script(model, SUGGESTED, told())
    talk.open().say(QUESTION)
    talk.shows("Behind the station there ")
    expect(talk.page.get_by_test_id("intent")).to_have_text("Find restaurant")
    expect(talk.context).to_contain_text("Kyoto")
    expect(talk.suggestions).to_have_count(0)
    model.open(gate)
    talk.badge("complete")
    talk.shows(WHOLE)
    expect(talk.suggestions).to_have_text([SUGGESTED, "Thank you"])
    talk.suggestions.first.click()
    expect(talk.page.get_by_test_id("turn-user")).to_have_text([QUESTION, SUGGESTED])
    talk.badge("complete")
    expect(talk.page.get_by_test_id("turn-assistant")).to_contain_text(WHOLE)
    session = talk.session(server)
    assert [turn["message"] for turn in session["turns"]] == [QUESTION, SUGGESTED]
    listed = talk.page.get_by_test_id("runs").get_by_role("listitem")
    expect(listed).to_contain_text([f"{SUGGESTED}Complete"])
    expect(listed).to_contain_text("2 answers")
    assert [turn["state"] for turn in session["turns"]] == ["complete", "complete"]
    assert all("conversation-stream" in address for address in talk.posts if "/conversation" in address)


def test_a_first_question_that_waits_can_be_left(talk: Talk, model: ScriptedModel) -> None:
    gate = model.gate()
    script(model, QUESTION, told(gate))
    talk.open(streaming=False).say(QUESTION)
    model.request(2)
    talk.page.get_by_test_id("new-conversation").click()
    expect(talk.page.get_by_test_id("turn-user")).to_have_count(0)
    model.open(gate)
    listed = talk.page.get_by_test_id("runs").get_by_role("listitem")
    expect(listed).to_contain_text([f"{QUESTION}Complete"], timeout=PATIENCE_MS)


def test_without_streaming_the_answer_comes_whole(talk: Talk, model: ScriptedModel) -> None:
    gate = model.gate()
    script(model, QUESTION, told(gate))
    talk.open(streaming=False).say(QUESTION)
    expect(talk.page.get_by_test_id("status")).to_have_text("Waiting for the whole answer")
    # The intent and the beginning of the answer are at the server by then.
    model.request(2)
    expect(talk.text).to_have_js_property("textContent", "")
    model.open(gate)
    talk.badge("complete")
    talk.shows(WHOLE)
    expect(talk.context).to_contain_text("Kyoto")
    expect(talk.suggestions).to_have_count(2)
    assert [address.rpartition("/api")[2] for address in talk.posts] == ["/conversation/local"]
    talk.page.reload()
    expect(talk.page.get_by_test_id("streaming")).not_to_be_checked()
    talk.shows(WHOLE)


def test_who_has_left_a_question_is_not_called_back(talk: Talk, model: ScriptedModel) -> None:
    gate = model.gate()
    script(model, QUESTION, told())
    script(model, SUGGESTED, told(gate))
    talk.open(streaming=False).say(QUESTION)
    talk.badge("complete")
    talk.say(SUGGESTED)
    expect(talk.page.get_by_test_id("turn-user")).to_have_text([QUESTION, SUGGESTED])
    # Behind the three of the first answer, its intent and its beginning.
    model.request(5)
    talk.page.get_by_test_id("new-conversation").click()
    expect(talk.page.get_by_test_id("example")).to_be_visible()
    listed = talk.page.get_by_test_id("runs").get_by_role("listitem")
    expect(listed).to_contain_text("Streaming")
    model.open(gate)
    expect(listed).to_contain_text("Complete", timeout=PATIENCE_MS)
    expect(talk.page.get_by_test_id("turn-user")).to_have_count(0)
    assert "session=" not in talk.page.url


def test_stopped_while_the_whole_answer_is_waited_for(talk: Talk, model: ScriptedModel, server: Server) -> None:
    script(model, QUESTION, told(model.gate()))
    talk.open(streaming=False).say(QUESTION)
    received = model.request(2)
    talk.page.get_by_test_id("stop").click()
    model.closed(received)
    talk.badge("stopped")
    assert [turn["state"] for turn in talk.session(server)["turns"]] == ["partial"]


def test_thumbs_are_kept(talk: Talk, model: ScriptedModel, server: Server) -> None:
    script(model, QUESTION, told())
    talk.open().say(QUESTION)
    talk.badge("complete")
    up, down = talk.page.get_by_test_id("vote-up"), talk.page.get_by_test_id("vote-down")
    for pressed, other, vote in ((up, down, "up"), (down, up, "down")):
        with talk.page.expect_response("**/feedback") as answered:
            pressed.click()
        assert answered.value.status == 200
        expect(pressed).to_have_attribute("aria-pressed", "true")
        expect(other).to_have_attribute("aria-pressed", "false")
        assert talk.session(server)["turns"][0]["vote"] == vote
    talk.page.reload()
    expect(down).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)
    with talk.page.expect_response("**/feedback"):
        down.click()
    expect(down).to_have_attribute("aria-pressed", "false")
    assert talk.session(server)["turns"][0]["vote"] is None


def test_reloaded_in_the_middle_of_an_answer(talk: Talk, model: ScriptedModel, server: Server) -> None:
    gate = model.gate()
    script(model, QUESTION, told(gate))
    talk.open().say(QUESTION)
    for _ in range(2):
        talk.shows("Behind the station there ")
        talk.page.reload()
    talk.shows("Behind the station there ")
    expect(talk.context).to_contain_text("Kyoto")
    expect(talk.page.get_by_test_id("turn-user")).to_have_text([QUESTION])
    model.open(gate)
    talk.badge("complete")
    talk.shows(WHOLE)
    expect(talk.suggestions).to_have_count(2)
    assert len(talk.session(server)["turns"]) == 1


def test_stopped_and_asked_again(talk: Talk, model: ScriptedModel, server: Server) -> None:
    script(model, QUESTION, told(model.gate()), told())
    talk.open().say(QUESTION)
    talk.shows("Behind the station there ")
    talk.page.keyboard.press("Escape")
    talk.badge("stopped")
    talk.page.get_by_test_id("retry").click()
    talk.badge("complete")
    talk.shows(WHOLE)
    assert [turn["state"] for turn in talk.session(server)["turns"]] == ["partial", "complete"]


def test_an_answer_that_fails(talk: Talk, model: ScriptedModel) -> None:
    script(model, QUESTION, [*chat_stream(SAID)[:4], Send(ERROR)])
    talk.open().say(QUESTION)
    talk.badge("partial")
    expect(talk.answer).to_contain_text("What came before is kept.")
    expect(talk.page.get_by_test_id("retry")).to_be_visible()


def test_a_question_that_is_refused(talk: Talk, watch: Watch) -> None:
    watch.expect("Failed to load resource.*4\\d\\d")
    talk.open().say("x" * 10_000)
    talk.badge("failed")
    expect(talk.answer).to_contain_text("4000")


def test_the_example_needs_no_key(talk: Talk) -> None:
    talk.page.goto("/assistant")
    talk.page.get_by_test_id("example").click()
    talk.badge("complete")
    expect(talk.context).to_contain_text("Tokyo")
    expect(talk.answer).to_contain_text("simulated")
    expect(talk.suggestions.first).to_be_visible()
    talk.page.get_by_test_id("new-conversation").click()
    expect(talk.page.get_by_test_id("session")).to_contain_text(TOKYO)
    talk.page.get_by_test_id("session").click()
    talk.badge("complete")


def test_nothing_becomes_active(new_context: NewContext, model: ScriptedModel) -> None:
    """What is said, what was understood of it, the answer, and what could be said next."""
    context = new_context()
    context.add_init_script(INSPECT)
    hostile = "<b onclick=alert(1)>x</b>"
    understood = {"intent": hostile, "entities": [{"name": hostile, "value": hostile}]}
    model.answers(hostile, as_json(understood), chat_stream([hostile]))
    model.otherwise = lambda prompt: as_json({"suggestions": [hostile]})
    talk = Talk(context.new_page()).open()
    talk.page.get_by_test_id("view").get_by_text("Markdown").click()
    talk.say(hostile)
    talk.badge("complete")
    expect(talk.suggestions).to_have_text([hostile])
    expect(talk.context).to_contain_text(hostile)
    assert talk.page.locator("main b").count() == 0


@pytest.mark.parametrize("device", ["light", "phone"])
def test_words_without_an_end_stay_in_the_panel(new_context: NewContext, model: ScriptedModel, device: str) -> None:
    endless = "k" * 60
    understood = {"intent": endless, "entities": [{"name": endless, "value": endless}]}
    model.answers(QUESTION, as_json(understood), told())
    model.otherwise = lambda prompt: as_json({"suggestions": [endless]})
    talk = Talk(new_context(**DEVICES[device]).new_page()).open()
    talk.say(QUESTION)
    talk.badge("complete")
    expect(talk.context.locator("dt").last).to_contain_text(endless[1:])
    expect(talk.suggestions).to_have_text([endless])
    for part in ("context", "answer", "suggestions"):
        assert talk.page.get_by_test_id(part).evaluate("part => part.scrollWidth <= part.clientWidth"), part


def test_an_address_that_leads_nowhere(talk: Talk, watch: Watch) -> None:
    watch.expect("404")
    talk.page.goto(f"/assistant?session=ses_{'0' * 32}")
    expect(talk.page.get_by_text("This conversation is not here")).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing(new_context: NewContext, model: ScriptedModel, theme: str) -> None:
    gate = model.gate()
    script(model, QUESTION, told(gate))
    talk = Talk(new_context(reduced_motion="reduce", **THEMES[theme]).new_page()).open()
    assert violations(talk.page) == []
    talk.say(QUESTION)
    talk.shows("Behind the station there ")
    assert violations(talk.page) == []
    model.open(gate)
    talk.badge("complete")
    talk.page.get_by_test_id("vote-up").click()
    expect(talk.suggestions).to_have_count(2)
    assert violations(talk.page) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DEVICES)
def test_every_state_of_a_talk(
    new_context: NewContext, model: ScriptedModel, screenshot: Screenshot, name: str
) -> None:
    """Pictures in `.cache/screenshots`, to be looked at; nothing scrolls sideways."""
    gate = model.gate()
    rich = chat_stream(words(RICH))
    script(model, QUESTION, [*rich[:60], Pause(until=gate), *rich[60:]])
    script(model, SUGGESTED, [*rich[:30], Send(ERROR)])
    talk = Talk(new_context(**DEVICES[name]).new_page())
    page = talk.page

    def picture(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{state} scrolls sideways"
        screenshot(page, state)

    talk.open()
    page.get_by_test_id("view").get_by_text("Markdown").click()
    picture("1-empty")
    talk.say(QUESTION)
    expect(talk.answer).to_contain_text("straight channel", timeout=PATIENCE_MS)
    picture("2-streaming")
    model.open(gate)
    talk.badge("complete")
    expect(talk.suggestions).to_have_count(2)
    page.get_by_test_id("vote-up").click()
    picture("3-complete")
    talk.suggestions.first.click()
    talk.badge("partial")
    picture("4-partial")
    page.get_by_test_id("new-conversation").click()
    expect(page.get_by_test_id("session")).to_have_count(1)
    picture("5-earlier")
    page.get_by_test_id("streaming").set_checked(False)
    script(model, QUESTION, [Pause(until=model.gate())])
    talk.say(QUESTION)
    expect(page.get_by_test_id("status")).to_have_text("Waiting for the whole answer")
    picture("6-waiting")

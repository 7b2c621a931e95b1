"""Hostile answers in Chromium (SECURITY 14): nothing in them becomes active, at no moment while they arrive.

The payloads are those that DOMPurify is tested with. The page's inspector and the watch of all tests find what must
not be: elements, attributes, handlers, addresses, calls to other hosts, violations of the policy, errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Dialog, Request, Route, expect

from headwater.client.blocking import Portal
from tests.browser.chat import Chat
from tests.browser.comparing import Comparing
from tests.browser.conftest import NewContext
from tests.browser.inspector import DRAW_EACH, INSPECT
from tests.browser.model import ScriptedModel
from tests.browser.server import Server
from tests.browser.watch import Watch
from tests.corpora import naughty_strings, xss_payloads
from tests.kit.script import DONE, Send, Step, chat_chunk, chat_stream

PAYLOADS = xss_payloads()
#: Questions of one conversation: what was answered before is drawn once more, as a past answer.
CONVERSATION = 8
#: What the page may ask its server for.
OWN_PATHS = re.compile(r"/|/c/run_\w+|/models|/assets/[\w.-]+|/api/v1/.*|/favicon.ico")

#: Payloads that a line of configuration can hold.
NAMES = [each for each in PAYLOADS if len(each) <= 200 and each.isprintable() and not re.search(r'["\\\\]', each)][:8]

pytestmark = pytest.mark.skipif(not PAYLOADS, reason="no corpora beside the recordings on this machine")


class Calls:
    """The requests and dialogs of a context that no page of ours makes."""

    def __init__(self, context: BrowserContext) -> None:
        self.strange: list[str] = []
        context.on("request", self._on_request)
        context.on("dialog", self._on_dialog)

    def _on_request(self, request: Request) -> None:
        if not OWN_PATHS.fullmatch(urlsplit(request.url).path) or request.resource_type in ("image", "media", "object"):
            self.strange.append(f"{request.resource_type} {request.url}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.strange.append(f"dialog {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="module")
def model(portal: Portal) -> Iterator[ScriptedModel]:
    with ScriptedModel(portal) as model:
        yield model


@pytest.fixture(scope="module")
def server(portal: Portal, tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[Server]:
    """One for all tests here: none of them harms it, and failures that one asks for give no other's model a rest."""
    data = tmp_path_factory.mktemp("security") / "data"
    config = {"models": model.rows("scripted", *NAMES), "resilience": {"breaker_failures": 0}}
    with Server(portal, data, config=config) as running:
        yield running


@pytest.fixture
def chat(new_context: NewContext) -> Iterator[Chat]:
    """A page that is inspected, and draws every state of an answer, as Markdown."""
    context = new_context()
    context.add_init_script(INSPECT)
    context.add_init_script(DRAW_EACH)
    calls = Calls(context)
    yield Chat(context.new_page()).open(view="Markdown")
    assert calls.strange == []


def letter_by_letter(text: str) -> list[Step]:
    """An answer that says the same aloud and in thought, a letter at a time.

    Text between thoughts is not joined to what came before it, so that every letter is a record of its own.
    """
    said = [Send(chat_chunk(letter, reasoning_content=letter)) for letter in text]
    return [*said, Send(chat_chunk(finish="stop")), Send(DONE)]


def numbered(question: str) -> str:
    """The payload of a question that begins with its number."""
    return PAYLOADS[int(question.partition(" ")[0])]


def ask(chat: Chat, number: int) -> dict[str, Any]:
    if number % CONVERSATION == 0:
        chat.page.get_by_test_id("new-chat").first.click()
    chat.send(f"{number} {PAYLOADS[number]}")
    end: dict[str, Any] = chat.page.evaluate("answerEnded()")
    return end


@pytest.mark.timeout(400)
def test_payloads_cut_at_every_letter(chat: Chat, model: ScriptedModel) -> None:
    """In an answer and its reasoning; whole in the question, in past answers and in the list's titles."""
    model.otherwise = lambda question: letter_by_letter(numbered(question))
    for number, payload in enumerate(PAYLOADS):
        end = ask(chat, number)
        assert end["state"] == "complete"
        assert end["drawn"] >= len(payload), "every letter made a state that was drawn"


#: What Markdown can say that HTML can not. Nothing answers at 192.0.2.1 (RFC 5737), and nobody may try.
MARKDOWN = [
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1) 'title')",
    "[a](&#106;avascript:alert(1))",
    "[a](java&Tab;script:alert(1))",
    "[a](<java\nscript:alert(1)>)",
    "[a](\x01javascript:alert(1))",
    "[a](vbscript:alert(1)) [b](data:text/html,<script>alert(1)</script>) [c](file:///etc/passwd)",
    "[a](blob:http://192.0.2.1/1) [b](//192.0.2.1/x) [c](/api/v1/runs) [d](#composer) [e](?x)",
    "[a]: javascript:alert(1)\n\n[a] and [b][a]",
    '<javascript:alert(1)> <http://192.0.2.1/"onclick=alert(1)> <x@y.example>',
    'www.192.0.2.1 http://192.0.2.1/<img/onerror=alert(1)> https://x.example/"onmouseover=alert(1)',
    '[a](http://192.0.2.1/ "x\\" onclick=\\"alert(1)")',
    "![a](http://192.0.2.1/p.png)",
    "![a](javascript:alert(1)) ![b](data:image/svg+xml,<svg/onload=alert(1)>) ![c](/favicon.ico)",
    "[![a](http://192.0.2.1/p.png)](javascript:alert(1))",
    "[a]: http://192.0.2.1/p.png\n\n![a] ![x][a]",
    "x[^1]\n\n[^1]: <img src=http://192.0.2.1/p.png onerror=alert(1)>",
    "| <img src=x onerror=alert(1)> | b |\n| :- | -: |\n| [a](javascript:alert(1)) | ![b](http://192.0.2.1/) |",
    "- <script>alert(1)</script>\n  > <svg onload=alert(1)>\n\n1. <iframe src=http://192.0.2.1>\n\n# <b onclick=x>",
    "```<img src=x onerror=alert(1)>\n<script>alert(1)</script>\n```\n~~~ html onclick=x\n<svg onload=alert(1)>\n~~~",
    "`<img src=x onerror=alert(1)>` <!-- <img src=x> --> <![CDATA[<script>alert(1)</script>]]> <?x <script> ?>",
    "- [x] <input autofocus onfocus=alert(1)>\n- [ ] <form action=http://192.0.2.1><button>b",
    "$\\href{javascript:alert(1)}{a}$ <math href=javascript:alert(1)> \\(x\\)",
    '```mermaid\ngraph TD; A["<img src=x onerror=alert(1)>"]; click A "javascript:alert(1)"\n```',
]


def test_markdown_cut_at_every_letter(chat: Chat, model: ScriptedModel) -> None:
    model.otherwise = lambda question: letter_by_letter(MARKDOWN[int(question)])
    for number, payload in enumerate(MARKDOWN):
        chat.page.get_by_test_id("new-chat").first.click()
        chat.send(str(number))
        end = chat.page.evaluate("answerEnded()")
        assert end["state"] == "complete"
        assert end["drawn"] >= len(payload)


#: Payloads that go in together where each for itself would take long.
BATCH = 12


def batch(question: str) -> list[str]:
    first = int(question)
    return PAYLOADS[first : first + BATCH]


def tool_calls(payloads: list[str]) -> list[Step]:
    calls: list[Step] = [
        Send(
            chat_chunk(
                tool_calls=[
                    {
                        "index": index,
                        "id": f"call_{index}",
                        "type": "function",
                        "function": {"name": payload[:60], "arguments": json.dumps({payload: payload})},
                    }
                ]
            )
        )
        for index, payload in enumerate(payloads)
    ]
    return [*calls, Send(chat_chunk(finish="tool_calls")), Send(DONE)]


def failure(payloads: list[str]) -> list[Step]:
    error = {"error": {"message": " ".join(payloads)[:900], "type": "server_error", "code": payloads[0][:60]}}
    return [Send(chat_chunk("said")), Send(b"data: %b\n\n" % json.dumps(error).encode())]


def code(payloads: list[str]) -> list[Step]:
    fences = "".join(f"```{payload}\n{payload}\n```\n\n`{payload}`\n\n" for payload in payloads)
    return [Send(chat_chunk(fences)), Send(chat_chunk(finish="stop")), Send(DONE)]


def refusal(payloads: list[str]) -> list[Step]:
    said = [Send(chat_chunk(refusal=payload)) for payload in payloads]
    return [*said, Send(chat_chunk(finish="stop")), Send(DONE)]


PLACES = {
    "tool calls": (tool_calls, "complete"),
    "failure": (failure, "partial"),
    "code": (code, "complete"),
    "refusal": (refusal, "complete"),
}


@pytest.mark.parametrize("place", PLACES)
def test_payloads_in_other_places(chat: Chat, model: ScriptedModel, place: str) -> None:
    steps, state = PLACES[place]
    model.otherwise = lambda question: steps(batch(question))
    for first in range(0, len(PAYLOADS), BATCH):
        chat.page.get_by_test_id("new-chat").first.click()
        chat.send(str(first))
        assert chat.page.evaluate("answerEnded()")["state"] == state


def test_a_picture_is_fetched_after_a_click_and_not_before(
    new_context: NewContext, model: ScriptedModel, watch: Watch
) -> None:
    address = "http://192.0.2.1/p.png"
    # The network ends here: the host does not exist.
    watch.expect(address)
    fetched: list[str] = []

    def fetch(route: Route) -> None:
        fetched.append(route.request.url)
        route.fulfill(status=404)

    context = new_context()
    context.route("http://192.0.2.1/**", fetch)
    chat = Chat(context.new_page()).open(view="Markdown")
    model.otherwise = lambda question: chat_stream([f"![A river]({address})", "\n\nand ", f"![]({address}?2)"])
    chat.ask("Show it")
    chat.badge("complete")
    pictures = chat.answer.get_by_role("button", name="Load from 192.0.2.1")
    expect(pictures).to_have_count(2)
    assert fetched == []
    with chat.page.expect_response(address):
        pictures.first.click()
    expect(pictures).to_have_count(1)
    assert fetched == [address]


def test_models_names(chat: Chat, model: ScriptedModel) -> None:
    model.otherwise = lambda question: chat_stream(["Hello"])
    choices = chat.page.get_by_test_id("model").locator("option")
    expect(choices).to_have_text(["simulated", "scripted", *NAMES])
    for name in NAMES:
        chat.page.get_by_test_id("model").select_option(name)
        chat.send("Who are you?")
        assert chat.page.evaluate("answerEnded()")["state"] == "complete"


def test_models_names_and_answers_side_by_side(chat: Chat, model: ScriptedModel) -> None:
    payload = PAYLOADS[0]
    model.otherwise = lambda question: chat_stream([*payload, "\n\n", payload])
    comparing = Comparing(chat.page).open(view="Markdown")
    expect(comparing.rows).to_have_count(2 + len(NAMES))
    for name in NAMES[:6]:
        comparing.rows.filter(has_text=name).first.get_by_test_id("pick").check()
    comparing.ask(f"What is {payload}?")
    expect(comparing.answers).to_have_count(6)
    for answer in comparing.answers.all():
        expect(answer).to_have_attribute("data-state", "complete")


# (what a page that trusts its texts would make of them, what the inspector says of it).
ACTIVE = [
    ("<img alt='x'>", "active: an element in <img"),
    ("<a href='javascript:alert(1)' target='_blank' rel='noopener noreferrer'>x</a>", "active: a link in <a"),
    ("<a href='http://192.0.2.1/'>x</a>", "active: a link that knows its opener in <a"),
    ("<p onclick='alert(1)'>x</p>", "active: a handler in <p"),
    ("<form action='/x'></form>", "active: a control in <form"),
    ("<div><svg><use href='#x'></use></svg></div>", "active: an element in <use"),
    ("<p srcdoc='x'></p>", "active: an address in <p"),
    ("<p contenteditable='true'>x</p>", "active: an attribute in <p"),
    ("<p style='color: red'>x</p>", "active: a style in <p"),
]


def test_the_inspector_sees_what_is_active(chat: Chat, model: ScriptedModel, watch: Watch) -> None:
    model.otherwise = lambda question: chat_stream(["Hello"])
    chat.send("Hello")
    chat.page.evaluate("answerEnded()")
    assert watch.faults == []
    for markup, fault in ACTIVE:
        chat.page.evaluate("(markup) => { document.querySelector('.markdown').innerHTML = markup; }", markup)
        expect_fault(chat, watch, fault)
    chat.page.evaluate("document.body.append(document.createElement('base'))")
    expect_fault(chat, watch, "active: an element beside the page in <base>")
    watch.forget()


def expect_fault(chat: Chat, watch: Watch, fault: str) -> None:
    # What the page said on its console before this answer came is known when it has come.
    chat.page.evaluate("0")
    assert [each for each in watch.faults if fault in each], (fault, watch.faults)


def test_naughty_strings(chat: Chat, model: ScriptedModel, server: Server) -> None:
    """As past questions and answers, as a title and as an answer, in both views: shown as they are, and no fault."""
    strings = [text for text in naughty_strings() if text.strip()]
    assert len(strings) > 400
    model.otherwise = lambda question: chat_stream([f"{text}\n\n" for text in strings])
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(strings)]
    requests: list[dict[str, Any]] = [{"messages": [*messages, {"role": "user", "content": "All of them"}]}]
    for text in strings[::16]:
        requests.append({"messages": [{"role": "user", "content": "x"}], "metadata": {"title": text[:80]}})
    started = [server.http.post("/api/v1/runs", json={"model": "scripted", **request}) for request in requests]
    assert {answer.status_code for answer in started} == {201}
    run = started[0].json()["id"]
    server.ended(run)
    chat.visit(run).badge("complete")
    said = [element.text_content() for element in chat.page.locator(".said").all()]
    assert said == [*strings[::2], "All of them"]
    chat.show_as("Plain text")
    chat.shows(server.run(run)["snapshot"]["text"])
    chat.shows("".join(f"{text}\n\n" for text in strings))

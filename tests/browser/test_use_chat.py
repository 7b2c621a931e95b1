"""A page with the AI SDK's `useChat`: what it shows is the log's, whatever happens to the page or its server.

The scripted model waits at gates, so that each fault strikes at a known place.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import use_chat
from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.use_chat import UseChat
from tests.browser.watch import DOWN, Watch
from tests.kit.script import Pause, Send, Step, chat_chunk, chat_stream

QUESTION = "Where does the river begin?"
PARTS = [[f"{number}. ", "At ", "a ", "*spring*", " 泉 ", "👩\u200d👧\n"] for number in range(1, 4)]
TEXTS = ["".join(token for part in PARTS[:count] for token in part) for count in range(len(PARTS) + 1)]
WHOLE = TEXTS[-1]
#: The AI SDK's client tells of a server that can not be reached as a failed fetch.
GONE = DOWN + "|ERR_INCOMPLETE_CHUNKED_ENCODING|Failed to load resource"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    return use_chat.build(tmp_path_factory.mktemp("use-chat"))


@pytest.fixture
def new_page(new_context: NewContext, script: str) -> Page:
    context = new_context()
    use_chat.serve(context, script)
    return context.new_page()


@pytest.fixture
def gates(model: ScriptedModel) -> list[Gate]:
    """The gate n is behind part n, counted from 0; the last one is before the answer's end."""
    gates = [model.gate() for _ in PARTS]
    model.answers(QUESTION, told_in_parts(PARTS, gates))
    return gates


def calling(id: str, arguments: str) -> dict[str, object]:
    return {"tool_calls": [{"index": 0, "id": id, "function": {"name": "add", "arguments": arguments}}]}


def test_reasoning_a_tool_of_the_page_s_own_and_what_comes_of_it(
    new_page: Page, model: ScriptedModel, server: Server
) -> None:
    gate = model.gate()
    steps: list[Step] = [
        Send(chat_chunk(reasoning_content="They want a sum.")),
        Pause(until=gate),
        Send(chat_chunk(**calling("t1", '{"x":2,'))),  # type: ignore[arg-type]  # members of the delta
        Send(chat_chunk(**calling("t1", '"y":3}'))),  # type: ignore[arg-type]  # members of the delta
        Send(chat_chunk(finish="tool_calls")),
        *chat_stream([])[-2:],
    ]
    model.answers("What is 2 + 3?", steps)
    model.answers('{"sum":5}', chat_stream(["It is 5."]))
    chat = UseChat(new_page, "tools").open()
    chat.ask("What is 2 + 3?")
    chat.shows("They want a sum.", "reasoning")
    model.open(gate)
    chat.shows('{"input":{"x":2,"y":3},"output":{"sum":5}}', "tool-add")
    chat.shows("It is 5.")
    chat.status("ready")
    # Both runs are one answer to the reader.
    expect(chat.answers).to_have_count(1)
    assert [run["state"] for run in server.runs()] == ["completed", "completed"]


@pytest.mark.parametrize("query", [{"transport": "default", "keep": "1"}, {"keep": "1"}, {}])
def test_reloaded_while_the_model_makes_something_of_a_tool_s_outcome(
    new_page: Page, model: ScriptedModel, gates: list[Gate], server: Server, query: dict[str, str]
) -> None:
    steps: list[Step] = [
        Send(chat_chunk(**calling("t1", '{"x":2,"y":3}'))),  # type: ignore[arg-type]  # members of the delta
        Send(chat_chunk(finish="tool_calls")),
        *chat_stream([])[-2:],
    ]
    model.answers("What is 2 + 3?", steps)
    model.answers('{"sum":5}', told_in_parts(PARTS, gates))
    chat = UseChat(new_page, "tools", **query).open()
    chat.ask("What is 2 + 3?")
    for text, gate in zip(TEXTS[1:], gates, strict=True):
        chat.shows(text)
        chat.page.reload()
        chat.shows(text)
        chat.shows('{"input":{"x":2,"y":3},"output":{"sum":5}}', "tool-add")
        model.open(gate)
    chat.status("ready")
    # The page did not run its tool again, nor ask again.
    assert [run["state"] for run in server.runs()] == ["completed", "completed"]


@pytest.mark.parametrize("query", [{"transport": "default", "keep": "1"}, {"transport": "default"}, {"keep": "1"}, {}])
def test_reloaded_in_mid_answer(
    new_page: Page, model: ScriptedModel, gates: list[Gate], server: Server, query: dict[str, str]
) -> None:
    chat = UseChat(new_page, "reloaded", **query).open()
    chat.ask(QUESTION)
    for text, gate in zip(TEXTS[1:], gates, strict=True):
        chat.shows(text)
        chat.page.reload()
        chat.shows(text)
        model.open(gate)
    chat.status("ready")
    chat.shows(WHOLE)
    (run,) = server.runs()
    assert run["state"] == "completed"
    assert server.run(run["id"])["snapshot"]["text"] == WHOLE


def test_ended_while_the_page_was_away(new_page: Page, model: ScriptedModel, gates: list[Gate], server: Server) -> None:
    chat = UseChat(new_page, "away").open()
    chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    chat.page.goto("about:blank")
    for gate in gates:
        model.open(gate)
    server.ended(server.runs()[0]["id"])
    chat.open().shows(WHOLE)
    chat.status("ready")


def test_stopped_for_every_page_and_at_the_provider(
    new_page: Page, model: ScriptedModel, gates: list[Gate], server: Server
) -> None:
    chat = UseChat(new_page, "stopped").open()
    chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    tab = UseChat(chat.page.context.new_page(), "stopped").open()
    tab.shows(TEXTS[1])
    tab.stop()
    model.closed(model.request(1))
    for each in (chat, tab):
        each.status("ready")
        each.shows(TEXTS[1])
    (run,) = server.runs()
    server.ended(run["id"])
    shown = server.run(run["id"])
    assert (shown["state"], shown["snapshot"]["text"]) == ("cancelled", TEXTS[1])


def test_leaving_is_not_stopping(new_page: Page, model: ScriptedModel, gates: list[Gate], server: Server) -> None:
    chat = UseChat(new_page, "left").open()
    chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    chat.page.close()
    for gate in gates:
        model.open(gate)
    (run,) = server.runs()
    server.ended(run["id"])
    assert server.run(run["id"])["snapshot"]["text"] == WHOLE


def test_in_a_second_tab(new_page: Page, model: ScriptedModel, gates: list[Gate]) -> None:
    chat = UseChat(new_page, "tabs").open()
    chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    tab = UseChat(chat.page.context.new_page(), "tabs").open()
    for text, gate in zip(TEXTS[1:], gates, strict=True):
        for each in (chat, tab):
            each.shows(text)
        model.open(gate)
    for each in (chat, tab):
        each.status("ready")
        each.shows(WHOLE)


def test_the_server_is_killed_and_starts_again(
    new_page: Page, model: ScriptedModel, gates: list[Gate], server: Server, watch: Watch
) -> None:
    """The page goes on by itself, keeps what it had, and says what happened."""
    watch.expect(GONE)
    chat = UseChat(new_page, "killed").open()
    chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    server.kill()
    server.start()
    chat.status("error")
    chat.shows(TEXTS[1])
    (run,) = server.runs()
    error = server.run(run["id"])["snapshot"]["error"]
    assert (run["state"], error["code"]) == ("failed", "INTERRUPTED")
    chat.failed(error["message"])
    # And the next question is answered as if nothing had been.
    model.answers("And then?", chat_stream(["To the sea."]))
    chat.ask("And then?")
    expect(chat.part("text").last).to_have_text("To the sea.", timeout=PATIENCE_MS)
    chat.status("ready")


def test_what_is_refused_is_said(new_page: Page, model: ScriptedModel, server: Server, watch: Watch) -> None:
    watch.expect("Failed to load resource")
    model.answers(QUESTION, told_in_parts(PARTS[:1], [], end=False))
    chat = UseChat(new_page, "refused").open()
    chat.ask(QUESTION)
    chat.status("error")
    chat.shows(TEXTS[1])
    chat.failed(server.run(server.runs()[0]["id"])["snapshot"]["error"]["message"])

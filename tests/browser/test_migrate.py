"""The pages that the migration guide shows before and after the move from resumable-stream: what it says of them holds.

The page before stands on the guide's own routes, the page after on the product.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from headwater.client.blocking import Portal
from tests.browser import use_chat
from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.use_chat import UseChat
from tests.browser.watch import DOWN, Watch
from tests.docs.test_migrate import shown
from tests.docs.test_migrate_use_chat import TEXT, TOKENS, answering, application
from tests.kit.proxy import FaultProxy
from tests.kit.upstream import ScriptedUpstream

QUESTION = "Where does the river begin?"
PARTS = [[f"{number} ", "from ", "a ", "spring\n"] for number in range(1, 4)]
TEXTS = ["".join(token for part in PARTS[:count] for token in part) for count in range(len(PARTS) + 1)]
#: What an application has around the component of the guide.
AROUND = """
import { createRoot } from "react-dom/client";

createRoot(document.getElementById("root") as HTMLElement).render(<Chat id="moved" kept={[]} />);
"""


def built(directory: Path, page: str) -> str:
    entry = directory / "page.tsx"
    entry.write_text(page + AROUND, encoding="utf-8")
    return use_chat.build(directory / "built", entry)


@pytest.fixture(scope="module")
def script_before(tmp_path_factory: pytest.TempPathFactory) -> str:
    before, _ = shown("migrate-use-chat", "tsx")
    return built(tmp_path_factory.mktemp("before"), before)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    _, after = shown("migrate-use-chat", "tsx")
    return built(tmp_path_factory.mktemp("moved"), after.replace('"gpt-5-mini"', '"scripted"'))


@pytest.fixture
def chat(new_context: NewContext, script: str) -> UseChat:
    context = new_context()
    use_chat.serve(context, script)
    return UseChat(context.new_page(), "moved").open()


@pytest.fixture
def gates(model: ScriptedModel) -> list[Gate]:
    gates = [model.gate() for _ in PARTS]
    model.answers(QUESTION, told_in_parts(PARTS, gates))
    return gates


class Before(NamedTuple):
    chat: UseChat
    #: behind the first words
    gate: Gate
    proxy: FaultProxy


@pytest.fixture
def before(
    portal: Portal, new_context: NewContext, script_before: str, watch: Watch, tmp_path: Path
) -> Iterator[Before]:
    gate, stack = asyncio.Event(), AsyncExitStack()

    async def started() -> FaultProxy:
        upstream = await stack.enter_async_context(ScriptedUpstream(answering(gate)))
        port = await stack.enter_async_context(application(tmp_path, upstream))
        return await stack.enter_async_context(FaultProxy(port))

    try:
        proxy = portal.call(started())
        watch.allow(proxy.url)
        context = new_context(base_url=proxy.url)
        use_chat.serve(context, script_before)
        yield Before(UseChat(context.new_page(), "moved").open(), gate, proxy)
    finally:
        portal.call(stack.aclose())


def shows(page: Page, text: str) -> None:
    """Waits until the page has one answer, of one paragraph, with this text."""
    paragraphs = page.locator('article[data-role="assistant"] p')
    expect(paragraphs).to_have_count(1, timeout=PATIENCE_MS)
    expect(paragraphs).to_have_js_property("textContent", text, timeout=PATIENCE_MS)


def begins(page: Page) -> None:
    """Waits until the page has one answer, of one paragraph, that has begun."""
    paragraphs = page.locator('article[data-role="assistant"] p')
    expect(paragraphs).to_have_count(1, timeout=PATIENCE_MS)
    expect(paragraphs).to_contain_text(TOKENS[0].strip(), timeout=PATIENCE_MS)


def test_before_it_is_reloaded_and_opened_again_in_mid_answer(before: Before, model: ScriptedModel) -> None:
    chat = before.chat
    chat.ask(QUESTION)
    begins(chat.page)
    chat.page.reload()
    begins(chat.page)
    tab = UseChat(chat.page.context.new_page(), "moved").open()
    begins(tab.page)
    model.open(before.gate)
    for each in (chat, tab):
        each.status("ready")
        shows(each.page, TEXT)
    # What has ended is the business of a table that the guide leaves to the application.
    chat.page.reload()
    chat.status("ready")
    expect(chat.answers).to_have_count(0)


def test_before_a_connection_that_breaks_is_an_error_until_a_reload(
    before: Before, portal: Portal, model: ScriptedModel, watch: Watch
) -> None:
    watch.expect(DOWN + "|Failed to load resource")
    chat = before.chat
    chat.ask(QUESTION)
    begins(chat.page)

    async def drop() -> None:
        before.proxy.drop()

    portal.call(drop())
    chat.status("error")
    chat.page.reload()
    begins(chat.page)
    model.open(before.gate)
    chat.status("ready")
    shows(chat.page, TEXT)


def test_reloaded_and_opened_again_in_mid_answer(
    chat: UseChat, model: ScriptedModel, gates: list[Gate], server: Server
) -> None:
    chat.ask(QUESTION)
    shows(chat.page, TEXTS[1])
    chat.page.reload()
    shows(chat.page, TEXTS[1])
    tab = UseChat(chat.page.context.new_page(), "moved").open()
    for text, gate in zip(TEXTS[1:], gates, strict=True):
        for each in (chat, tab):
            shows(each.page, text)
        model.open(gate)
    for each in (chat, tab):
        each.status("ready")
        shows(each.page, TEXTS[-1])
    assert [run["state"] for run in server.runs()] == ["completed"]


def test_stopped_at_the_model(chat: UseChat, model: ScriptedModel, gates: list[Gate], server: Server) -> None:
    chat.ask(QUESTION)
    shows(chat.page, TEXTS[1])
    chat.stop()
    model.closed(model.request(1))
    chat.status("ready")
    shows(chat.page, TEXTS[1])
    (run,) = server.runs()
    server.ended(run["id"])
    assert server.run(run["id"])["state"] == "cancelled"

"""The page that the migration guide shows after the move from resumable-stream: what it says it gains is there."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import use_chat
from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.use_chat import UseChat
from tests.docs.test_migrate import shown

QUESTION = "Where does the river begin?"
PARTS = [[f"{number} ", "from ", "a ", "spring\n"] for number in range(1, 4)]
TEXTS = ["".join(token for part in PARTS[:count] for token in part) for count in range(len(PARTS) + 1)]
#: What an application has around the component of the guide.
AROUND = """
import { createRoot } from "react-dom/client";

createRoot(document.getElementById("root") as HTMLElement).render(<Chat id="moved" kept={[]} />);
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    _, after = shown("migrate-use-chat", "tsx")
    directory = tmp_path_factory.mktemp("moved")
    entry = directory / "page.tsx"
    entry.write_text(after.replace('"gpt-5-mini"', '"scripted"') + AROUND, encoding="utf-8")
    return use_chat.build(directory / "built", entry)


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


def shows(page: Page, text: str) -> None:
    """Waits until the page has one answer, of one paragraph, with this text."""
    paragraphs = page.locator('article[data-role="assistant"] p')
    expect(paragraphs).to_have_count(1, timeout=PATIENCE_MS)
    expect(paragraphs).to_have_js_property("textContent", text, timeout=PATIENCE_MS)


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

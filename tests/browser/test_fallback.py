"""A model that fails, and another one that answers in its place: the chat says whose answer it shows."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.conftest import NewContext
from tests.browser.model import ScriptedModel
from tests.browser.server import Server
from tests.kit.script import chat_stream, error_answer

QUESTION = "Where does the river begin?"


@pytest.fixture
def server_config(model: ScriptedModel) -> dict[str, Any]:
    return {"models": model.named_rows("amber", "basalt")}


def test_an_answer_of_the_model_fallen_back_on_is_told_as_that_ones(
    new_context: NewContext, model: ScriptedModel, server: Server
) -> None:
    model.answers(QUESTION, error_answer(503, "overloaded"), name="amber")
    model.answers(QUESTION, chat_stream(["In the hills."]), name="basalt")
    chat = Chat(new_context().new_page())
    chat.visit(server.ask(QUESTION, model="amber", fallback=["basalt"]))
    chat.badge("complete")
    for _ in ("live", "reloaded"):
        chat.says("In the hills")
        expect(chat.page.get_by_test_id("answered-by")).to_have_text("by basalt")
        chat.page.reload()
    chat.visit(server.ask(QUESTION, model="basalt", fallback=["amber"]))
    chat.says("In the hills")
    chat.badge("complete")
    expect(chat.page.get_by_test_id("answered-by")).to_have_count(0)

"""Answers that Markdown's parser can not take: they are shown as they are, and the page stays."""

from __future__ import annotations

import pytest

from tests.browser.chat import Chat
from tests.browser.conftest import NewContext
from tests.browser.model import ScriptedModel
from tests.kit.script import DONE, Send, chat_chunk

QUESTION = "How deep?"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("> " * 3000 + "deep", id="quotes"),
        pytest.param("1. " * 1700 + "deep", id="lists"),
        pytest.param("**a" * 7000, id="emphasis that never closes"),
        pytest.param("\n".join("*a _b " * 250 for _ in range(10)) + "x" + "_*" * 2500, id="emphasis in emphasis"),
    ],
)
def test_what_breaks_the_parser_does_not_break_the_page(
    text: str, model: ScriptedModel, new_context: NewContext
) -> None:
    whole = f"Before.\n\n{text}\n\nAfter."
    model.answers(QUESTION, [Send(chat_chunk(whole)), Send(chat_chunk(finish="stop")), Send(DONE)])
    chat = Chat(new_context().new_page()).open(view="Markdown")
    run = chat.ask(QUESTION)
    for _ in range(2):  # as it arrives, and when it is read again
        chat.badge("complete")
        chat.says("Before.")
        chat.says("After.")
        chat.visit(run)

"""The chat page as a person uses it."""

from __future__ import annotations

import re
from typing import Final

from playwright.sync_api import Locator, Page, expect

#: How long an answer may take on a loaded machine; Playwright's own 5 s are for pages that only draw.
PATIENCE_MS: Final = 30_000


class Chat:
    """One page with a conversation in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.answer: Final = page.get_by_test_id("answer")
        self.text: Final = page.get_by_test_id("answer-text")

    def open(self, *, view: str = "Plain text", model: str = "scripted") -> Chat:
        """A new chat with a model, whose answers are shown as they are, or as "Markdown"."""
        self.page.goto("/")
        self.show_as(view)
        self.page.get_by_test_id("model").select_option(model)
        return self

    def visit(self, run: str) -> Chat:
        """The conversation that ends with a run."""
        self.page.goto(f"/c/{run}")
        return self

    def show_as(self, view: str) -> None:
        self.page.get_by_test_id("view").get_by_text(view).click()

    def ask(self, question: str) -> str:
        """Asks, and returns the id of the run that comes of it."""
        before = self.page.url
        self.send(question)
        return self.moved(before)

    def send(self, question: str) -> None:
        self.page.get_by_test_id("composer").fill(question)
        self.page.get_by_test_id("composer").press("Enter")

    def retry(self) -> str:
        """Presses the button, and returns the id of the new run."""
        before = self.page.url
        self.page.get_by_test_id("retry").click()
        return self.moved(before)

    def moved(self, before: str) -> str:
        """The id of the run that the page goes to from an address."""
        self.page.wait_for_url(lambda url: url != before and "/c/" in url, timeout=PATIENCE_MS)
        return self.page.url.rpartition("/")[2]

    def shows(self, text: str) -> None:
        """Waits until the answer is exactly this."""
        expect(self.text).to_have_js_property("textContent", text, timeout=PATIENCE_MS)

    def badge(self, state: str) -> Locator:
        """Waits for a state of the answer, and returns the badge that tells of it."""
        expect(self.answer).to_have_attribute("data-state", state, timeout=PATIENCE_MS)
        return self.page.get_by_test_id("status")

    def passes(self, state: str) -> None:
        """Waits until the answer is in another state."""
        expect(self.answer).not_to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    def says(self, words: str) -> None:
        """Waits until these words are somewhere in the answer."""
        expect(self.answer).to_contain_text(re.compile(words), timeout=PATIENCE_MS)

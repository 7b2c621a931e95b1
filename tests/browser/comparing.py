"""The page of models as a person uses it: some are picked, and asked one thing."""

from __future__ import annotations

import re
from typing import Any, Final

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.chat import PATIENCE_MS

#: Runs before the page's own code: each answer only grows, and its cursor with it, in every state that is drawn.
NOTE_GROWTH: Final = """
(() => {
  const before = new Map();
  const look = () => {
    for (const answer of document.querySelectorAll("[data-testid=compared]")) {
      const { run, cursor, state } = answer.dataset;
      const text = answer.querySelector("[data-testid=compared-text]").textContent;
      const last = before.get(run) ?? { text: "", cursor: 0 };
      if (!text.startsWith(last.text)) console.error(`${run} takes back: ${last.text.slice(-80)} | ${text.slice(-80)}`);
      if (Number(cursor) < last.cursor) console.error(`${run} goes back from ${last.cursor} to ${cursor}`);
      before.set(run, { text, cursor: Number(cursor) });
    }
  };
  new MutationObserver(look).observe(document, {
    subtree: true, childList: true, characterData: true, attributes: true,
  });
})();
"""


class Comparing:
    """One page with models on it, or with their answers."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.answers: Final = page.get_by_test_id("compared")
        self.rows: Final = page.get_by_test_id("model-row")

    def open(self, *, view: str = "Plain text") -> Comparing:
        self.page.goto("/models")
        expect(self.rows.first).to_be_visible(timeout=PATIENCE_MS)
        self.page.get_by_test_id("view").get_by_text(view).click()
        return self

    def row(self, model: str) -> Locator:
        return self.page.locator(f"[data-testid=model-row][data-model={model!r}]")

    def pick(self, *models: str) -> Comparing:
        for model in models:
            self.row(model).get_by_test_id("pick").check()
        return self

    def ask(self, question: str) -> list[str]:
        """Asks those that are picked, and returns the runs that come of it, in the order of the models."""
        before = self.page.url
        self.page.get_by_test_id("composer").fill(question)
        self.page.get_by_test_id("composer").press("Enter")
        return self.moved(before)

    def moved(self, before: str) -> list[str]:
        """The runs of the address that the page goes to from another."""
        self.page.wait_for_url(lambda url: url != before and "runs=" in url, timeout=PATIENCE_MS)
        return self.runs()

    def runs(self) -> list[str]:
        return re.findall(r"run_[0-9a-f]{32}", self.page.url)

    def answer(self, model: str) -> Locator:
        """The answer of a model, or of one with its label: `simulated, at once`."""
        return self.page.get_by_role("article", name=model, exact=True)

    def shows(self, model: str, text: str) -> None:
        """Waits until the answer is exactly this."""
        said = self.answer(model).get_by_test_id("compared-text")
        expect(said).to_have_js_property("textContent", text, timeout=PATIENCE_MS)

    def badge(self, model: str, state: str) -> None:
        expect(self.answer(model)).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    def score(self, model: str, name: str) -> Locator:
        return self.answer(model).get_by_test_id(name)


def note_growth(context: BrowserContext) -> None:
    """Lets every page of the context tell on its console of an answer that goes back."""
    context.add_init_script(NOTE_GROWTH)


class EventRequests:
    """What pages ask for events, as addresses."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        page.on("request", self._on_request)

    def _on_request(self, request: Any) -> None:
        path = request.url.partition("/api/v1")[2]
        if path.partition("?")[0].endswith("/events"):
            self.asked.append(path)

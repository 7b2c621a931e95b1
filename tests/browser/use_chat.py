"""An application's page with `useChat`, from tests/oracles/ai_sdk_page or another, at the product's own address."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.chat import PATIENCE_MS
from tests.web.node import WEB, installed, run_node
from tests.wire.oracles import ORACLES, installed_packages

ADDRESS: Final = "/application"
_PAGE: Final = (
    '<!doctype html><title>Chat</title><div id="root"></div><script type="module" src="/application.js"></script>'
)


def build(out: Path, entry: Path = ORACLES / "ai_sdk_page" / "page.tsx") -> str:
    """The script of the page that `entry` is."""
    installed()
    done = run_node(ORACLES / "ai_sdk_page" / "build.mjs", WEB, installed_packages(), out, entry)
    assert done.returncode == 0, done.stderr
    return (out / "page.js").read_text(encoding="utf-8")


def serve(context: BrowserContext, script: str) -> None:
    """Gives every page of the context the application, as a server at the same address would."""
    context.route(f"**{ADDRESS}?*", lambda route: route.fulfill(body=_PAGE, content_type="text/html; charset=utf-8"))
    context.route(
        f"**{ADDRESS}.js", lambda route: route.fulfill(body=script, content_type="text/javascript; charset=utf-8")
    )
    context.route("**/favicon.ico", lambda route: route.fulfill(body=""))


class UseChat:
    """One page with one chat."""

    def __init__(self, page: Page, chat: str, **query: str) -> None:
        self.page = page
        self.chat = chat
        pairs = {"chat": chat, **query}
        self._address = ADDRESS + "?" + "&".join(f"{name}={value}" for name, value in pairs.items())

    def open(self) -> UseChat:
        self.page.goto(self._address)
        return self

    def ask(self, question: str) -> None:
        self.page.get_by_label("Question").fill(question)
        self.page.get_by_label("Question").press("Enter")

    def stop(self) -> None:
        self.page.get_by_role("button", name="Stop").click()

    @property
    def answers(self) -> Locator:
        return self.page.locator('article[data-role="assistant"]')

    def part(self, kind: str) -> Locator:
        return self.answers.locator(f'[data-part="{kind}"]')

    def shows(self, text: str, kind: str = "text") -> None:
        """Waits until there is one part of this kind, with this text; two of them would be the same text twice."""
        expect(self.part(kind)).to_have_count(1, timeout=PATIENCE_MS)
        expect(self.part(kind)).to_have_js_property("textContent", text, timeout=PATIENCE_MS)

    def status(self, status: str) -> None:
        expect(self.page.locator("output")).to_have_text(status, timeout=PATIENCE_MS)

    def failed(self, words: str) -> None:
        """Waits for the client's error."""
        expect(self.page.get_by_role("alert")).to_contain_text(words, timeout=PATIENCE_MS)

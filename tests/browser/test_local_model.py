"""The page with a real model behind it: an answer that outlives a reload, and one whose server is killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from headwater.client.blocking import Portal
from tests.browser.conftest import Screenshot
from tests.browser.server import Server
from tests.browser.watch import DOWN, Watch

#: A model on one core of a loaded machine, with its loading before: Playwright's own 5 s are too few.
PATIENCE_MS = 90_000

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def server(portal: Portal, data_dir: Path) -> Iterator[Server]:
    running = Server(portal, data_dir)
    running.product.environ["HEADWATER_LOCAL"] = "true"
    with running:
        yield running


def ask(page: Page, question: str) -> None:
    """Asks the real model, and returns when its first words are shown."""
    page.goto("/")
    page.get_by_test_id("model").select_option("smollm2")
    page.get_by_test_id("composer").fill(question)
    page.get_by_test_id("send").click()
    expect(page.get_by_test_id("answer-text")).to_have_text(re.compile(r"\w+ \w+"), timeout=PATIENCE_MS)


def test_an_answer_outlives_a_reload(page: Page, server: Server, screenshot: Screenshot) -> None:
    ask(page, "Tell me a long story about a river.")
    before = page.get_by_test_id("answer").get_attribute("data-run")
    page.reload()
    answer = page.get_by_test_id("answer")
    expect(answer).to_have_attribute("data-state", "complete", timeout=PATIENCE_MS)
    assert answer.get_attribute("data-run") == before
    page.get_by_text("Plain text").click()
    assert before is not None
    shown = server.run(before)
    assert page.get_by_test_id("answer-text").text_content() == shown["snapshot"]["text"]
    assert shown["snapshot"]["usage"]["source"] == "provider"
    screenshot(page, "complete")


def test_a_killed_server_leaves_what_was_said(page: Page, server: Server, watch: Watch) -> None:
    watch.expect(DOWN)
    ask(page, "Tell me a long story about a river.")
    server.kill()
    server.start()
    answer = page.get_by_test_id("answer")
    expect(answer).to_have_attribute("data-state", "partial", timeout=PATIENCE_MS)
    page.get_by_text("Plain text").click()
    (run,) = server.runs()
    shown = server.run(run["id"])
    assert shown["snapshot"]["error"]["code"] == "INTERRUPTED"
    assert page.get_by_test_id("answer-text").text_content() == shown["snapshot"]["text"] != ""
    page.get_by_test_id("retry").click()
    expect(page.get_by_test_id("answer").last).to_have_attribute("data-state", "streaming", timeout=PATIENCE_MS)

"""A page on a server that asks for keys: it asks the person, and from then on everything works as ever."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.server import Server
from tests.browser.test_accessibility import violations
from tests.browser.watch import DOWN, Watch


@pytest.fixture
def server_config() -> dict[str, Any]:
    return {"server": {"keys": "required"}}


def keys(server: Server, *arguments: str) -> str:
    command = [sys.executable, "-m", "headwater", "keys", *arguments, "--data", str(server.product.data)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def ask(page: Page, question: str) -> None:
    page.get_by_role("textbox").first.fill(question)
    page.get_by_role("textbox").first.press("Enter")


def test_a_page_signs_in_works_and_signs_out(server: Server, new_context: NewContext, watch: Watch) -> None:
    watch.expect("status of 401")
    key = keys(server, "create", "a browser")
    context = new_context()
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_role("heading", name="This server asks for a key")).to_be_visible()
    assert violations(page) == []
    page.get_by_test_id("key").fill("hw_wrong")
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_test_id("sign-in-refusal")).to_have_text("The server does not take this key.")
    page.get_by_test_id("key").fill(key)
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_test_id("sign-out")).to_be_visible()
    (cookie,) = context.cookies()
    assert (cookie["value"], cookie["httpOnly"], cookie["sameSite"]) == (key, True, "Strict")
    assert key not in str(page.evaluate("[document.cookie, location.href, {...localStorage}, {...sessionStorage}]"))
    ask(page, "Hello")
    expect(page.get_by_text("This is a simulated answer").first).to_be_visible()
    told = page.evaluate(EVENTS, page.url.rpartition("/")[2])
    assert told == ["open", "record"]
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("key")).to_be_visible()
    assert context.cookies() == []


def test_a_page_whose_key_is_revoked_asks_for_another(server: Server, new_context: NewContext, watch: Watch) -> None:
    watch.expect("status of 401")
    key = keys(server, "create", "a browser")
    context = new_context()
    page = context.new_page()
    page.goto("/")
    page.get_by_test_id("key").fill(key)
    page.get_by_test_id("key").press("Enter")
    expect(page.get_by_test_id("sign-out")).to_be_visible()
    slow = {"simulated": {"says": "Once upon a time", "delay_ms": 60000}}
    asked = {"model": "simulated", "messages": [{"role": "user", "content": "Hi"}], "settings": {"extra": slow}}
    run = server.http.post("/api/v1/runs", json=asked, headers={"x-api-key": key}).json()["id"]
    page.goto(f"/c/{run}")
    expect(page.get_by_role("article", name="Answer")).to_contain_text("Streaming")
    watch.expect(DOWN)
    keys(server, "revoke", key.split("_")[1])
    expect(page.get_by_test_id("key")).to_be_visible()


#: The page's own EventSource and WebSocket, which can send no header.
EVENTS = """async (run) => {
    const events = new EventSource(`/api/v1/runs/${run}/events`);
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/api/v1/ws`);
    const said = [];
    await new Promise((resolve) => { socket.onopen = resolve; });
    said.push("open");
    await new Promise((resolve) => { events.onmessage = resolve; });
    said.push("record");
    events.close();
    socket.close();
    return said;
}"""

"""Chromium's own WebSocket: our pages may open one, under their content security policy, and no other page may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NewContext
from tests.browser.model import ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.until import until
from tests.browser.watch import DOWN, Watch
from tests.web.node import installed, run_node

#: Reads a run to its end; what came, and the code that the socket was closed with.
_FOLLOW = """
([address, run]) => new Promise((resolve) => {
  const messages = [];
  const socket = new WebSocket(address);
  socket.onopen = () => socket.send(JSON.stringify({ id: 1, op: "subscribe", run }));
  socket.onmessage = ({ data }) => {
    messages.push(JSON.parse(data));
    if (messages.at(-1).end) socket.close(1000);
  };
  socket.onclose = ({ code, wasClean }) => resolve({ messages, code, wasClean });
})
"""


def follow(page: Page, server: Server, run: str) -> dict[str, Any]:
    address = server.url.replace("http", "ws", 1) + "/api/v1/ws"
    seen: dict[str, Any] = page.evaluate(_FOLLOW, [address, run])
    return seen


def test_our_own_page_may(new_context: NewContext, model: ScriptedModel, server: Server) -> None:
    model.answers("Hello", told_in_parts([["One — ", "泉 ", "👩\u200d👧"]], []))
    run = server.ask("Hello")
    page = new_context().new_page()
    page.goto("/")
    seen = follow(page, server, run)
    log = server.http.get(f"/api/v1/runs/{run}/events", headers={"accept": "application/x-ndjson"}).text.splitlines()
    assert "泉" in "".join(log)
    assert seen["messages"][0] == {"id": 1, "ok": {"run": run, "after": 0}}
    assert [each["record"] for each in seen["messages"] if "record" in each] == [json.loads(line) for line in log]
    assert seen["messages"][-1] == {"run": run, "end": {"reason": "closed", "tail": len(log)}}
    assert (seen["code"], seen["wasClean"]) == (1000, True)


@pytest.mark.parametrize("place", ["http://evil.example/", "http://localhost:1/"])
def test_no_other_page_may(
    new_context: NewContext, model: ScriptedModel, server: Server, watch: Watch, place: str
) -> None:
    """Another port of this very machine is another origin too."""
    watch.allow(place)
    watch.expect(r"WebSocket connection to .* failed")
    model.answers("Hello", told_in_parts([["secret"]], []))
    run = server.ask("Hello")
    context = new_context()
    html = '<!doctype html><link rel="icon" href="data:,"><title>elsewhere</title>'
    context.route(f"{place}**", lambda route: route.fulfill(body=html, content_type="text/html"))
    page = context.new_page()
    page.goto(place)
    assert follow(page, server, run) == {"messages": [], "code": 1006, "wasClean": False}


def test_our_client_reads_runs_over_one(
    new_context: NewContext, model: ScriptedModel, server: Server, watch: Watch, tmp_path: Path
) -> None:
    """Over a server that is killed in mid-answer, each record of both logs once and in order, on one socket."""
    built = tmp_path / "page.js"
    rolldown = installed() / "rolldown" / "bin" / "cli.mjs"
    done = run_node(rolldown, "test/pages/websocket-page.ts", "--file", built, "--format", "iife")
    assert done.returncode == 0, done.stdout + done.stderr
    watch.expect(rf"{DOWN}|WebSocket connection to .* failed")
    gate = model.gate()
    for question in ("First", "Second"):
        model.answers(question, told_in_parts([["One — ", "泉 "], ["two."]], [gate]))
    runs = [server.ask(question) for question in ("First", "Second")]
    page = new_context().new_page()
    page.goto("/")
    page.evaluate(built.read_text(encoding="utf-8"))
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.evaluate(
        "runs => { globalThis.records = runs.map(() => []); globalThis.reading = followOverSocket(runs, records); }",
        runs,
    )
    until(page, "records.every(each => each.some(({ type }) => type === 'chunk'))")
    assert len(sockets) == 1
    server.kill()
    server.start()
    page.evaluate("() => globalThis.reading")
    accept = {"accept": "application/x-ndjson"}
    for run, seen in zip(runs, page.evaluate("records"), strict=True):
        log = server.http.get(f"/api/v1/runs/{run}/events", headers=accept).text.splitlines()
        assert seen == [json.loads(line) for line in log]
    assert len(sockets) > 1

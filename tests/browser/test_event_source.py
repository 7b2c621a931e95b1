"""Chromium's own EventSource: it makes the same of every stream as our decoders, and our client reads with it too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import NewContext
from tests.browser.model import ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.watch import DOWN, Watch
from tests.web.node import installed, run_node
from tests.wire.feeding import read
from tests.wire.test_sse_oracles import KINDS, of_kind

#: A stream costs the browser some milliseconds; the soups are all of one kind.
BODIES_MAX = 300


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("event-source") / "page.js"
    rolldown = installed() / "rolldown" / "bin" / "cli.mjs"
    done = run_node(rolldown, "test/pages/event-source-page.ts", "--file", built, "--format", "iife")
    assert done.returncode == 0, done.stdout + done.stderr
    return built


@pytest.fixture
def page(new_context: NewContext, bundle: Path) -> Page:
    context = new_context()
    html = '<!doctype html><link rel="icon" href="data:,"><title>EventSource</title>'
    context.route(re.compile(r"/blank$"), lambda route: route.fulfill(body=html, content_type="text/html"))
    page = context.new_page()
    page.goto("/blank")
    page.add_script_tag(path=bundle)
    return page


@pytest.mark.parametrize("kind", KINDS)
def test_it_makes_the_same_of_every_stream(kind: str, page: Page) -> None:
    bodies = dict(list(of_kind(kind).items())[:BODIES_MAX])
    numbered = dict(enumerate(body for body, _ in bodies.values()))

    def answer(route: Route) -> None:
        body = numbered[int(route.request.url.rpartition("/")[2])]
        route.fulfill(body=body, content_type="text/event-stream")

    page.route("**/stream/*", answer)
    for number, (name, body) in enumerate(zip(bodies, numbered.values(), strict=True)):
        expected = [[frame.data.decode(), frame.event or "message", frame.id or ""] for frame in read([body]).frames]
        names = sorted({event for _, event, _ in expected})
        seen = page.evaluate("([address, names]) => eventsOf(address, names)", [f"/stream/{number}", names])
        assert seen == expected, name


def test_our_client_reads_with_it(page: Page, model: ScriptedModel, server: Server, watch: Watch) -> None:
    """Over a server that is killed in mid-answer, each record of the log once and in order."""
    watch.expect(DOWN)
    gate = model.gate()
    model.answers("Hello", told_in_parts([["One — ", "泉 ", "👩\u200d👧\n\n"], ["two."]], [gate]))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.resource_type) if "/events" in request.url else None)
    run = server.ask("Hello")
    page.evaluate("run => { globalThis.records = []; globalThis.reading = recordsOf(run, records); }", run)
    page.wait_for_function("records.some(record => record.type === 'chunk')")
    server.kill()
    server.start()
    seen: list[dict[str, Any]] = page.evaluate("() => globalThis.reading")
    accept = {"accept": "application/x-ndjson"}
    log = server.http.get(f"/api/v1/runs/{run}/events", headers=accept).text.splitlines()
    assert seen == [json.loads(line) for line in log]
    assert "eventsource" in asked


def test_an_analysis_goes_on_by_the_browsers_own_reconnect(page: Page, server: Server, watch: Watch) -> None:
    """A page's EventSource and no code of ours: the server is killed under it, and 204 is what makes it stop."""
    watch.expect(DOWN)
    page.evaluate(ANALYSE, "/api/stream/analyze/017c7c7b/simulated")
    page.wait_for_function("told.some(([, record]) => record.type === 'field')")
    server.kill()
    server.start()
    page.wait_for_function("source.readyState === EventSource.CLOSED", timeout=60_000)
    told: list[Any] = page.evaluate("() => told")
    (listed,) = server.http.get("/api/arc/analyses").json()["analyses"]
    run, accept = listed["run"], {"accept": "application/x-ndjson"}
    log = server.http.get(f"/api/v1/runs/{run}/events", headers=accept).text.splitlines()
    assert told == [[f"{run}:{seq}", json.loads(line)] for seq, line in enumerate(log, 1)]
    assert (listed["state"], listed["error"]["code"]) == ("failed", "INTERRUPTED")


#: Notes what comes, with its id, and leaves everything else to the browser.
ANALYSE = """address => {
    globalThis.told = [];
    globalThis.source = new EventSource(address);
    source.onmessage = ({ data, lastEventId }) => told.push([lastEventId, JSON.parse(data)]);
}"""

"""The hooks and components of `@headwater/client/react` with real React in Chromium, against the real server.

The page is `web/client/test/pages/react-page.ts`, bundled as a user's bundler would and served at the server's own
address.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.watch import DOWN, Watch
from tests.web.node import installed, run_node

HTML: Final = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>React</title>
<div id="root"></div><script src="/react-page.js"></script>"""
SCRIPT: Final = "text/javascript"
QUESTION = "Where does the river begin?"
#: Records between two savings of the cursor (web/client/src/stream-store.ts).
KEPT_EVERY: Final = 50
PARTS = [["At a ", "*spring* — ", "泉 👩\u200d👩\u200d👧.\n"], ["<b>Then</b> ", "it runs on."]]
TEXTS = ["".join(token for part in PARTS[:count] for token in part) for count in range(len(PARTS) + 1)]
#: Of every text that an element shows from now on.
NOTE_LENGTHS: Final = """(shown) => {
    window.lengths = [];
    const note = () => window.lengths.push(shown.textContent.length);
    new MutationObserver(note).observe(shown, { childList: true, characterData: true, subtree: true });
}"""
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("react") / "page.js"
    rolldown = installed() / "rolldown" / "bin" / "cli.mjs"
    options = ["--format", "iife", "--platform", "browser", "--transform.define", 'process.env.NODE_ENV:"production"']
    done = run_node(rolldown, "test/pages/react-page.ts", "--file", built, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return built.read_text(encoding="utf-8")


@pytest.fixture
def context(new_context: NewContext, bundle: str) -> BrowserContext:
    context = new_context()
    context.route(re.compile(r"/react-page\.js$"), lambda route: route.fulfill(body=bundle, content_type=SCRIPT))
    context.route(re.compile(r"/react(\?|$)"), lambda route: route.fulfill(body=HTML, content_type="text/html"))
    return context


@pytest.fixture
def show(context: BrowserContext) -> Open:
    def opened(what: str, **asked: str) -> Page:
        page = context.new_page()
        page.goto(f"/react?{urlencode({'show': what, **asked})}")
        return page

    return opened


@pytest.fixture
def gates(model: ScriptedModel) -> list[Gate]:
    gates = [model.gate() for _ in PARTS]
    model.answers(QUESTION, told_in_parts(PARTS, gates))
    return gates


def shows(page: Page, text: str, states: str | re.Pattern[str]) -> None:
    shown = page.locator("pre")
    expect(shown).to_have_js_property("textContent", text, timeout=PATIENCE_MS)
    expect(shown).to_have_attribute("data-states", states, timeout=PATIENCE_MS)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def test_a_stream_from_its_start_to_its_end(show: Open, model: ScriptedModel, gates: list[Gate]) -> None:
    page = show("stream", ask=QUESTION)
    shows(page, "", "idle")
    press(page, "Start")
    for text, gate in zip(TEXTS[1:], gates, strict=True):
        shows(page, text, "idle connecting streaming")
        model.open(gate)
    shows(page, TEXTS[-1], "idle connecting streaming complete")
    # What a model says is text, whatever it looks like.
    assert page.locator("b").count() == 0
    expect(page.get_by_role("status")).to_have_text("Complete")
    press(page, "Reset")
    shows(page, "", "idle connecting streaming complete idle")


def test_a_server_that_is_killed(
    show: Open, model: ScriptedModel, gates: list[Gate], server: Server, watch: Watch
) -> None:
    watch.expect(DOWN)
    page = show("stream", ask=QUESTION)
    press(page, "Start")
    shows(page, TEXTS[1], "idle connecting streaming")
    server.kill()
    shows(page, TEXTS[1], "idle connecting streaming reconnecting")
    server.start()
    # The connection and the end that it brings may be drawn as one.
    shows(page, TEXTS[1], re.compile(r"idle connecting streaming reconnecting( streaming)? partial"))
    expect(page.get_by_role("status")).to_contain_text("Stopped before its end: ")


def test_a_stop_reaches_the_run(show: Open, gates: list[Gate], server: Server) -> None:
    page = show("stream", ask=QUESTION)
    press(page, "Start")
    shows(page, TEXTS[1], "idle connecting streaming")
    press(page, "Stop")
    shows(page, TEXTS[1], "idle connecting streaming partial")
    assert server.run(page.locator("main").get_attribute("data-run") or "")["state"] == "cancelled"


def test_a_run_is_followed_after_a_reload(show: Open, model: ScriptedModel, gates: list[Gate], server: Server) -> None:
    page = show("stream", run=server.ask(QUESTION), typewriter="yes")
    press(page, "Follow")
    shows(page, TEXTS[1], "idle connecting streaming")
    page.reload()
    press(page, "Follow")
    # Else all of it might be there before any of it was drawn.
    shows(page, TEXTS[1], "idle connecting streaming")
    for gate in gates:
        model.open(gate)
    shows(page, TEXTS[-1], "idle connecting streaming complete")
    # The typewriter comes to the end of the text as well.
    expect(page.locator("[data-state] > div")).to_have_js_property("textContent", TEXTS[-1])


def test_the_cursor_is_kept_over_a_reload(
    show: Open, context: BrowserContext, model: ScriptedModel, server: Server
) -> None:
    asked: list[int] = []

    def note(request: Request) -> None:
        if (found := re.search(r"/events\?after=(\d+)$", request.url)) is not None:
            asked.append(int(found[1]))

    context.on("request", note)
    gate = model.gate()
    parts = [[f"{number} " for number in range(120)], ["and so on."]]
    model.answers(QUESTION, told_in_parts(parts, [gate]))
    run = server.ask(QUESTION)
    page = show("stream", run=run)
    press(page, "Follow")
    shows(page, "".join(parts[0]), "idle connecting streaming")
    assert asked == [0]
    # How many records there are is not for us to say: tokens that come together are one.
    tail = server.run(run)["tail"]
    page.reload()
    press(page, "Follow")
    shows(page, "".join(parts[0]), "idle connecting streaming")
    # What was read since the cursor was last kept is read again, and not the rest.
    assert asked[1:] == [tail - tail % KEPT_EVERY]
    assert asked[-1] > 0
    model.open(gate)
    shows(page, "".join(token for part in parts for token in part), "idle connecting streaming complete")
    # What has ended is read from its beginning again.
    page.reload()
    press(page, "Follow")
    shows(page, "".join(token for part in parts for token in part), re.compile("complete$"))
    assert asked[2:] == [0]


def test_a_typewriter_writes_the_next_answer_too(show: Open, model: ScriptedModel) -> None:
    text = "It runs on. " * 20
    model.answers(QUESTION, told_in_parts([[text]], []))
    page = show("stream", ask=QUESTION, typewriter="yes")
    written = page.locator("[data-state] > div")
    written.evaluate(NOTE_LENGTHS)
    for count in (1, 2):
        press(page, "Start")
        shows(page, text, re.compile(f"^idle( connecting( streaming)? complete){{{count}}}$"))
        expect(written).to_have_js_property("textContent", text, timeout=PATIENCE_MS)
        lengths = page.evaluate("window.lengths.splice(0)")
        assert any(0 < length < len(text) for length in lengths), lengths


@pytest.mark.parametrize("streaming", ["yes", "no"])
def test_a_conversation(show: Open, context: BrowserContext, model: ScriptedModel, streaming: str) -> None:
    forms: list[str] = []
    context.on("request", lambda asked: forms.append(asked.headers["accept"]) if "/runs" in asked.url else None)
    answers = {"First?": "One.", "Second?": "Two."}
    page = show("conversation", streaming=streaming)
    said: list[str] = []
    for question, answer in answers.items():
        model.answers(question, told_in_parts([[answer]], []))
        page.get_by_label("Your message").fill(question)
        press(page, "Send")
        expect(page.get_by_role("status")).to_have_text("Complete", timeout=PATIENCE_MS)
        said += [question, f"{answer}Complete"]
        expect(page.get_by_role("listitem")).to_have_text(said)
        said[-1] = answer
    assert set(forms) == {"text/event-stream" if streaming == "yes" else "application/json"}


def test_an_analysis(show: Open, server: Server) -> None:
    """Of a puzzle to which the simulated model has a right answer."""
    page = show("analysis", task="017c7c7b")
    press(page, "Start")
    expect(page.locator("main")).to_have_attribute("data-summary", "stop", timeout=PATIENCE_MS)
    (listed,) = server.http.get("/api/arc/analyses").json()["analyses"]
    stored = server.http.get(f"/api/arc/analyses/{listed['run']}").json()
    assert (stored["settings"], stored["result"]["correct"]) == ({"temperature": 0.5}, True)
    shows(page, f"{stored['reasoning']}|{stored['answer']}", "idle connecting streaming complete")
    press(page, "Close")
    shows(page, "|", re.compile("complete idle$"))


def test_an_analysis_that_is_refused(show: Open, watch: Watch) -> None:
    watch.expect("404")
    page = show("analysis", task="00000000")
    press(page, "Start")
    expect(page.locator("main")).to_have_attribute("data-error", "NOT_FOUND", timeout=PATIENCE_MS)


def whole_to_its_middle(route: Route) -> None:
    answer = route.fetch()
    body = answer.body()
    route.fulfill(response=answer, body=body[: len(body) // 2])


class NoStreams:
    """Breaks every event stream, and counts what is asked for in another way."""

    def __init__(self) -> None:
        self.pages = 0

    def __call__(self, route: Route) -> None:
        if route.request.headers["accept"] == "text/event-stream":
            route.abort()
        else:
            self.pages += 1
            route.continue_()


@pytest.mark.parametrize(("what", "mine"), [("stream", {}), ("analysis", {}), ("analysis", {"mine": "yes"})])
def test_where_streams_break_the_rest_comes_without_one(
    what: str,
    mine: dict[str, str],
    show: Open,
    context: BrowserContext,
    model: ScriptedModel,
    server: Server,
    watch: Watch,
) -> None:
    """A caller may name what is asked instead, and leave the page's own server."""
    watch.expect("ERR_FAILED")
    context.add_init_script("Math.random = () => 0;")
    context.route(re.compile(r"/api/(v1/runs|stream/analyze/[^/]+/[^/]+)$"), whole_to_its_middle)
    rest = NoStreams()
    context.route(re.compile(r"/api/v1/runs/[^/]+/events"), rest)
    model.answers(QUESTION, told_in_parts(PARTS, []))
    page = show(what, ask=QUESTION, plain="yes", task="017c7c7b", **mine)
    press(page, "Start")
    # a state that the next one follows within one drawing of the page is not shown
    states = re.compile(r"^idle connecting( streaming)? reconnecting( fallback)? complete$")
    shown = page.locator("pre")
    expect(shown).to_have_attribute("data-states", states, timeout=PATIENCE_MS)
    (run,) = server.runs()
    snapshot = server.run(run["id"])["snapshot"]
    text = snapshot["text"] if what == "stream" else f"{snapshot['reasoning']}|{snapshot['text']}"
    shows(page, text, states)
    assert rest.pages > 0
    assert page.evaluate("document.documentElement.dataset.mine === 'asked'") is bool(mine)

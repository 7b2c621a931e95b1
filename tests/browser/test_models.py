"""The page of models: found, picked, and asked one thing side by side, live over one connection (U4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from headwater.client.blocking import Portal
from tests.browser.chat import Chat
from tests.browser.comparing import Comparing, EventRequests, note_growth
from tests.browser.conftest import PHONE, NewContext, Screenshot
from tests.browser.inspector import INSPECT
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.test_accessibility import ERROR, THEMES, focused, violations
from tests.browser.test_pictures import DEVICES, RICH, thinking, words
from tests.browser.test_pictures import QUESTION as MEANDER
from tests.browser.test_survival import CUT, HASTE, spoil
from tests.browser.watch import DOWN, Watch
from tests.kit.proxy import FaultProxy
from tests.kit.script import Pause, Send, Step, chat_stream

QUESTION = "Where does the river begin?"
NAMES = ["amber", "basalt", "chalk", "dolomite", "emery", "flint", "garnet"]
SIX = NAMES[:6]
SAID = ["a ", "*spring* ", "泉 👩\u200d👧 ", "<b onclick=alert(1)>\n"]
PARTS = {name: [[f"{name} says {part}: ", *SAID * 4] for part in range(3)] for name in NAMES}
KEYLESS = {"name": "halite", "provider": "openai", "api_key_env": "NOBODY_HAS_THIS_KEY", "capabilities": ["text"]}
PRICE = {"input": 1.25, "output": 10.0}


def text_of(name: str, parts: int) -> str:
    """What a model has said after so many of its parts."""
    return "".join(token for part in PARTS[name][:parts] for token in part)


@pytest.fixture
def server_config(model: ScriptedModel) -> dict[str, Any]:
    priced = model.named_rows(*NAMES[:3], price=PRICE, capabilities=["text", "tools"])
    able = model.named_rows(*NAMES[3:], capabilities=["text", "tools", "images"])
    return {"models": [*priced, *able, KEYLESS]}


@pytest.fixture
def gates(model: ScriptedModel) -> list[Gate]:
    """The gate n is behind part n of all answers, counted from 0; the last one is before their ends."""
    gates = [model.gate() for _ in range(3)]
    for name in NAMES:
        model.answers(QUESTION, told_in_parts(PARTS[name], gates), name=name)
    return gates


@pytest.fixture
def comparing(new_context: NewContext) -> Comparing:
    context = new_context()
    note_growth(context)
    return Comparing(context.new_page()).open()


def all_show(comparing: Comparing, parts: int, names: list[str] = SIX) -> None:
    for name in names:
        comparing.shows(name, text_of(name, parts))


def judge(server: Server, runs: list[str], names: list[str] = SIX) -> None:
    """The logs hold what was shown, whole."""
    for name, run in zip(names, runs, strict=True):
        shown = server.run(run)
        assert (shown["model"], shown["state"], shown["snapshot"]["text"]) == (name, "completed", text_of(name, 3))


# ── side by side ────────────────────────────────────────────────────────────────────────────────────


def test_six_answers_over_one_connection(
    comparing: Comparing, model: ScriptedModel, gates: list[Gate], server: Server
) -> None:
    events = EventRequests(comparing.page)
    runs = comparing.pick(*SIX).ask(QUESTION)
    assert len(runs) == 6
    for parts, gate in enumerate(gates, 1):
        all_show(comparing, parts)
        assert {server.run(run)["state"] for run in runs} == {"running"}
        model.open(gate)
    for name in SIX:
        comparing.badge(name, "complete")
        expect(comparing.score(name, "ttft")).to_have_text(re.compile(r"\d (ms|s)$"))
        expect(comparing.score(name, "tokens")).to_have_text(re.compile(r"^(≈ )?\d+$"))
        expect(comparing.score(name, "rate")).to_have_text(re.compile(r"^\d+$"))
        expect(comparing.score(name, "cost")).to_have_text(
            "unknown" if name in NAMES[3:] else re.compile(r"^\$0\.\d+$")
        )
    judge(server, runs)
    assert len(events.asked) == 1
    assert re.findall(r"run=(run_\w+):0", events.asked[0]) == runs
    expect(comparing.page.locator("main [role=status]").first).to_have_text("All 6 answers have ended")


def test_one_is_stopped_then_all(comparing: Comparing, model: ScriptedModel, gates: list[Gate], server: Server) -> None:
    runs = comparing.pick(*SIX).ask(QUESTION)
    all_show(comparing, 1)
    comparing.answer("basalt").get_by_test_id("stop").click()
    comparing.badge("basalt", "stopped")
    assert server.run(runs[1])["state"] == "cancelled"
    model.open(gates[0])
    rest = [name for name in SIX if name != "basalt"]
    all_show(comparing, 2, rest)
    comparing.shows("basalt", text_of("basalt", 1))
    comparing.page.get_by_test_id("stop-all").click()
    for name in rest:
        comparing.badge(name, "stopped")
        comparing.shows(name, text_of(name, 2))
    assert {server.run(run)["state"] for run in runs} == {"cancelled"}
    expect(comparing.page.get_by_test_id("send")).to_be_visible()


def test_all_are_stopped_with_the_keyboard(comparing: Comparing, gates: list[Gate], server: Server) -> None:
    runs = comparing.pick("amber", "chalk").ask(QUESTION)
    all_show(comparing, 1, ["amber", "chalk"])
    comparing.page.keyboard.press("Escape")
    for name in ("amber", "chalk"):
        comparing.badge(name, "stopped")
    assert {server.run(run)["state"] for run in runs} == {"cancelled"}


def test_one_fails_and_is_asked_again(comparing: Comparing, model: ScriptedModel, server: Server) -> None:
    gate = model.gate()
    model.answers(QUESTION, told_in_parts([["All ", "well."]], [gate]), name="amber")
    failing = [*chat_stream(["Half ", "of ", "it"])[:3], Send(ERROR)]
    model.answers(QUESTION, failing, chat_stream(["Whole."]), name="chalk")
    old = comparing.pick("amber", "chalk").ask(QUESTION)
    comparing.badge("chalk", "partial")
    expect(comparing.answer("chalk")).to_contain_text("What came before is kept")
    before = comparing.page.url
    comparing.answer("chalk").get_by_test_id("retry").click()
    new = comparing.moved(before)
    assert (new[0], server.run(new[1])["retry_of"]) == (old[0], old[1])
    comparing.shows("chalk", "Whole.")
    comparing.badge("chalk", "complete")
    comparing.shows("amber", "All well.")
    model.open(gate)
    comparing.badge("amber", "complete")


def test_it_is_one_conversation_that_can_be_gone_on_with(
    comparing: Comparing, model: ScriptedModel, gates: list[Gate]
) -> None:
    for gate in gates:
        model.open(gate)
    page = comparing.page
    runs = comparing.pick("amber", "chalk").ask(QUESTION)
    for name in ("amber", "chalk"):
        comparing.badge(name, "complete")
    listed = page.get_by_test_id("runs").get_by_role("listitem")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text(f"{QUESTION}Complete")
    expect(listed).to_contain_text("2 models")
    expect(listed.get_by_role("link")).to_have_attribute("aria-current", "page")
    comparing.answer("chalk").get_by_test_id("go-on").click()
    chat = Chat(page)
    chat.shows(text_of("chalk", 3))
    model.answers("And where does it end?", chat_stream(["In the sea."]), name="amber")
    page.get_by_test_id("model").select_option("amber")
    chat.ask("And where does it end?")
    chat.shows("In the sea.")
    expect(listed).to_have_count(2)
    listed.filter(has_text="2 models").get_by_role("link").click()
    expect(comparing.answers).to_have_count(2)
    assert comparing.runs() == runs
    page.get_by_test_id("all-models").click()
    expect(comparing.rows.first).to_be_visible()


def test_the_example_needs_no_key(comparing: Comparing) -> None:
    before = comparing.page.url
    comparing.page.get_by_test_id("example").click()
    assert len(comparing.moved(before)) == 3
    comparing.badge("simulated, at once", "complete")
    comparing.badge("simulated, thinks first", "complete")
    comparing.badge("simulated, fails half-way", "partial")


def test_what_can_not_be_asked_is_told_of(
    comparing: Comparing, gates: list[Gate], watch: Watch, server: Server
) -> None:
    watch.expect(DOWN)
    page = comparing.page
    comparing.pick("amber", "chalk")
    page.route(
        "**/api/v1/runs", lambda route: route.abort() if '"chalk"' in route.request.post_data else route.continue_()
    )
    watch.expect("ERR_FAILED")
    page.add_init_script(HASTE)
    page.evaluate(HASTE)
    runs = comparing.ask(QUESTION)
    assert len(runs) == 1
    comparing.shows("amber", text_of("amber", 1))
    expect(page.get_by_test_id("refused")).to_contain_text("chalk was not asked")
    assert [each["id"] for each in server.runs()] == runs


# ── survival ────────────────────────────────────────────────────────────────────────────────────────


def test_reloaded_and_on_another_device(
    comparing: Comparing, new_context: NewContext, model: ScriptedModel, gates: list[Gate], server: Server
) -> None:
    runs = comparing.pick(*SIX).ask(QUESTION)
    all_show(comparing, 1)
    comparing.page.reload()
    all_show(comparing, 1)
    device = Comparing(new_context().new_page()).open()
    device.page.goto(comparing.page.url)
    events = EventRequests(comparing.page)
    for parts, gate in enumerate(gates, 1):
        all_show(comparing, parts)
        all_show(device, parts)
        model.open(gate)
    for name in SIX:
        comparing.badge(name, "complete")
        device.badge(name, "complete")
    judge(server, runs)
    assert events.asked == []
    # Who comes after the end reads no events at all.
    comparing.page.reload()
    all_show(comparing, 3)
    assert events.asked == []
    expect(comparing.page.get_by_test_id("question")).to_have_text(QUESTION)


@pytest.fixture
def proxied(
    portal: Portal, server: Server, watch: Watch, new_context: NewContext
) -> Iterator[tuple[Comparing, FaultProxy]]:
    """A page whose way to the server can be spoiled."""
    watch.expect(CUT)
    proxy = FaultProxy(server.product.port)
    portal.call(proxy.__aenter__())
    watch.allow(proxy.url)
    context = new_context(base_url=proxy.url)
    context.add_init_script(HASTE)
    note_growth(context)
    yield Comparing(context.new_page()).open(), proxy
    portal.call(proxy.__aexit__())


def test_cut_again_and_again_all_go_on_exactly_once(
    proxied: tuple[Comparing, FaultProxy], portal: Portal, model: ScriptedModel, gates: list[Gate], server: Server
) -> None:
    comparing, proxy = proxied
    runs = comparing.pick(*SIX).ask(QUESTION)
    all_show(comparing, 1)
    cuts = [*range(1, 4000, 157)]
    spoil(portal, proxy, cuts)
    for gate in gates:
        model.open(gate)
    for name in SIX:
        comparing.badge(name, "complete")
    all_show(comparing, 3)
    judge(server, runs)
    assert len(cuts) < 20


def test_the_server_is_killed_and_started_again(
    comparing: Comparing, gates: list[Gate], server: Server, watch: Watch
) -> None:
    watch.expect(DOWN)
    comparing.pick("amber", "chalk").ask(QUESTION)
    all_show(comparing, 1, ["amber", "chalk"])
    server.kill()
    comparing.badge("amber", "reconnecting")
    server.start()
    for name in ("amber", "chalk"):
        comparing.badge(name, "partial")
        comparing.shows(name, text_of(name, 1))


def test_a_run_that_is_not_there_leaves_the_others_alone(
    comparing: Comparing, model: ScriptedModel, gates: list[Gate], server: Server, watch: Watch
) -> None:
    watch.expect("404")
    runs = comparing.pick("amber", "chalk").ask(QUESTION)
    all_show(comparing, 1, ["amber", "chalk"])
    assert server.http.delete(f"/api/v1/runs/{runs[1]}").status_code == 204
    expect(comparing.answers.nth(1)).to_have_attribute("data-live", "false")
    for gate in gates:
        model.open(gate)
    comparing.badge("amber", "complete")
    comparing.page.reload()
    expect(comparing.answers.nth(1)).to_contain_text("This answer is not here")
    comparing.badge("amber", "complete")


# ── the list ────────────────────────────────────────────────────────────────────────────────────────


def names_of(comparing: Comparing) -> list[str]:
    return [row.get_attribute("data-model") or "" for row in comparing.rows.all()]


def test_found_and_picked_by_the_keyboard_alone(comparing: Comparing, gates: list[Gate], server: Server) -> None:
    page = comparing.page
    page.locator("body").press("/")
    expect(page.get_by_test_id("find-model")).to_be_focused()
    page.keyboard.type("ER")
    assert names_of(comparing) == ["amber", "emery"]
    expect(page.get_by_test_id("found")).to_have_text("2 of 9 models")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_test_id("find-model")).to_be_focused()
    page.keyboard.press("Escape")
    assert len(names_of(comparing)) == 9
    expect(page.get_by_test_id("found")).to_have_text("9 models · 2 of 6 picked")
    while focused(page) != "composer":
        page.keyboard.press("Tab")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    all_show(comparing, 1, ["amber", "emery"])
    assert sorted(run["model"] for run in server.runs()) == ["amber", "emery"]


def test_filtered_by_what_it_can_do_and_by_provider(comparing: Comparing) -> None:
    page = comparing.page
    images = page.get_by_role("button", name="Images")
    images.press("Enter")
    expect(images).to_have_attribute("aria-pressed", "true")
    assert names_of(comparing) == ["simulated", *NAMES[3:]]
    page.get_by_test_id("filter-provider").select_option("openai_chat")
    assert names_of(comparing) == NAMES[3:]
    page.get_by_role("button", name="Reasoning").press("Enter")
    expect(page.get_by_text("No model here can do all of that.")).to_be_visible()
    page.get_by_test_id("clear-filter").click()
    assert names_of(comparing) == ["simulated", *NAMES, "halite"]
    page.get_by_test_id("find-model").fill("no such model")
    expect(page.get_by_text("No model here is called that.")).to_be_visible()


def test_no_more_than_six(comparing: Comparing) -> None:
    comparing.pick(*SIX)
    seventh = comparing.row("garnet").get_by_test_id("pick")
    expect(seventh).to_be_disabled()
    comparing.page.get_by_role("button", name="Do not ask amber").click()
    expect(seventh).to_be_enabled()
    expect(comparing.row("amber").get_by_test_id("pick")).not_to_be_checked()


def test_one_without_its_key_says_so_and_is_not_asked(comparing: Comparing) -> None:
    page = comparing.page
    expect(comparing.row("halite")).to_contain_text("No keyNOBODY_HAS_THIS_KEY is not set")
    expect(comparing.row("halite").get_by_test_id("pick")).to_be_disabled()
    page.get_by_role("link", name="New chat").click()
    option = page.get_by_test_id("model").locator("option[value=halite]")
    expect(option).to_have_text("halite · no key")
    expect(option).to_be_disabled()
    expect(page.get_by_test_id("model").locator("option[value=amber]")).to_be_enabled()


def test_what_is_known_of_each(comparing: Comparing, model: ScriptedModel, gates: list[Gate]) -> None:
    page = comparing.page
    expect(comparing.row("amber")).to_contain_text("$1.25 in · $10.00 out")
    expect(comparing.row("garnet")).to_contain_text("Price unknown")
    expect(comparing.row("simulated")).to_contain_text("Free")
    expect(comparing.row("amber")).to_contain_text("Not called lately")
    for gate in gates:
        model.open(gate)
    model.answers(QUESTION, [Send(ERROR)], name="garnet")
    comparing.pick("amber", "garnet").ask(QUESTION)
    comparing.badge("amber", "complete")
    comparing.badge("garnet", "failed")
    # Neither of the two stands for both.
    expect(page.get_by_test_id("runs").get_by_role("listitem")).to_contain_text("1 of 2 complete")
    page.reload()
    page.get_by_test_id("all-models").click()
    expect(comparing.row("amber")).to_contain_text(re.compile(r"Well · 100 % of 1 call.*first token \d+ ms"))
    expect(comparing.row("garnet")).to_contain_text("Failing")


def test_the_server_does_not_answer(new_context: NewContext, server: Server, watch: Watch) -> None:
    watch.expect(DOWN + "|503|ERR_FAILED")
    page = new_context().new_page()
    page.add_init_script(HASTE)
    page.route("**/api/v1/models", lambda route: route.abort())
    page.goto("/models")
    again = page.get_by_test_id("again")
    expect(again).to_be_visible(timeout=30_000)
    page.unroute("**/api/v1/models")
    again.click()
    expect(page.get_by_test_id("model-row").first).to_be_visible()


# ── for everybody ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing(new_context: NewContext, model: ScriptedModel, gates: list[Gate], theme: str) -> None:
    comparing = Comparing(new_context(reduced_motion="reduce", **THEMES[theme]).new_page()).open(view="Markdown")
    page = comparing.page
    assert violations(page) == []
    page.get_by_test_id("find-model").fill("no such model")
    assert violations(page) == []
    page.get_by_test_id("find-model").fill("")
    comparing.pick(*SIX).ask(QUESTION)
    for name in SIX:
        comparing.badge(name, "streaming")
    assert violations(page) == []
    for gate in gates:
        model.open(gate)
    for name in SIX:
        comparing.badge(name, "complete")
    assert violations(page) == []


def test_nothing_becomes_active(new_context: NewContext, model: ScriptedModel, gates: list[Gate]) -> None:
    """What the models say, and what they are called, in the list and side by side."""
    context = new_context()
    context.add_init_script(INSPECT)
    comparing = Comparing(context.new_page()).open(view="Markdown")
    for gate in gates:
        model.open(gate)
    comparing.pick(*SIX).ask("<img src=x onerror=alert(1)>")
    comparing.page.get_by_test_id("stop-all").click()
    comparing.page.get_by_test_id("composer").fill(QUESTION)
    expect(comparing.page.get_by_test_id("send")).to_be_enabled()
    before = comparing.page.url
    comparing.page.get_by_test_id("send").click()
    comparing.moved(before)
    for name in SIX:
        comparing.badge(name, "complete")
    assert comparing.page.locator(".compared b").count() == 0


def test_from_the_drawer_of_a_phone(new_context: NewContext) -> None:
    page = new_context(viewport=PHONE, is_mobile=True, has_touch=True).new_page()
    page.goto("/")
    page.get_by_test_id("menu").click()
    page.get_by_test_id("models-link").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_test_id("model-row").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# ── pictures ────────────────────────────────────────────────────────────────────────────────────────


CHIPS_APART = """
() => [...document.querySelectorAll(".picked .chip")].map((chip) => chip.getBoundingClientRect()).every(
  (place, at, all) => at === 0 || place.top > all[at - 1].top || place.left >= all[at - 1].right
)
"""


@pytest.mark.parametrize("name", DEVICES)
def test_every_state(new_context: NewContext, model: ScriptedModel, screenshot: Screenshot, name: str) -> None:
    """Pictures in `.cache/screenshots`, to be looked at; nothing scrolls sideways."""
    comparing = Comparing(new_context(**DEVICES[name]).new_page()).open(view="Markdown")
    page = comparing.page

    def picture(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{state} scrolls sideways"
        screenshot(page, state)

    picture("1-list")
    gate = model.gate()
    for at, each in enumerate(SIX):
        steps: list[Step] = [*thinking(gate)] if at == 1 else [*chat_stream(words(RICH))[: 30 + 20 * at]]
        ends: list[Step] = [Send(ERROR)] if at == 2 else [Pause(until=gate), *chat_stream(words(RICH))[30 + 20 * at :]]
        model.answers(MEANDER, steps if at == 1 else [*steps, *ends], name=each)
    comparing.pick(*SIX)
    picture("2-picked")
    assert page.evaluate(CHIPS_APART)
    comparing.ask(MEANDER)
    comparing.badge("chalk", "partial")
    for each in SIX:
        begun = "bounds the growth" if each == "basalt" else "straight channel"
        expect(comparing.answer(each)).to_contain_text(begun)
    picture("3-streaming")
    model.open(gate)
    for each in SIX:
        comparing.badge(each, "partial" if each == "chalk" else "complete")
    picture("4-complete")
    page.get_by_test_id("all-models").click()
    expect(comparing.row("chalk")).to_contain_text("Failing")
    page.get_by_test_id("find-model").fill("a")
    picture("5-found")
    page.get_by_test_id("find-model").fill("no such model")
    picture("6-nothing-found")

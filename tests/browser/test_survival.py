"""Whatever happens to the page, its network or its server: what is shown is a beginning of the log, and then the whole.

The scripted model waits at gates, so that each fault strikes at a known place. Every state that any document showed is
judged at the end of each test (`States.check`): RELIABILITY 1, 8, 9 and 28, as a reader sees them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from headwater.client.blocking import Portal
from tests.browser.chat import Chat
from tests.browser.conftest import NewContext
from tests.browser.model import Gate, ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.states import States
from tests.browser.watch import DOWN, Watch
from tests.kit.proxy import Fault, FaultProxy
from tests.kit.script import Pause

CUT = DOWN + "|ERR_INVALID_HTTP_RESPONSE"
OFFLINE = "ERR_INTERNET_DISCONNECTED"
QUESTION = "Where does the river begin?"

#: Letters of one to four bytes, of one and two UTF-16 units, joined ones, and what would be markup.
SENTENCE = [
    "The ",
    "river ",
    "begins ",
    "at ",
    "a ",
    "*spring*",
    " — ",
    "Quelle",
    " 泉 ",
    "👩\u200d👩\u200d👧 ",
    "e\u0301",
]
SENTENCE += ["<b>\n", "- x\n\n"]
PARTS = [[f"{number}. ", *SENTENCE * 3] for number in range(1, 5)]
TEXTS = ["".join(token for part in PARTS[:count] for token in part) for count in range(len(PARTS) + 1)]
WHOLE = TEXTS[-1]


@pytest.fixture
def gates(model: ScriptedModel) -> list[Gate]:
    """The gate n is behind part n, counted from 0; the last one is before the answer's end."""
    gates = [model.gate() for _ in PARTS]
    model.answers(QUESTION, told_in_parts(PARTS, gates))
    return gates


@pytest.fixture
def chat(page: Page) -> Chat:
    return Chat(page).open()


def judge(server: Server, states: States, run: str, state: str, text: str) -> None:
    """The log has this end and this text, and whatever was shown of the run agrees with it."""
    shown = server.run(run)
    assert (shown["state"], shown["snapshot"]["text"]) == (state, text)
    states.check(run, text)
    for documents in states.of(run):
        assert documents[-1].text == text


def test_reloaded_at_every_part(
    chat: Chat, model: ScriptedModel, gates: list[Gate], server: Server, states: States
) -> None:
    run = chat.ask(QUESTION)
    for text, gate in zip(TEXTS[1:], gates, strict=True):
        chat.shows(text)
        chat.page.reload()
        chat.shows(text)
        model.open(gate)
    chat.badge("complete")
    assert len(states.of(run)) == 1 + len(gates)
    shown = server.run(run)
    assert (shown["state"], shown["snapshot"]["text"]) == ("completed", WHOLE)
    states.check(run, WHOLE)


def test_in_other_tabs_and_on_another_device(
    chat: Chat, new_context: NewContext, model: ScriptedModel, gates: list[Gate], server: Server, states: States
) -> None:
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    tab = Chat(chat.page.context.new_page()).visit(run)
    device = Chat(new_context().new_page()).open().visit(run)
    for text, gate in zip(TEXTS[1:], gates, strict=True):
        for each in (chat, tab, device):
            each.shows(text)
        model.open(gate)
    for each in (chat, tab, device):
        each.badge("complete")
    judge(server, states, run, "completed", WHOLE)


def test_stopped_in_one_tab_and_seen_in_the_other(
    chat: Chat, model: ScriptedModel, gates: list[Gate], server: Server, states: States
) -> None:
    run = chat.ask(QUESTION)
    tab = Chat(chat.page.context.new_page()).visit(run)
    tab.shows(TEXTS[1])
    chat.shows(TEXTS[1])
    tab.page.get_by_test_id("stop").click()
    for each in (chat, tab):
        expect(each.badge("stopped")).to_have_text("Stopped")
        each.says("What came is kept")
    model.closed(model.request(1))
    judge(server, states, run, "cancelled", TEXTS[1])


def test_stopped_with_the_keyboard(
    chat: Chat, model: ScriptedModel, gates: list[Gate], server: Server, states: States
) -> None:
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    chat.page.keyboard.press("Escape")
    chat.badge("stopped")
    model.closed(model.request(1))
    judge(server, states, run, "cancelled", TEXTS[1])


def test_retried_after_the_provider_gave_up(chat: Chat, model: ScriptedModel, server: Server, states: States) -> None:
    cut, whole = told_in_parts(PARTS[:2], [], end=False), told_in_parts(PARTS, [])
    model.answers(QUESTION, cut, whole)
    first = chat.ask(QUESTION)
    chat.badge("partial")
    chat.says("What came before is kept")
    assert server.run(first)["snapshot"]["error"]["code"] == "TRUNCATED"
    judge(server, states, first, "failed", TEXTS[2])
    second = chat.retry()
    chat.badge("complete")
    judge(server, states, second, "completed", WHOLE)
    assert server.run(second)["request"] == server.run(first)["request"]


def test_offline_and_back(
    chat: Chat, model: ScriptedModel, gates: list[Gate], server: Server, states: States, watch: Watch
) -> None:
    watch.expect(OFFLINE)
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    chat.page.context.set_offline(True)
    chat.badge("reconnecting")
    chat.says("This device is offline")
    for gate in gates:
        model.open(gate)
    server.ended(run)
    chat.shows(TEXTS[1])
    chat.page.context.set_offline(False)
    chat.badge("complete")
    judge(server, states, run, "completed", WHOLE)


def test_asked_while_offline(chat: Chat, model: ScriptedModel, server: Server, states: States, watch: Watch) -> None:
    watch.expect(OFFLINE)
    model.answers(QUESTION, told_in_parts(PARTS, []))
    chat.page.context.set_offline(True)
    chat.send(QUESTION)
    chat.badge("connecting")
    chat.page.context.set_offline(False)
    run = chat.moved(f"{server.url}/")
    chat.badge("complete")
    judge(server, states, run, "completed", WHOLE)
    assert [each["id"] for each in server.runs()] == [run]


@pytest.mark.parametrize("how", ["killed", "offline"])
def test_the_list_tells_no_state_that_is_not_known(
    chat: Chat, model: ScriptedModel, gates: list[Gate], server: Server, watch: Watch, how: str
) -> None:
    """What has ended stays so, whoever is away; what went on may have ended meanwhile."""
    watch.expect(OFFLINE if how == "offline" else DOWN)
    model.answers("Over?", told_in_parts(PARTS, []))
    over = server.ask("Over?")
    server.ended(over)
    elsewhere = server.ask(QUESTION)
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])

    def listed(run: str, words: str) -> None:
        expect(chat.page.locator(f"[data-testid=runs] [data-run='{run}']")).to_contain_text(words)

    for shown in (run, elsewhere):
        listed(shown, "Streaming")
    listed(over, "Complete")
    if how == "offline":
        chat.page.context.set_offline(True)
    else:
        server.kill()
    listed(run, "Reconnecting")
    listed(elsewhere, "State unknown")
    listed(over, "Complete")
    if how == "offline":
        chat.page.context.set_offline(False)
    else:
        server.start()
    for shown in (run, elsewhere):
        listed(shown, "Streaming" if how == "offline" else "Partial")


@pytest.mark.parametrize("at", [0, 2, len(PARTS)])
def test_the_server_is_killed_and_started_again(
    chat: Chat, model: ScriptedModel, server: Server, states: States, watch: Watch, at: int
) -> None:
    """Fault 28: before the first word, in the middle, and with all said but the end."""
    watch.expect(DOWN)
    gates = [model.gate() for _ in range(len(PARTS) + 1)]
    model.answers(QUESTION, [Pause(until=gates[0]), *told_in_parts(PARTS, gates[1:])], told_in_parts(PARTS, []))
    run = chat.ask(QUESTION)
    for gate in gates[:at]:
        model.open(gate)
    chat.shows(TEXTS[at])
    server.kill()
    chat.badge("reconnecting")
    chat.shows(TEXTS[at])
    server.start()
    chat.badge("partial" if at else "failed")
    assert server.run(run)["snapshot"]["error"]["code"] == "INTERRUPTED"
    chat.page.reload()
    chat.badge("partial" if at else "failed")
    judge(server, states, run, "failed", TEXTS[at])
    again = chat.retry()
    chat.badge("complete")
    judge(server, states, again, "completed", WHOLE)


def test_what_is_made_anew_after_a_kill_is_shown_once(
    page: Page, model: ScriptedModel, server: Server, states: States, watch: Watch
) -> None:
    """A new attempt takes back what the first one said: the page goes on with it, and has no word twice."""
    watch.expect(DOWN)
    before, after = model.gate(), model.gate()
    model.answers(QUESTION, told_in_parts(PARTS, [before]), told_in_parts(PARTS, [after]))
    run = server.ask(QUESTION, on_crash="rerun")
    chat = Chat(page).visit(run)
    chat.show_as("Plain text")
    chat.shows(TEXTS[1])
    server.kill()
    chat.badge("reconnecting")
    server.start()
    chat.badge("streaming")
    chat.shows(TEXTS[1])
    model.open(after)
    chat.badge("complete")
    chat.shows(WHOLE)
    assert server.run(run)["snapshot"]["calls"][0]["attempt"] == 2
    for documents in states.of(run):
        assert all(WHOLE.startswith(state.text) and state.answers == 1 for state in documents if state.view == "plain")
        assert documents[-1].text == WHOLE


def test_reloaded_while_the_server_is_down(
    chat: Chat, model: ScriptedModel, gates: list[Gate], server: Server, states: States, watch: Watch
) -> None:
    """The browser has no page then; once the server is back it has, from the server alone."""
    watch.expect(DOWN)
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    server.kill()
    with pytest.raises(PlaywrightError, match="ERR_CONNECTION_REFUSED"):
        chat.page.reload()
    server.start()
    chat.visit(run).badge("partial")
    judge(server, states, run, "failed", TEXTS[1])


def test_the_server_is_shut_down_and_started_again(
    chat: Chat, gates: list[Gate], server: Server, states: States, watch: Watch
) -> None:
    watch.expect(DOWN)
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    assert server.terminate() == 0
    chat.badge("partial")
    chat.says("shutting down|What came before is kept")
    server.start()
    assert server.run(run)["snapshot"]["error"]["code"] == "DRAINING"
    judge(server, states, run, "failed", TEXTS[1])
    chat.page.reload()
    chat.badge("partial")
    judge(server, states, run, "failed", TEXTS[1])


def test_the_lid_is_closed_and_opened(
    page: Page, model: ScriptedModel, gates: list[Gate], server: Server, states: States
) -> None:
    """The computer's clock jumps, and all that should have happened in between happens at once, or not at all."""
    page.clock.install()
    chat = Chat(page).open()
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    page.clock.fast_forward("08:00:00")
    for gate in gates:
        model.open(gate)
    chat.badge("complete")
    judge(server, states, run, "completed", WHOLE)


def test_suspended_and_woken(
    chat: Chat, model: ScriptedModel, gates: list[Gate], server: Server, states: States
) -> None:
    """A tab that the browser froze has no turn of its own until it is looked at again."""
    run = chat.ask(QUESTION)
    chat.shows(TEXTS[1])
    browser = chat.page.context.new_cdp_session(chat.page)
    browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    for gate in gates:
        model.open(gate)
    server.ended(run)
    browser.send("Page.setWebLifecycleState", {"state": "active"})
    chat.badge("complete")
    judge(server, states, run, "completed", WHOLE)


# ── a network that cuts ─────────────────────────────────────────────────────────────────────────────


#: The waits between tries are a random part of seconds. Here that part is small, and the same each time.
HASTE = "Math.random = () => 0.01;"
#: A record of `LONG` and its framing, at most.
RECORD_BYTES = 130
LONG = [[f"word{number} ", "–\n" if number % 9 == 0 else "泉 "] for number in range(250)]
LONG_TEXT = "".join(token for part in LONG for token in part)


@pytest.fixture
def through_a_proxy(
    portal: Portal, server: Server, watch: Watch, new_context: NewContext
) -> Iterator[Callable[[], tuple[Chat, FaultProxy]]]:
    """Makes a device whose way to the server can be spoiled; a new chat is open on it."""
    watch.expect(CUT)
    proxies: list[FaultProxy] = []

    def make() -> tuple[Chat, FaultProxy]:
        proxy = FaultProxy(server.product.port)
        portal.call(proxy.__aenter__())
        proxies.append(proxy)
        watch.allow(proxy.url)
        context = new_context(base_url=proxy.url)
        context.add_init_script(HASTE)
        return Chat(context.new_page()).open(), proxy

    yield make
    for proxy in proxies:
        portal.call(proxy.__aexit__())


def spoil(portal: Portal, proxy: FaultProxy, cuts: list[int]) -> None:
    """From now on connections are cut after so many bytes, in turn by FIN and by RST, until no cut is left."""

    async def spoiled() -> None:
        proxy.plan = lambda number: Fault(cuts.pop() if cuts else None, "reset" if number % 2 else "close")
        proxy.drop()

    portal.call(spoiled())


def head_bytes(server: Server) -> int:
    """How long the head of an event stream's answer is, about."""
    with server.http.stream("GET", "/api/v1/runs/none/events") as answer:
        return sum(len(name) + len(value) + 4 for name, value in answer.headers.raw) + len("HTTP/1.1 200 OK\r\n\r\n")


def test_cut_at_many_bytes(
    through_a_proxy: Callable[[], tuple[Chat, FaultProxy]],
    portal: Portal,
    model: ScriptedModel,
    server: Server,
    states: States,
) -> None:
    """Fault 1: the head of an answer is cut here and there, its first records at every byte."""
    model.answers(QUESTION, told_in_parts(LONG, []))
    chat, proxy = through_a_proxy()
    run = chat.ask(QUESTION)
    chat.badge("streaming")
    head = head_bytes(server)
    cuts = [*range(1, head, 25), *range(head, head + RECORD_BYTES)]
    spoil(portal, proxy, cuts)
    chat.badge("complete")
    assert cuts == []
    judge(server, states, run, "completed", LONG_TEXT)


def test_asked_through_cuts(
    through_a_proxy: Callable[[], tuple[Chat, FaultProxy]],
    portal: Portal,
    model: ScriptedModel,
    server: Server,
    states: States,
) -> None:
    """The server takes the question twice and its answer is lost both times: one run comes of it."""
    model.answers(QUESTION, told_in_parts(PARTS, []))
    chat, proxy = through_a_proxy()
    cuts = [300, 1]
    spoil(portal, proxy, cuts)
    run = chat.ask(QUESTION)
    chat.badge("complete")
    assert cuts == []
    judge(server, states, run, "completed", WHOLE)
    assert [each["id"] for each in server.runs()] == [run]


def test_two_devices_with_random_cuts(
    through_a_proxy: Callable[[], tuple[Chat, FaultProxy]],
    portal: Portal,
    model: ScriptedModel,
    server: Server,
    states: States,
    seeded: random.Random,
) -> None:
    """Fault 9: each loses its connection at places of its own, and both have the same in the end."""
    model.answers(QUESTION, told_in_parts(LONG, []))
    (chat, first), (other, second) = through_a_proxy(), through_a_proxy()
    run = chat.ask(QUESTION)
    other.visit(run)
    left = [[seeded.randrange(1, 3000) for _ in range(25)] for _ in range(2)]
    for proxy, cuts in zip((first, second), left, strict=True):
        spoil(portal, proxy, cuts)
    for each in (chat, other):
        each.badge("complete")
    assert chat.text.text_content() == other.text.text_content() == LONG_TEXT
    judge(server, states, run, "completed", LONG_TEXT)

"""What the page looks like in each of its states: pictures in `.cache/screenshots`, to be looked at.

What can be said of every state without looking is asserted: it is reached, and nothing scrolls sideways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from headwater.client.blocking import Portal
from tests.browser.chat import PATIENCE_MS, Chat
from tests.browser.conftest import DESKTOP, PHONE, NewContext, Screenshot
from tests.browser.model import Gate, ScriptedModel
from tests.browser.server import Server
from tests.browser.test_survival import OFFLINE
from tests.browser.watch import DOWN, Watch
from tests.kit.script import DONE, Pause, Send, Step, chat_chunk, chat_stream

DEVICES: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True, "color_scheme": "light"},
    "phone-dark": {"viewport": PHONE, "is_mobile": True, "has_touch": True, "color_scheme": "dark"},
}

QUESTION = "Why does a river meander?"
THOUGHTS = "The reader wants a cause, not a list. Secondary flow at bends, then what bounds the growth of a bend. "
RICH = """A river meanders because a **straight channel is unstable**: a small bend makes the current faster on its
outer bank, which erodes it, and slower on the inner one, where sand settles[^1].

## What decides the size

1. The *width* of the channel: a wavelength is about eleven widths.
2. The slope of the valley, see [Leopold and Wolman](https://pubs.usgs.gov/pp/0282b/report.pdf).
3. What the banks are made of:
   - clay holds,
   - sand does not.

| River | Width (m) | Wavelength (m) | Ratio |
| :-- | --: | --: | --: |
| Mississippi | 1,100 | 11,800 | 10.7 |
| Aare | 62 | 700 | 11.3 |
| A gutter | 0.04 | 0.45 | 11.2 |

```python
def wavelength(width_m: float, *, ratio: float = 11.0) -> float:
    \"\"\"Of a meander, in metres.\"\"\"
    return ratio * width_m  # Leopold & Wolman, 1960
```

> A river is never twice the same, and neither is its bed.

Inline `code`, ~~struck~~ text, and a picture:

![The Aare at Bern](https://pictures.example/aare.jpg)

[^1]: Einstein wrote of it in 1926, with a cup of tea.
"""
LONG = "\n\n".join(f"{number}. A bend grows, is cut off, and leaves a lake behind it. " * 3 for number in range(1, 30))


def words(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")]


def thinking(gate: Gate) -> list[Step]:
    thoughts: list[Step] = [Send(chat_chunk(reasoning_content=word)) for word in words(THOUGHTS * 2)]
    return [*thoughts, Pause(until=gate), *chat_stream(words(RICH))[1:]]


def calling() -> list[Step]:
    function = {"name": "gauge_level", "arguments": '{"river": "Aare", "station": "Bern", "days": 3}'}
    call = {"index": 0, "id": "call_1", "type": "function", "function": function}
    said = [Send(chat_chunk("I look at the gauge first.")), Send(chat_chunk(tool_calls=[call]))]
    return [*said, Send(chat_chunk(finish="tool_calls")), Send(DONE)]


@pytest.fixture(scope="module")
def model(portal: Portal) -> Iterator[ScriptedModel]:
    with ScriptedModel(portal) as model:
        yield model


@pytest.fixture
def server(portal: Portal, tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[Server]:
    # The model fails on purpose, and is not given a rest for it.
    config = {"models": model.rows("scripted"), "runs": {"slots": 2}, "resilience": {"breaker_failures": 0}}
    with Server(portal, tmp_path_factory.mktemp("pictures") / "data", config=config) as running:
        yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DEVICES)
def test_every_state(
    new_context: NewContext, model: ScriptedModel, server: Server, watch: Watch, screenshot: Screenshot, name: str
) -> None:
    watch.expect(DOWN + "|" + OFFLINE)
    page = new_context(**DEVICES[name]).new_page()
    chat = Chat(page)

    def picture(state: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{state} scrolls sideways"
        screenshot(page, state)

    for picture_states in (conversation, ends, troubles):
        picture_states(chat, model, server, picture)


def conversation(chat: Chat, model: ScriptedModel, server: Server, picture: Callable[[str], None]) -> None:
    """The first answers of a person's day."""
    page = chat.page
    chat.open(view="Markdown")
    picture("1-empty")
    gate = model.gate()
    model.answers(QUESTION, thinking(gate))
    chat.ask(QUESTION)
    expect(page.get_by_test_id("reasoning")).to_contain_text("bounds the growth", timeout=PATIENCE_MS)
    picture("2-thinking")
    model.open(gate)
    chat.badge("complete")
    picture("3-complete-end")
    page.get_by_test_id("turn-user").scroll_into_view_if_needed()
    picture("4-complete-begin")
    expect(page.get_by_test_id("jump")).to_be_visible()
    gate = model.gate()
    model.answers("And for how long?", [*chat_stream(words(LONG))[:-3], Pause(until=gate), *chat_stream([])[1:]])
    chat.ask("And for how long?")
    chat.says("29\\. A bend")
    picture("5-streaming")
    model.open(gate)
    chat.badge("complete")
    model.answers("How high is the Aare?", calling())
    chat.ask("How high is the Aare?")
    chat.badge("complete")
    picture("6-tool-call")


def ends(chat: Chat, model: ScriptedModel, server: Server, picture: Callable[[str], None]) -> None:
    """Answers that did not come to their end, and one that waits for its turn."""
    page = chat.page
    error = b'data: {"error": {"message": "The model is overloaded.", "type": "overloaded_error", "code": null}}\n\n'
    model.answers("Fail at once", [Send(error)])
    model.answers("Fail half-way", [*chat_stream(words(RICH))[:40], Send(error)])
    gate = model.gate()
    model.answers("Go on", [*chat_stream(words(RICH))[:60], Pause(until=gate)])
    chat.open(view="Markdown")
    chat.ask("Fail at once")
    chat.badge("failed")
    picture("7-failed")
    chat.ask("Fail half-way")
    chat.badge("partial")
    picture("8-partial")
    chat.open(view="Plain text")
    first = chat.ask("Go on")
    chat.badge("streaming")
    page.get_by_test_id("stop").click()
    chat.badge("stopped")
    picture("9-stopped-plain")
    server.ended(first)
    for _ in range(2):
        started = server.http.post("/api/v1/runs", json={"model": "scripted", "messages": said("Go on")})
        assert started.status_code == 201
    chat.open(view="Markdown")
    waiting = chat.ask("Go on")
    chat.badge("queued")
    picture("10-queued")
    assert server.run(waiting)["state"] == "queued"
    page.get_by_test_id("stop").click()
    chat.badge("stopped")
    model.open(gate)


def troubles(chat: Chat, model: ScriptedModel, server: Server, picture: Callable[[str], None]) -> None:
    """What happens to the network and to the server; and the list, where it is behind a button."""
    page = chat.page
    gate = model.gate()
    model.answers(QUESTION, [*chat_stream(words(RICH))[:60], Pause(until=gate)])
    chat.open(view="Markdown")
    chat.ask(QUESTION)
    chat.badge("streaming")
    page.context.set_offline(True)
    chat.badge("reconnecting")
    picture("11-offline")
    page.context.set_offline(False)
    chat.badge("streaming")
    server.kill()
    chat.badge("reconnecting")
    picture("12-server-down")
    server.start()
    chat.badge("partial")
    picture("13-interrupted")
    if page.get_by_test_id("menu").is_visible():
        page.get_by_test_id("menu").click()
        picture("14-drawer")


def said(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]

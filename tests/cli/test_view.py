from __future__ import annotations

import io

import pytest
from rich.console import Console

from headwater.cli.view import Growing, LiveView, PlainView, View
from headwater.domain import event as ev
from headwater.domain.message import Usage

DONE = ev.Complete("stop", Usage(output_tokens=7), "")


def play(view: View, *events: ev.Event) -> None:
    for seq, event in enumerate(events, 1):
        view.show(ev.Record(seq, seq * 100, event))
    view.close()


def live(*events: ev.Event) -> str:
    """What stands in the terminal at the end, the live part having been taken back."""
    console = Console(
        file=io.StringIO(), force_terminal=True, width=60, height=20, color_system=None, legacy_windows=False
    )
    play(LiveView(console), *events)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("role", ["internal", "a_later_one"])
def test_plain_is_the_answer_on_stdout_and_nothing_else(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    play(
        PlainView(),
        ev.Status("connecting"),
        ev.Call(1, role, "p", "m"),
        ev.Call(2, "answer", "p", "m"),
        ev.Chunk("the intent", 0, call=1),
        ev.Reasoning("hm", 0, call=2),
        ev.Chunk("Hello", 0, call=2),
        ev.Chunk(" wörld", 0, call=2),
        DONE,
    )
    captured = capsys.readouterr()
    assert captured.out == "Hello wörld\n"
    assert captured.err == ""


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ev.Error("SERVER", "The model fell over.", True), "The model fell over."),
        (ev.Cancelled("user", 2), "not whole"),
        (ev.Attempt(1, 2, "retry", "p", "m", supersedes_from=1), "no longer counts"),
    ],
)
def test_plain_says_what_went_wrong_on_stderr(event: ev.Event, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    play(PlainView(), ev.Chunk("Hi", 0), event)
    captured = capsys.readouterr()
    assert captured.out == "Hi\n"
    assert said in captured.err


def test_plain_obeys_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    play(PlainView(), ev.Chunk("\x1b[2J\x07", 0), ev.Error("SERVER", "\x1b]0;x\x07", False))
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\x07" not in captured.out + captured.err


def test_live_shows_reasoning_then_markdown_then_what_it_took() -> None:
    shown = live(
        ev.Status("connecting"),
        ev.Reasoning("Let me think.", 0),
        ev.Chunk("# Rivers\n\nThey ", 0),
        ev.Chunk("**flow**.\n\n- a\n- b\n", 0),
        DONE,
    )
    assert shown.index("asking the model") < shown.index("Let me think.") < shown.rindex("Rivers")
    assert "They flow." in shown
    assert "**" not in shown.split("They flow.")[-1]
    assert "7 tokens · 0.5 s" in shown


def test_live_prints_each_settled_paragraph_once() -> None:
    shown = live(*[ev.Chunk(f"paragraph {i}\n\n", 0) for i in range(30)], DONE)
    assert [shown.count(f"paragraph {i}\n") + shown.count(f"paragraph {i} ") for i in range(30)] == [1] * 30


def test_live_draws_no_more_than_the_terminal_has() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60, height=10, legacy_windows=False)
    lines = console.render_lines(Growing("chunk", "```\n" + "\n".join(map(str, range(500))), ""), pad=False)
    text = ["".join(segment.text for segment in line).strip() for line in lines]
    assert len(text) <= 9
    assert "499" in text
    assert "0" not in text


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ev.Error("SERVER", "The model fell over.", True), "The model fell over."),
        (ev.Cancelled("user", 2), "Cancelled."),
        (ev.Attempt(1, 2, "retry", "p", "m", supersedes_from=1), "no longer counts"),
        (ev.ToolCall("t1", "get_weather", "{}", done=True), "get_weather"),
        (ev.Refusal("I will not.", 0), "I will not."),
        (ev.Complete("length", Usage(), ""), "the length limit was reached"),
        (ev.Status("queued", "", position=3), "waiting for a free place"),
    ],
)
def test_live_says_what_happens(event: ev.Event, said: str) -> None:
    assert said in live(ev.Chunk("Hi", 0), event)


def test_live_keeps_what_came_when_it_is_closed_early() -> None:
    assert "half an ans" in live(ev.Chunk("half an ans", 0)).rsplit("\n", 3)[-2]


@pytest.mark.parametrize("event", [ev.Chunk, ev.Reasoning, ev.Refusal])
def test_live_obeys_no_model(event: type[ev.Chunk] | type[ev.Reasoning] | type[ev.Refusal]) -> None:
    shown = live(event("\x1b]52;c;AAAA\x07 [red]x[/red] [l](https://evil.example)\n\n", 0), DONE)
    assert "\x1b]" not in shown
    assert "\x07" not in shown
    assert "[red]x[/red]" in shown

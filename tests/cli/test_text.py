from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.cli.text import one_line, printable, settled_chars


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not any(127 <= ord(c) < 160 for c in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\tc", "a\nb\tc"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("\x1b]52;c;cGF3bmVk\x07", "\ufffd]52;c;cGF3bmVk\ufffd"),
        ("\x9b31m", "\ufffd31m"),
        ("over\rwritten", "over\ufffdwritten"),
        ("\u202eevil", "\ufffdevil"),
        ("naïve 🌊🏄🏽‍♀️ 日本", "naïve 🌊🏄🏽‍♀️ 日本"),
    ],
)
def test_text_is_kept_and_commands_are_not(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(), st.integers(2, 40))
def test_one_line_is_one_line(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert len(line.splitlines()) <= 1


def test_one_line_says_that_there_is_more() -> None:
    assert one_line("Hello\n  world", 20) == "Hello world"
    assert one_line("Hello world", 8) == "Hello w…"
    assert one_line("x" + " " * 100, 8).endswith("…")


@pytest.mark.parametrize(
    ("markdown", "settled"),
    [
        ("", ""),
        ("One paragraph", ""),
        ("One paragraph\n", ""),
        ("One\n\nTwo", "One\n\n"),
        ("One\n \t\nTwo\n\n", "One\n \t\nTwo\n\n"),
        ("One\n\n```\na\n\nb\n", "One\n\n"),
        ("```\na\n\nb\n```\n", ""),
        ("```\na\n\nb\n```\n\nafter", "```\na\n\nb\n```\n\n"),
        ("~~~~\n~~~\n\n", ""),
        ("~~~\n```\n\n~~~~ \n\nx", "~~~\n```\n\n~~~~ \n\n"),
        ("```py\n``` no end\n\n", ""),
    ],
)
def test_only_what_can_not_change_is_settled(markdown: str, settled: str) -> None:
    assert markdown[: settled_chars(markdown)] == settled


@given(st.lists(st.sampled_from(["a", "\n", "\n\n", "```", "~~~", " ", "- x\n"])).map("".join), st.integers(0, 60))
def test_what_is_settled_stays_so(markdown: str, cut: int) -> None:
    before = settled_chars(markdown[:cut])
    assert settled_chars(markdown) >= before

"""Two calls make one answer: nothing of it is missing, nothing is there twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Message, Settings, Usage
from headwater.providers.contract import Finish, Item
from headwater.runs.continuation import ECHO_CHARS_MIN, Joint, continued

LONG = "The snow melts on the upper"
ASKED = GenerationRequest("m", [Message("user", "What melts?")])


def text_of(items: list[Item]) -> str:
    return "".join(item.content for item in items if isinstance(item, ev.Chunk))


def joined(partial: str, *texts: str, part: int = 0) -> list[Item]:
    joint = Joint(partial, part)
    return [item for text in texts for item in joint.take([ev.Chunk(text, 0)])] + joint.take([Finish("stop")])


def test_the_model_is_given_what_was_said() -> None:
    assert continued(ASKED, "The snow \n").messages == [*ASKED.messages, Message("assistant", "The snow")]


def test_without_text_the_same_is_asked_again() -> None:
    assert continued(ASKED, "") is ASKED
    assert continued(ASKED, " \n") is ASKED


def test_an_answer_that_was_begun_by_the_caller_goes_on() -> None:
    begun = GenerationRequest("m", [*ASKED.messages, Message("assistant", "The ")])
    assert continued(begun, "snow").messages == [*ASKED.messages, Message("assistant", "The snow")]


@pytest.mark.parametrize(("most", "left"), [(None, None), (100, 93), (6, 1), (1, 1)])
def test_what_was_said_counts_against_its_length(most: int | None, left: int | None) -> None:
    asked = GenerationRequest("m", ASKED.messages, Settings(max_tokens=most))
    assert continued(asked, LONG).settings.max_tokens == left


@pytest.mark.parametrize(
    ("partial", "texts", "whole"),
    [
        ("The snow", [" melts"], "The snow melts"),
        ("The snow ", [" melts"], "The snow melts"),
        ("The snow ", ["melts"], "The snow melts"),
        ("The snow\n\n", ["\n", "\n\nmelts"], "The snow\n\n\nmelts"),
        ("The snow \n", [" - melts"], "The snow \n- melts"),
        ("I", ["I am"], "II am"),
        (LONG, [" fields."], LONG + " fields."),
        (LONG, [LONG, " fields."], LONG + " fields."),
        (LONG, [LONG[:5], LONG[5:] + " fields."], LONG + " fields."),
        (LONG + " ", [LONG, " fields."], LONG + " fields."),
        (LONG, [LONG[:5], "!"], LONG + LONG[:5] + "!"),
        (LONG, [LONG[:5]], LONG + LONG[:5]),
        (LONG, [], LONG),
    ],
)
def test_the_two_join(partial: str, texts: list[str], whole: str) -> None:
    assert partial + text_of(joined(partial, *texts)) == whole


@given(st.text("ab \n", max_size=40), st.text("ab \n", max_size=20), st.booleans(), st.data())
def test_however_it_comes_the_two_join(partial: str, rest: str, echoes: bool, data: st.DataObject) -> None:
    prefill = partial.rstrip()
    echoes = echoes and len(prefill) >= ECHO_CHARS_MIN
    # A model that goes on says the white space again that it was not shown.
    says = (prefill if echoes else "") + partial[len(prefill) :] + rest
    if not echoes and says.startswith(prefill):
        return  # then it can not be told from an echo
    edges = sorted(data.draw(st.sets(st.integers(0, len(says)))) | {0, len(says)})
    texts = [says[start:end] for start, end in itertools.pairwise(edges)]
    assert partial + text_of(joined(partial, *texts)) == partial + rest


def test_what_follows_is_numbered_on() -> None:
    joint = Joint("The snow", 2)
    items: list[Item] = [ev.Reasoning("hm", 0), ev.Chunk(" melts", 1), ev.UsageReport(Usage()), Finish("stop")]
    assert joint.take(items) == [ev.Reasoning("hm", 2), ev.Chunk(" melts", 3), *items[2:]]


def test_log_probabilities_stay_with_their_text() -> None:
    chunk = ev.Chunk(" melts", 0, None, {"content": []})
    assert Joint("The snow", 0).take([chunk]) == [chunk]

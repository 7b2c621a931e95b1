"""The judge of what pages showed finds what it must."""

from __future__ import annotations

import pytest

from tests.browser.states import State, States, problems

TEXT = "one two three"
GOOD = State("load", "run", "streaming", 3, "plain", "one two", 1)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (GOOD._replace(text="one two two"), "no beginning of the log's text"),
        (GOOD._replace(text="one two three four"), "no beginning of the log's text"),
        (GOOD._replace(text="one"), "takes back what was shown"),
        (GOOD._replace(cursor=2), "the cursor goes from 3 back to 2"),
        (GOOD._replace(answers=2), "2 answers at once"),
        (GOOD._replace(view="markdown"), "not shown as plain text"),
    ],
)
def test_a_wrong_state_is_found(state: State, problem: str) -> None:
    assert list(problems([GOOD, GOOD._replace(text=TEXT, cursor=4)], TEXT)) == []
    assert [each for each in problems([GOOD, state], TEXT) if problem in each]


def test_each_document_is_judged_by_itself() -> None:
    states = States()
    states.all = [GOOD, GOOD._replace(load="reloaded", text="", cursor=0), GOOD._replace(text=TEXT, cursor=4)]
    states.check("run", TEXT)
    assert [len(shown) for shown in states.of("run")] == [2, 1]
    with pytest.raises(AssertionError, match="no document showed other"):
        states.check("other", TEXT)

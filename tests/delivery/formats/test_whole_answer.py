"""A whole answer is silent until its end, and a failure or the server's end is one."""

from __future__ import annotations

import json

import pytest

from headwater.delivery.formats import anthropic_error, openai_error
from headwater.delivery.formats.openai_chat import Refuse
from headwater.delivery.formats.whole_answer import WholeAnswer
from headwater.domain import event as ev

REFUSE: list[Refuse] = [openai_error.refusal, anthropic_error.refusal]


@pytest.mark.parametrize("refuse", REFUSE)
def test_nothing_is_said_before_the_end(refuse: Refuse) -> None:
    answer = WholeAnswer(refuse)
    assert (answer.greeting(1000), answer.skip(3), answer.heartbeat, answer.ended) == (b"", b"", b"", False)
    assert answer.refusal(b"") is None


@pytest.mark.parametrize("refuse", REFUSE)
@pytest.mark.parametrize("event", [ev.Error("RATE_LIMIT", "Slow.", True, 1500), ev.Cancelled("user", 3)])
def test_a_failure_is_an_answer_in_the_words_of_its_api(refuse: Refuse, event: ev.Error | ev.Cancelled) -> None:
    answer = WholeAnswer(refuse)
    body = answer.failed(event)
    refusal = answer.refusal(body)
    assert refusal is not None
    assert (refusal.body, refusal.status, answer.ended) == (body, 429 if isinstance(event, ev.Error) else 499, True)
    assert json.loads(body)["error"]["message"] in ("Slow.", "The run was cancelled.")
    assert dict(refusal.headers).get(b"retry-after") == (b"2" if isinstance(event, ev.Error) else None)


@pytest.mark.parametrize("refuse", REFUSE)
def test_so_is_the_end_of_the_server(refuse: Refuse) -> None:
    answer = WholeAnswer(refuse)
    refusal = answer.refusal(answer.farewell(1000))
    assert refusal is not None
    assert (dict(refusal.headers)[b"x-should-retry"], answer.ended) == (b"true", True)

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from headwater.client.errors import ParseError
from headwater.client.resources import RunPage, RunResource, decode
from headwater.domain.run import Owner, RunState
from headwater.domain.snapshot import fold
from tests.kit.run_log import RUN, log_of, run_json


def test_a_run_with_its_snapshot() -> None:
    snapshot = fold(log_of("Hello"))
    run = decode(run_json("completed", snapshot=msgspec.json.encode(snapshot).decode()), RunResource)
    assert (run.id, run.state, run.owner) == (RUN, RunState.COMPLETED, Owner("local", "local"))
    assert run.created_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert run.ended_at == datetime(2026, 11, 21, 10, 0, 1, tzinfo=UTC)
    assert run.snapshot == snapshot
    assert run.request is None


def test_a_run_with_what_it_was_asked() -> None:
    """A newer server may take more than this client knows of."""
    asked = '{"model":"simulated","messages":[{"role":"user","content":"Hi","new_in_2030":1}],"new_in_2030":1}'
    assert decode(run_json(request=asked), RunResource).request == json.loads(asked)


def test_a_page_of_runs() -> None:
    page = decode(b'{"runs":[%b,%b],"next":"abc"}' % (run_json(), run_json("failed")), RunPage)
    assert [run.state for run in page.runs] == [RunState.RUNNING, RunState.FAILED]
    assert page.next == "abc"
    assert page.runs[0].snapshot is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id":"run_1"}'])
def test_what_is_not_a_run_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(ParseError):
        decode(body, RunResource)


def test_a_state_of_a_later_version_is_read_as_it_is() -> None:
    assert decode(run_json("asleep"), RunResource).state == "asleep"
    assert decode(run_json("failed"), RunResource).state is RunState.FAILED

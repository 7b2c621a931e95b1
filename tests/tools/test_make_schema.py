"""The schema is made from the code, is kept equal to it, and says yes and no to the right records."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.snapshot import fold
from tests.domain.generated import events
from tools import make_schema

VALIDATOR = jsonschema.Draft202012Validator(make_schema.schema())


def test_the_file_is_what_the_tool_writes() -> None:
    assert make_schema.FILE.read_text(encoding="utf-8") == make_schema.rendered(), "run python tools/make_schema.py"


def test_the_tool_writes_and_checks(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_schema, "FILE", tmp_path / "spec" / "events.schema.json")
    assert make_schema.main(["--check"]) == 1
    assert make_schema.main([]) == 0
    assert make_schema.main(["--check"]) == 0
    make_schema.FILE.write_text("{}")
    assert make_schema.main(["--check"]) == 1


def test_it_is_a_schema_and_names_every_type() -> None:
    schema = make_schema.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [each["title"] for each in schema["oneOf"]] == [*ev.EVENT_TYPES, "unknown"]


@given(st.integers(1, 2**53), st.integers(0, 2**53), events().filter(lambda e: not isinstance(e, ev.SnapshotEvent)))
def test_every_record_that_is_written_is_valid(seq: int, t: int, event: Any) -> None:
    VALIDATOR.validate(json.loads(ev.encode_record(seq, t, event)))


def test_a_snapshot_record_is_valid() -> None:
    snapshot = fold([ev.Record(1, 0, ev.Call(1, "answer", "p", "m")), ev.Record(2, 0, ev.Chunk("hi", 0))])
    VALIDATOR.validate(json.loads(ev.encode_record(2, 0, ev.SnapshotEvent(snapshot))))


GOOD = json.loads(ev.encode_record(1, 0, ev.Complete("stop", Usage(), "hi", 2)))


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"seq": "1"},
        {"t": -1},
        {"type": 1},
        {"data": {}},
        {"data": []},
        {"data": {**GOOD["data"], "finish_reason": 1}},
        {"type": "chunk"},
        {"type": "usage", "data": {"input_tokens": "9"}},
        {"type": "snapshot", "data": {"snapshot": {}}},
        {"type": "cancelled", "data": {"by": None, "partial_bytes": 0}},
    ],
)
def test_what_is_not_a_record_is_not_valid(change: dict[str, Any]) -> None:
    VALIDATOR.validate(GOOD)
    assert not VALIDATOR.is_valid({**GOOD, **change})


def test_an_older_reader_takes_what_a_later_version_adds() -> None:
    VALIDATOR.validate({**GOOD, "data": {**GOOD["data"], "more": 1}, "more": 2})
    VALIDATOR.validate({**GOOD, "data": {**GOOD["data"], "finish_reason": "because"}})
    VALIDATOR.validate({"seq": 1, "t": 0, "type": "weather", "data": msgspec.json.decode(b"[1]")})

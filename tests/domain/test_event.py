"""The codec: what is written is read back the same, one line a record, whatever text and types do."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain import event as ev
from headwater.domain.message import Usage
from tests.domain.generated import JSON, TEXT, events, struct

SEQ = st.integers(1, 2**53)


@given(SEQ, SEQ, events())
def test_a_record_is_read_back_as_it_was_written(seq: int, t: int, event: Any) -> None:
    payload = ev.encode_record(seq, t, event)
    assert ev.decode_record(payload) == (seq, t, event)


@given(SEQ, SEQ, events())
def test_a_record_is_one_line_of_json_that_any_parser_reads(seq: int, t: int, event: Any) -> None:
    payload = ev.encode_record(seq, t, event)
    assert not set(payload) & set(b"\r\n\0")
    record = json.loads(payload)
    assert list(record) == ["seq", "t", "type", "data"]
    assert (record["seq"], record["t"]) == (seq, t)
    assert record["type"] == (event.name if isinstance(event, ev.Unknown) else event.type)
    assert isinstance(event, ev.Unknown) or isinstance(record["data"], dict)


@given(TEXT, st.integers(0, 2**31))
def test_the_quick_way_for_chunks_writes_what_the_plain_way_writes(content: str, index: int) -> None:
    quick = ev.encode_record(1, 2, ev.Chunk(content, index))
    slow = b'{"seq":1,"t":2,"type":"chunk","data":%b}' % msgspec.json.encode(ev.Chunk(content, index))
    assert quick == slow


@given(st.text(st.characters()), JSON)
def test_half_a_surrogate_pair_becomes_a_replacement_character(text: str, value: Any) -> None:
    mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for write in (
        lambda text: ev.Chunk(text, 0),
        lambda text: ev.Status("queued", text),
        lambda text: ev.Annotation("p", {text: [text, value]}),
        lambda text: ev.Unknown("later", {"x": text}),
    ):
        assert ev.decode_record(ev.encode_record(1, 0, write(text))).event == write(mended)


def test_a_whole_surrogate_pair_in_two_code_units_becomes_its_letter() -> None:
    record = ev.decode_record(ev.encode_record(1, 0, ev.Chunk("\ud83d\ude00", 0)))
    assert record.event == ev.Chunk("😀", 0)


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**64), 10**400, 1.5e300])
def test_a_provider_s_number_is_kept_whatever_its_size(number: float) -> None:
    event = ev.ProviderData("p", {"n": [number]})
    assert ev.decode_record(ev.encode_record(1, 0, event)).event == event


def test_usage_is_flat_on_the_wire() -> None:
    usage = Usage(9, 1, 33, 2, 0.5, "provider")
    flat = {
        "input_tokens": 9,
        "cached_input_tokens": 1,
        "output_tokens": 33,
        "reasoning_tokens": 2,
        "cost_usd": 0.5,
        "source": "provider",
    }
    assert json.loads(ev.encode_record(3, 4, ev.UsageReport(usage))) == {
        "seq": 3,
        "t": 4,
        "type": "usage",
        "data": flat,
    }
    several = json.loads(ev.encode_record(3, 4, ev.UsageReport(usage, call=2)))
    assert several["data"] == {**flat, "call": 2}
    written = msgspec.structs.replace(usage, cache_write_tokens=5, cache_write_1h_tokens=3)
    payload = ev.encode_record(3, 4, ev.UsageReport(written))
    assert json.loads(payload)["data"] == {**flat, "cache_write_tokens": 5, "cache_write_1h_tokens": 3}
    assert ev.decode_record(payload).event == ev.UsageReport(written)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'{"seq":1,"t":0,"type":"chunk"}',
        b'{"seq":"1","t":0,"type":"chunk","data":{"content":"","index":0}}',
        b'{"seq":1,"t":0,"type":"chunk","data":{"content":1,"index":0}}',
        b'{"seq":1,"t":0,"type":"chunk","data":[]}',
        b'{"seq":1,"t":0,"type":"usage","data":[]}',
        b'{"seq":1,"t":0,"type":"usage","data":{"input_tokens":"9"}}',
        b'{"seq":1,"t":0,"type":"usage","data":{"call":"2"}}',
        b'{"seq":1,"t":0,"type":"complete","data":{"finish_reason":1,"usage":{}}}',
        b'{"seq":1,"t":0,"type":"status","data":{"state":"x"}}}',
    ],
)
def test_what_is_not_a_record_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        ev.decode_record(payload)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_decode_error(payload: bytes) -> None:
    for body in (payload, b'{"seq":1,"t":0,"type":"x","data":%b}' % payload):
        try:
            ev.decode_record(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass


@pytest.mark.parametrize("name", sorted(ev.EVENT_TYPES))
def test_fields_that_are_not_known_are_passed_over(name: str) -> None:
    @given(struct(ev.EVENT_TYPES[name]))
    def check(event: Any) -> None:
        record = json.loads(ev.encode_record(1, 0, event))
        record["data"]["a_later_version_says"] = {"more": [1]}
        assert ev.decode_record(json.dumps(record).encode()).event == event

    check()


def test_a_type_that_is_not_known_is_kept_whole() -> None:
    payload = b'{"seq":1,"t":0,"type":"weather","data":{"sky":["blue",1.5,null]}}'
    record = ev.decode_record(payload)
    assert record.event == ev.Unknown("weather", {"sky": ["blue", 1.5, None]})
    assert ev.encode_record(*record) == payload


@pytest.mark.parametrize("name", sorted(ev.EVENT_TYPES))
def test_nobody_can_forge_a_known_type(name: str) -> None:
    with pytest.raises(ValueError):
        ev.encode_record(1, 0, ev.Unknown(name, {}))


def test_only_the_three_ends_are_final() -> None:
    ends = {name for name, cls in ev.EVENT_TYPES.items() if ev.is_final(_least_of(cls))}
    assert ends == {"complete", "error", "cancelled"} == set(ev.FINAL_TYPES)
    assert not ev.is_final(ev.Unknown("final", {}))


def _least_of(cls: type[Any]) -> Any:
    """An event of the smallest data that its type takes: the required fields only."""
    values: dict[Any, Any] = {str: "", int: 0, bool: False, dict[str, Any]: {}, Usage: {}, Any: None}
    choices = {ev.Role: "answer", ev.CancelledBy: "user", ev.FinishReason: "stop"}
    data = {
        field.name: values.get(field.type, choices.get(field.type, "info"))
        for field in msgspec.structs.fields(cls)
        if field.required
    }
    return msgspec.convert(data, cls)

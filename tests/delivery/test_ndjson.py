"""A record a line."""

import json

from headwater.delivery.ndjson import NDJSON


def test_lines_that_are_not_empty_are_records() -> None:
    body = (
        NDJSON.greeting(1000)
        + NDJSON.record(1, b'{"seq":1}')
        + NDJSON.heartbeat
        + NDJSON.skip(5)
        + NDJSON.record(6, b'{"seq":6}')
        + NDJSON.farewell(1000)
    )
    assert [json.loads(line)["seq"] for line in body.split(b"\n") if line] == [1, 6]
    assert body.endswith(b"\n")

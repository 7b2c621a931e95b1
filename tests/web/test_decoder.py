"""The two decoders of event streams, Python's and TypeScript's, make the same of every body and every cut."""

from __future__ import annotations

import base64
import json

import pytest

from tests.web.node import run_node
from tests.wire.feeding import read
from tests.wire.test_sse_oracles import KINDS, of_kind


@pytest.mark.parametrize("kind", KINDS)
def test_both_make_the_same_of_a_body(kind: str) -> None:
    bodies = of_kind(kind)
    questions = [{"body": base64.b64encode(body).decode(), "cuts": sorted(cuts)} for body, cuts in bodies.values()]
    done = run_node("test/decode.ts", stdin=json.dumps(questions))
    assert done.returncode == 0, done.stderr
    for (name, (body, _)), answer in zip(bodies.items(), json.loads(done.stdout), strict=True):
        expected = read([body])
        assert answer == {
            "frames": [{"data": f.data.decode(), "event": f.event, "id": f.id} for f in expected.frames],
            "comments": expected.comments,
            "last_event_id": expected.last_event_id,
            "retry_ms": expected.retry_ms,
        }, name

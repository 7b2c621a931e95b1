"""A run as it is shown has the members and forms that the protocol writes down."""

import json
from typing import Any

import msgspec

from headwater.api.resources import RunResource, run_resource, run_summary
from headwater.domain import event as ev
from headwater.domain.message import Message, Usage
from headwater.domain.run import LOCAL_OWNER, Run, RunMetrics, RunRequest, RunState
from headwater.domain.snapshot import Snapshot, fold

#: The run of PROTOCOL, "Bodies".
PROTOCOL: dict[str, Any] = json.loads("""
{"id": "run_…", "workflow": "chat", "model": "simulated", "state": "running", "created_at": "2026-11-21T10:00:00.000Z",
 "ended_at": null, "tail": 41, "owner": {"org": "local", "user": "local"}, "retry_of": null, "metadata": {},
 "request": {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]},
 "snapshot": {"seq": 41, "text": "…", "parts": [{"index": 0, "kind": "text", "text": "…"}], "reasoning": "…",
   "refusal": "", "value": null, "tool_calls": [],
   "calls": [{"call": 1, "role": "answer", "model": "simulated", "attempt": 1, "finish_reason": null}], "state": {},
   "usage": {"input_tokens": 9, "cached_input_tokens": 0, "output_tokens": 33, "reasoning_tokens": 0, "cost_usd": null,
             "source": "estimated"},
   "finish_reason": null, "error": null, "result": null}}
""")
#: What is shown beyond it: readers pass over what they do not know.
BEYOND = {"metrics"}
REQUEST = RunRequest("simulated", messages=[Message("user", "Hello")])
RUN = Run("run_1", LOCAL_OWNER, REQUEST, 1_795_255_200_000, state=RunState.RUNNING)


def halfway() -> Snapshot:
    events: list[ev.Event] = [
        ev.Call(1, "answer", "simulated", "simulated"),
        ev.Reasoning("hm", 0),
        ev.Chunk("Hi", 1),
        ev.UsageReport(Usage(9, 0, 33, 0, None, "estimated")),
    ]
    return fold([ev.Record(seq, 0, event) for seq, event in enumerate(events, 1)])


def test_a_run_has_the_protocol_s_members() -> None:
    shown = json.loads(msgspec.json.encode(run_resource(RUN, halfway())))
    assert set(shown) == set(PROTOCOL) | BEYOND
    snapshot, wanted = shown["snapshot"], PROTOCOL["snapshot"]
    assert set(snapshot) == set(wanted)
    assert set(snapshot["calls"][0]) == set(wanted["calls"][0]) | {"provider"}
    assert set(snapshot["parts"][0]) == set(wanted["parts"][0])
    assert snapshot["usage"] == wanted["usage"]
    assert shown["request"] == PROTOCOL["request"]
    assert shown["created_at"] == PROTOCOL["created_at"]
    assert (shown["tail"], shown["ended_at"]) == (4, None)


def test_the_protocol_s_run_is_a_run() -> None:
    example = json.loads(json.dumps(PROTOCOL))
    example["metrics"] = None
    example["snapshot"]["calls"][0]["provider"] = "simulated"
    assert msgspec.convert(example, RunResource).snapshot.usage == Usage(9, 0, 33, 0, None, "estimated")


def test_a_summary_is_the_run_without_its_request_and_snapshot() -> None:
    ended = msgspec.structs.replace(
        RUN, state=RunState.COMPLETED, ended_at_ms=1_795_255_201_500, retry_of="run_0", metrics=RunMetrics(chunks=2)
    )
    shown = json.loads(msgspec.json.encode(run_summary(ended, 7)))
    assert set(shown) == (set(PROTOCOL) | BEYOND) - {"request", "snapshot"}
    assert (shown["tail"], shown["state"], shown["retry_of"]) == (7, "completed", "run_0")
    assert shown["ended_at"] == "2026-11-21T10:00:01.500Z"
    assert shown["metrics"] == {"chunks": 2}

"""One record is one event, whatever is in it: four parsers that know nothing of each other must agree."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from ld_eventsource.actions import Event
from ld_eventsource.reader import _BufferedLineReader, _SSEReader

from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Finish
from headwater.wire.sse import SSEDecoder
from tests.api.composed import HELLO, RunningApi
from tests.api.test_events import ended_run, read
from tests.corpora import naughty_strings
from tests.wire.feeding import pieces
from tests.wire.oracles import eventsource_parser, httpx_sse_frames

#: What could end a line, a block or a stream, begin another field, or be cut in half.
EVIL = [
    "\n\nevent: x\ndata: forged\n\n",
    "\r\rdata: forged\r\r",
    "\r\n\r\nid: 99\r\ndata: forged\r\n\r\n",
    "\ndata: forged",
    "\nid: 99",
    "\nid:\0",
    "\nretry: 0\n",
    "\n: comment\n",
    "\0",
    "\x85\x85data: forged\x85\x85",
    "\u2028\u2028data: forged\u2028\u2028",
    "\u2029\u2029event: x\u2029data: forged\u2029\u2029",
    "\x0b\x0cdata: forged\x1c\x1d\x1e\x1f",
    "\ufeffdata: forged",
    "[DONE]",
    '"}}\n\ndata: {"seq":99}',
    "\\n\\ndata: forged",
    "😀" * 3,
    "\ud800",
    "\x1b[2J\x07",
    "</script><script>alert(1)</script>",
    " leading and trailing ",
    "",
]
Seen = list[tuple[str, str, str]]
Parser = Callable[[bytes, Sequence[int]], Seen]


def ours(body: bytes, cuts: Sequence[int]) -> Seen:
    decoder = SSEDecoder()
    frames = [frame for piece in pieces(body, cuts) for frame in decoder.feed(piece)]
    return [(frame.id or "", frame.event, bytes(frame.data).decode()) for frame in [*frames, *decoder.end()]]


def by_httpx_sse(body: bytes, cuts: Sequence[int]) -> Seen:
    frames = httpx_sse_frames(body, cuts)
    # it also reports blocks without data, such as the `retry:` that a stream begins with
    return [(f.id or "", "" if f.event == "message" else f.event, bytes(f.data).decode()) for f in frames if f.data]


def by_launchdarkly(body: bytes, cuts: Sequence[int]) -> Seen:
    reader = _SSEReader(_BufferedLineReader.lines_from(pieces(body, cuts)))
    events = [each for each in reader.events_and_comments() if isinstance(each, Event)]
    return [(each.last_event_id or "", "" if each.event == "message" else each.event, each.data) for each in events]


def by_eventsource_parser(body: bytes, cuts: Sequence[int]) -> Seen:
    frames = eventsource_parser({"body": (body, list(cuts))})["body"].frames
    return [(frame.id or "", frame.event, bytes(frame.data).decode()) for frame in frames]


PARSERS: dict[str, Parser] = {
    "ours": ours,
    "httpx-sse": by_httpx_sse,
    "launchdarkly-eventsource": by_launchdarkly,
    "eventsource-parser": by_eventsource_parser,
}


def everywhere(evil: str) -> list[ev.Event]:
    """Events of every type with this text in every field that takes any."""
    usage = Usage(1)
    return [
        ev.Status(evil, evil),
        ev.Context({evil: [evil]}),
        ev.Call(1, "answer", evil, evil),
        ev.Attempt(1, 2, evil, evil, evil),
        ev.Chunk(evil, 0),
        ev.Chunk(evil, 0, logprobs=[{evil: evil}]),
        ev.Reasoning(evil, 0),
        ev.Refusal(evil, 0),
        ev.ToolCall(evil, evil, evil),
        ev.Annotation(evil, {evil: evil}),
        ev.ProviderData(evil, evil),
        ev.Field(evil, evil, True),
        ev.Iteration(1, {evil: evil}),
        ev.Log("info", evil),
        ev.UsageReport(usage),
        ev.Unknown("later " + evil, {evil: evil}),
    ]


@pytest.mark.parametrize("parser", PARSERS)
async def test_a_record_is_one_event(api: RunningApi, parser: str) -> None:
    events = [event for evil in EVIL for event in everywhere(evil)]
    run = await ended_run(api, *events)
    body = (await read(api, run)).content
    stored = [*(await api.storage.log.read(run, 0)).payloads]
    for cuts in ([], list(range(1, len(body), 997))):
        seen = PARSERS[parser](body, cuts)
        assert [cursor for cursor, _, _ in seen] == [str(n + 1) for n in range(len(stored))]
        assert {name for _, name, _ in seen} == {""}, "no event has a name of its own"
        assert [data.encode() for _, _, data in seen] == stored


@pytest.mark.parametrize("parser", PARSERS)
async def test_naughty_strings_are_one_event_each(api: RunningApi, parser: str) -> None:
    strings = naughty_strings() or EVIL[:-1]
    run = await ended_run(api, *[ev.Chunk(string, 0) for string in strings])
    seen = PARSERS[parser]((await read(api, run)).content, [])
    assert [json.loads(data)["data"]["content"] for _, _, data in seen[:-1]] == strings


async def test_lines_are_lines_for_those_who_split_at_newlines(api: RunningApi) -> None:
    run = await ended_run(api, *[event for evil in EVIL for event in everywhere(evil)])
    body = (await read(api, run, accept="application/x-ndjson")).content
    stored = (await api.storage.log.read(run, 0)).payloads
    assert [line for line in body.split(b"\n") if line] == [*stored]
    assert b"\r" not in body


# ── through a model, not only from the log ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("evil", [evil for evil in EVIL if evil not in ("", "\ud800")], ids=ascii)
async def test_what_a_model_says_is_text(api: RunningApi, evil: str) -> None:
    """A provider's bytes can neither choose our event types nor end a record (SECURITY 12, 13)."""
    api.prompter.script = [
        [ev.Chunk(evil, 0), ev.Reasoning(evil, 0), ev.ToolCall(evil or "id", evil, evil, True)],
        [ev.Annotation("prompter", {evil: evil}), Finish("stop", evil)],
    ]
    request = {**HELLO, "messages": [{"role": "user", "content": evil, "name": evil}], "metadata": {evil[:64]: evil}}
    response = await api.client.post("/api/v1/runs", json=request, headers={"accept": "text/event-stream"})
    assert response.status_code == 201, response.text
    seen = {name: parse(response.content, []) for name, parse in PARSERS.items() if name != "eventsource-parser"}
    assert seen["ours"] == seen["httpx-sse"] == seen["launchdarkly-eventsource"]
    records = [json.loads(data) for _, _, data in seen["ours"]]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert {record["type"] for record in records} <= set(ev.EVENT_TYPES)
    assert records[-1]["type"] == "complete"
    said = "".join(record["data"]["content"] for record in records if record["type"] == "chunk")
    assert said == evil
    shown = (await api.client.get(response.headers["location"])).json()
    assert (shown["metadata"], shown["snapshot"]["text"]) == ({evil[:64]: evil}, evil)


@pytest.mark.parametrize("evil", EVIL[:12], ids=ascii)
async def test_what_a_failing_provider_says_is_text(api: RunningApi, evil: str) -> None:
    class Failing(type(api.prompter)):  # type: ignore[misc]
        async def stream(self, request: Any, *, connect_s: Any) -> Any:
            yield []
            raise ProviderError(ErrorCode.SERVER, evil, provider="prompter", detail=evil)

    api.prompter.__class__ = Failing
    response = await api.client.post("/api/v1/runs", json=HELLO, headers={"accept": "text/event-stream"})
    seen = ours(response.content, [])
    assert seen == by_httpx_sse(response.content, []) == by_launchdarkly(response.content, [])
    last = msgspec.json.decode(seen[-1][2])
    assert (last["type"], last["data"]["message"]) == ("error", evil)

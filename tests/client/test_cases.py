"""spec/cases with the Python client: the other clients' runners read the same files."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import httpx2
import msgspec
import pytest

from headwater.client import ClientError, HeadwaterClient, Message, RetryPolicy, RunRequest, SSEStreamReader, Timing
from headwater.domain import event as ev
from headwater.domain.snapshot import Fold
from headwater.errors import WireError
from headwater.wire.sse import Frame, SSEDecoder, encode_comment, encode_event, record_frame
from tests.kit.run_log import RUN, SSE_HEAD, Naps, after, json_answer, run_json
from tests.kit.upstream import EndWithoutTerminator, Received, Reset, ScriptedUpstream, Send, Status, Step
from tests.recordings import PROJECT_ROOT

Case = dict[str, Any]
CASES = PROJECT_ROOT / "spec" / "cases"
OPENING = encode_comment("ok") + encode_event(None, retry_ms=500)
#: how the cases name what is asked for
ASKED_AS = {"text/event-stream": "", "application/x-ndjson": "lines ", "application/json": "page "}
ENDS: dict[str, list[Step]] = {"clean": [], "cut": [EndWithoutTerminator()], "reset": [Reset()]}


def cases_of(name: str) -> pytest.MarkDecorator:
    """The cases of a file, as parameters with their names."""
    cases = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    assert len({case["name"] for case in cases}) == len(cases), "two cases have one name"
    return pytest.mark.parametrize(
        "case",
        [pytest.param(case, id=case["name"], marks=pytest.mark.slow if is_many(case) else ()) for case in cases],
    )


def is_many(case: Case) -> bool:
    """Whether this case of follow.json is one for every byte of the first answer."""
    first = case.get("answers", [None])[0]
    return isinstance(first, dict) and first.get("cut_at") == "every"


# Bytes to frames.


@cases_of("frames")
def test_frames(case: Case) -> None:
    body = base64.b64decode(case["body_base64"]) if "body_base64" in case else case["body"].encode()
    check_frames(case, [body])
    check_frames(case, [body[at : at + 1] for at in range(len(body))])
    for cut in range(len(body)):
        check_frames(case, [body[:cut], body[cut:]])


def check_frames(case: Case, pieces: Sequence[bytes]) -> None:
    limits = {f"{name}_bytes_max": case[f"{name}_max"] for name in ("line", "event") if f"{name}_max" in case}
    decoder = SSEDecoder(**limits)
    frames: list[Frame] = []
    faulty = False
    try:
        for piece in pieces:
            frames += decoder.feed(piece)
        decoder.end()
    except WireError:
        faulty = True
    assert [{"data": f.data.decode(), "event": f.event, "id": f.id} for f in frames] == case["frames"]
    assert faulty == case.get("fault", False)
    for name in ("comments", "retry_ms", "last_event_id"):
        assert getattr(decoder, name) == case.get(name, getattr(decoder, name))


# A server with faults.

FOLLOW_LOG = json.loads((CASES / "follow.json").read_text(encoding="utf-8"))["log"]


@cases_of("follow")
async def test_follow(case: Case) -> None:
    if not is_many(case):
        await check_follow(case, None)
        return
    for cut in range(len(body_of(case, case["answers"][0]["send"])) + 1):
        await check_follow(case, cut)


@cases_of("pages")
async def test_pages(case: Case) -> None:
    await check_follow(case, None, fallback=case.get("fallback", True))


async def check_follow(case: Case, cut: int | None, *, fallback: bool = False) -> None:
    def script(received: Received) -> Iterable[Step]:
        number = min(received.number, len(case["answers"])) - 1
        return steps_of(case, case["answers"][number], received, cut if number == 0 else None)

    naps = Naps()
    policy = RetryPolicy(tries_max=case.get("tries_max", 3))
    seen: list[ev.Record] = []
    failure: ClientError | None = None
    async with ScriptedUpstream(script) as upstream:
        timing = Timing(sleep=naps)
        async with HeadwaterClient(
            upstream.origin,
            call_retry=policy,
            follow_retry=policy,
            timing=timing,
            fallback=fallback,
            random=lambda: 1.0,
        ) as client:
            via = case.get("via", "sse")
            request = RunRequest(model="simulated", messages=[Message("user", "Hi")])
            subscription = (
                client.start_and_follow(request, via=via)
                if case.get("start")
                else client.follow(RUN, case.get("after", 0), via=via)
            )
            try:
                async for record in subscription:
                    seen.append(record)
            except ClientError as error:
                failure = error
        requests = upstream.requests
    log = [ev.decode_record(encoded(record)) for record in case.get("log", FOLLOW_LOG)]
    assert seen == [log[seq - 1] for seq in case["sees"]], f"cut at {cut}"
    assert (failure and {"name": type(failure).__name__, "code": failure.code}) == case.get("error")
    if cut is None:
        assert [asked(received) for received in requests] == case["requests"]
        assert [delay_s * 1000 for delay_s in naps.delays_s] == case.get("waits_ms", [])
    starts = [received for received in requests if received.method == "POST"]
    assert len({(start.headers["idempotency-key"], start.body) for start in starts}) == (1 if starts else 0)


def asked(received: Received) -> str:
    accept = received.headers["accept"]
    if received.method == "POST":
        assert received.path == "/api/v1/runs"
        return "start" if accept == "text/event-stream" else "start run"
    path, _, query = received.path.partition("?")
    assert path == f"/api/v1/runs/{RUN}/events"
    return ASKED_AS[accept] + query.partition("&")[0]


def steps_of(case: Case, answer: Any, received: Received, cut: int | None) -> list[Step]:
    if answer == "rest":
        answer = {"status": 200, "send": ["opening", *range(after(received) + 1, len(case.get("log", FOLLOW_LOG)) + 1)]}
    if answer == "page rest":
        seqs = range(after(received) + 1, len(FOLLOW_LOG) + 1)
        return page_of(list(seqs), closed=True)
    if answer.get("lost"):
        return [EndWithoutTerminator()]
    if answer.get("run"):
        return json_answer(run_json(), answer["status"])
    if "page" in answer:
        return page_of(answer["page"], closed=answer.get("closed", False))
    if "lines" in answer:
        lines = b"".join(encoded(FOLLOW_LOG[seq - 1]) + b"\n" for seq in answer["lines"])
        head = {**SSE_HEAD, "Content-Type": "application/x-ndjson"}
        return [Status(200, head), Send(lines), *ENDS[answer.get("end", "clean")]]
    if "send" in answer:
        body = body_of(case, answer["send"])
        end = ENDS["cut" if cut is not None else answer.get("end", "clean")]
        return [Status(answer["status"], SSE_HEAD), Send(body[:cut]), *end]
    if answer["status"] == 204:
        return [Status(204, {}, framing="length")]
    text, media = answer.get("body", ""), "text/plain"
    if "problem" in answer:
        text, media = json.dumps(answer["problem"]), "application/problem+json"
    headers = {"Content-Type": media, **answer.get("headers", {})}
    return [Status(answer["status"], headers, text.encode(), framing="length")]


def page_of(seqs: list[int], *, closed: bool) -> list[Step]:
    page = {
        "records": [FOLLOW_LOG[seq - 1] for seq in seqs],
        "tail": len(FOLLOW_LOG),
        "closed": closed,
        "last": seqs[-1] if seqs else 0,
    }
    return json_answer(encoded(page))


def body_of(case: Case, send: list[Any]) -> bytes:
    body = b""
    for item in send:
        if item == "opening":
            body += OPENING
        elif isinstance(item, int):
            body += record_frame(item, encoded(case.get("log", FOLLOW_LOG)[item - 1]))
        else:
            body += item["raw"].encode()
    return body


def encoded(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


# Other people's streams.


@cases_of("forms")
@pytest.mark.parametrize("piece_bytes", [None, 1])
async def test_forms(case: Case, piece_bytes: int | None) -> None:
    body = case["body"].encode()
    pieces = [body] if piece_bytes is None else [body[at : at + 1] for at in range(len(body))]
    reader = SSEStreamReader(spoken(pieces, whole=case.get("ends") != "cut"))
    records: list[ev.Record] = []
    failure: ClientError | None = None
    try:
        async for record in reader.read_events():
            records.append(record)
    except ClientError as error:
        failure = error
    assert (reader.form and reader.form.name) == case["form"]
    assert (failure and {"name": type(failure).__name__, "code": failure.code}) == case.get("error")
    assert [(record.seq, record.t) for record in records] == [(seq, 0) for seq in range(1, len(records) + 1)]
    assert len(records) == len(case["events"])
    for record, expected in zip(records, case["events"], strict=True):
        # What the case leaves out has its default: decoding fills it in, on both sides.
        usage: Case = {"usage": {}} if expected["type"] == "complete" else {}
        meant = {"seq": record.seq, "t": 0, "type": expected["type"], "data": {**usage, **expected["data"]}}
        assert record == ev.decode_record(encoded(meant))


def spoken(pieces: Sequence[bytes], *, whole: bool) -> httpx2.Response:
    """A response whose body comes in these pieces, and breaks behind the last of them unless it is whole."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        if not whole:
            raise httpx2.RemoteProtocolError("peer closed connection without sending complete message body")

    return httpx2.Response(200, headers={"Content-Type": "text/event-stream"}, content=body())


# Records to a snapshot.


@cases_of("fold")
def test_fold(case: Case) -> None:
    fold = Fold()
    fold.apply_all(ev.decode_record(encoded(record)) for record in case["records"])
    assert msgspec.to_builtins(fold.snapshot()) == case["snapshot"]

"""spec/cases with the Python client: the other clients' runners read the same files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from headwater.client import ClientError, HeadwaterClient, Message, RetryPolicy, RunRequest, Timing
from headwater.domain import event as ev
from headwater.domain.snapshot import Fold
from headwater.errors import WireError
from headwater.wire.sse import Frame, SSEDecoder, encode_comment, encode_event, record_frame
from tests.kit.run_log import RUN, SSE_HEAD, Naps, after
from tests.kit.upstream import EndWithoutTerminator, Received, Reset, ScriptedUpstream, Send, Status, Step
from tests.recordings import PROJECT_ROOT

Case = dict[str, Any]
CASES = PROJECT_ROOT / "spec" / "cases"
OPENING = encode_comment("ok") + encode_event(None, retry_ms=500)
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


async def check_follow(case: Case, cut: int | None) -> None:
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
            upstream.origin, call_retry=policy, follow_retry=policy, timing=timing, random=lambda: 1.0
        ) as client:
            request = RunRequest(model="simulated", messages=[Message("user", "Hi")])
            subscription = (
                client.start_and_follow(request) if case.get("start") else client.follow(RUN, case.get("after", 0))
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
    if received.method == "POST":
        assert received.path == "/api/v1/runs"
        return "start"
    path, _, query = received.path.partition("?")
    assert path == f"/api/v1/runs/{RUN}/events"
    return query


def steps_of(case: Case, answer: Any, received: Received, cut: int | None) -> list[Step]:
    if answer == "rest":
        answer = {"status": 200, "send": ["opening", *range(after(received) + 1, len(case.get("log", FOLLOW_LOG)) + 1)]}
    if answer.get("lost"):
        return [EndWithoutTerminator()]
    if "send" in answer:
        body = body_of(case, answer["send"])
        end = ENDS["cut" if cut is not None else answer.get("end", "clean")]
        return [Status(answer["status"], SSE_HEAD), Send(body[:cut]), *end]
    if answer["status"] == 204:
        return [Status(204, {}, framing="length")]
    text, media = answer.get("body", ""), "text/plain"
    if "problem" in answer:
        text, media = json.dumps(answer["problem"]), "application/problem+json"
    headers = {"Content-Type": media, "X-Run-Id": RUN, **answer.get("headers", {})}
    return [Status(answer["status"], headers, text.encode(), framing="length")]


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


def encoded(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


# Records to a snapshot.


@cases_of("fold")
def test_fold(case: Case) -> None:
    fold = Fold()
    fold.apply_all(ev.decode_record(encoded(record)) for record in case["records"])
    assert msgspec.to_builtins(fold.snapshot()) == case["snapshot"]

"""Faults 14, 17 and 21 to 27, against the product: what is called again, how often, and what readers are told of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import SCRIPTED, Scene, error_of, figure, json_line, side_by_side
from tests.kit.answer import Record, answer_text
from tests.kit.client import call
from tests.kit.product import Product, compatible_model
from tests.kit.script import (
    DONE,
    EndCleanly,
    EndWithoutTerminator,
    Send,
    Stall,
    Status,
    Step,
    chat_chunk,
    chat_stream,
)
from tests.kit.upstream import Script, ScriptedUpstream

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

REQUESTS = 200
#: Retries come at once, so that a test takes no longer than it must; all else is as it is by default.
SOON = {"backoff_s": 0.0}
OTHER = "other"


def refusal(status: int, error: Mapping[str, Any] | None = None, **headers: str) -> list[Step]:
    body = json.dumps({"error": {"message": "no", **(error or {})}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [Status(status, {"Content-Type": "application/json", **named}, body, "length"), EndCleanly()]


def with_models(
    data: Path, upstream: ScriptedUpstream, other: ScriptedUpstream | None = None, **resilience: float
) -> Product:
    rows = [compatible_model(SCRIPTED, upstream.base_url)]
    if other is not None:
        rows.append(compatible_model(OTHER, other.base_url))
    return Product(data, config={"resilience": {**SOON, **resilience}, "models": rows})


def told(records: Sequence[Record]) -> list[Any]:
    """The steps between tries: the states of `status`, and each `attempt` as reason and what it supersedes."""
    steps: list[Any] = []
    for record in records:
        if record.type == "status" and record.data["state"] in ("retrying", "falling_back"):
            steps.append(record.data["state"])
        elif record.type == "attempt":
            steps.append((record.data["reason"], record.data.get("supersedes_from")))
    return steps


async def ended(scene: Scene, prompt: str = "Hello", **request: Any) -> list[Record]:
    """A run's records, read by a reader that is judged."""
    run = await scene.start(prompt, model=SCRIPTED, **request)
    reader = scene.reader(run)
    await reader.read_on(scene.port)
    return await scene.records(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "breaker_failures"),
    [(500, 5), (503, 5), (529, 5), (503, 0)],
    ids=["500", "503", "529", "503, budget only"],
)
async def test_an_outage_costs_hardly_more_calls_than_requests(
    data_dir: Path, status: int, breaker_failures: int
) -> None:
    """Faults 23 and 27. The figure of the scorecard is 1.1 upstream calls a request."""
    async with (
        ScriptedUpstream(refusal(status)) as upstream,
        with_models(data_dir, upstream, breaker_failures=breaker_failures) as product,
    ):
        scene = Scene(product)
        codes: Counter[str] = Counter()

        async def ask(number: int) -> None:
            records = await ended(scene, f"{number}")
            codes[error_of(records[-1])] += 1
            assert len(told(records)) <= 2 * 2

        await side_by_side(map(ask, range(REQUESTS)), 8)
        called = len(upstream.requests)
        assert called <= 1.1 * REQUESTS
        refused = codes.pop("CIRCUIT_OPEN", 0)
        assert codes.keys() == {"OVERLOADED" if status in (503, 529) else "SERVER"}
        if breaker_failures:
            assert refused > REQUESTS / 2
            assert called < REQUESTS / 2
            assert await figure(scene.port, "headwater_breaker", 'state="open"') == 1
        else:
            assert (refused, called) == (0, REQUESTS + 3)
        repeats = await figure(scene.port, "headwater_call_repeats_total", 'step="retry"')
        assert repeats == called - sum(codes.values())
        await scene.judge()


@pytest.mark.parametrize(
    ("headers", "waits_ms"),
    [
        pytest.param({"Retry_After": "1"}, 1000, id="seconds"),
        pytest.param(
            {"Retry_After": formatdate(1_800_000_001, usegmt=True), "Date": formatdate(1_800_000_000, usegmt=True)},
            1000,
            id="date",
        ),
        pytest.param({"Retry_After": "0"}, 0, id="zero"),
        pytest.param({"Retry_After": "86400"}, None, id="absurd"),
    ],
)
async def test_a_wish_to_wait_is_obeyed_where_the_deadline_leaves_the_time(
    data_dir: Path, headers: dict[str, str], waits_ms: int | None
) -> None:
    """Fault 21."""
    busy = refusal(429, None, **headers)
    async with ScriptedUpstream(busy, chat_stream(["Hi"])) as upstream, with_models(data_dir, upstream) as product:
        scene = Scene(product)
        records = await ended(scene)
        if waits_ms is None:
            assert (error_of(records[-1]), told(records)) == ("RATE_LIMIT", [])
            assert records[-1].data["retry_after_ms"] == 86_400_000
            assert len(upstream.requests) == 1
        else:
            assert (records[-1].type, told(records)) == ("complete", ["retrying", ("RATE_LIMIT", None)])
            again = next(record for record in records if record.type == "attempt")
            assert again.t >= waits_ms
        await scene.judge()


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        pytest.param(refusal(429, {"code": "insufficient_quota"}), "BUDGET", id="spend"),
        pytest.param(refusal(401, {"message": "Incorrect API key provided"}), "AUTH", id="key"),
        pytest.param(refusal(403), "AUTH", id="forbidden"),
        pytest.param(refusal(400, {"type": "invalid_request_error"}), "BAD_REQUEST", id="request"),
        pytest.param(refusal(400, {"code": "content_filter"}), "CONTENT_FILTER", id="filter"),
        pytest.param(refusal(503, x_should_retry="false"), "OVERLOADED", id="told not to"),
    ],
)
async def test_what_would_fail_again_is_called_once_and_does_not_open_the_breaker(
    data_dir: Path, refused: list[Step], code: str
) -> None:
    """Faults 22, 24 and 26. That no key is written down is judged by the product's own end."""
    async with ScriptedUpstream(refused) as upstream, with_models(data_dir, upstream) as product:
        scene = Scene(product)
        for number in range(4 if code == "OVERLOADED" else 8):
            records = await ended(scene, f"{number}")
            assert (error_of(records[-1]), told(records)) == (code, [])
            assert len(upstream.requests) == number + 1
        await scene.judge()


async def test_what_may_pass_is_called_again(data_dir: Path) -> None:
    """Fault 23, with every status that the providers' own SDKs try again, and those that say so of themselves."""
    statuses = [408, 409, 425, 429, 498, 499, 500, 502, 503, 504, 524, 529]
    scripts = [script for status in statuses for script in (refusal(status), chat_stream(["Hi"]))]
    async with (
        ScriptedUpstream(*scripts) as upstream,
        with_models(data_dir, upstream, budget_reserve=20, breaker_share=1) as product,
    ):
        scene = Scene(product)
        for number, status in enumerate(statuses, 1):
            records = await ended(scene)
            assert (status, records[-1].type, answer_text(records)) == (status, "complete", "Hi")
            assert len(upstream.requests) == 2 * number
        await scene.judge()


@pytest.mark.parametrize("how", ["an error event", "a cut"])
async def test_a_failure_in_the_middle_is_not_retried_and_is_counted(data_dir: Path, how: str) -> None:
    """Faults 17 and 25."""
    end: Step = Send(json_line({"error": {"message": "no", "type": "server_error"}}))
    script: list[Step] = [Send(chat_chunk("Hel")), end if how == "an error event" else EndWithoutTerminator()]
    async with ScriptedUpstream(script) as upstream, with_models(data_dir, upstream) as product:
        scene = Scene(product)
        codes = []
        for number in range(6):
            records = await ended(scene, f"{number}")
            codes.append(error_of(records[-1]))
            assert told(records) == []
            if number < 5:
                assert answer_text(records) == "Hel"
                scene.note_upstream(f"{number}", "Hel", whole=False)
        assert codes == [*["SERVER" if how == "an error event" else "TRUNCATED"] * 5, "CIRCUIT_OPEN"]
        assert len(upstream.requests) == 5
        await scene.judge()


async def test_a_new_attempt_takes_back_what_was_said(data_dir: Path) -> None:
    """Fault 25, where the run allows it."""
    cut: list[Step] = [Send(chat_chunk("wrong")), EndWithoutTerminator()]
    async with (
        ScriptedUpstream(cut, refusal(500), chat_stream(["ri", "ght"])) as upstream,
        with_models(data_dir, upstream) as product,
    ):
        scene = Scene(product)
        records = await ended(scene, after_output="new_attempt")
        wrong = next(record.seq for record in records if record.data.get("content") == "wrong")
        assert told(records) == ["retrying", ("TRUNCATED", wrong), "retrying", ("SERVER", None)]
        assert (records[-1].type, records[-1].data["final_response"]) == ("complete", "right")
        (run,) = scene.runs
        snapshot = (await scene.show(run))["snapshot"]
        assert (snapshot["text"], snapshot["calls"][0]["attempt"]) == ("right", 3)
        scene.note_upstream("Hello", "wrong", whole=False)
        scene.note_upstream("Hello", "", whole=False, number=2)
        scene.note_upstream("Hello", "right", whole=True, number=3)
        await scene.judge()


async def test_a_completion_is_paid_for_again_after_output_only_where_that_is_asked_for(data_dir: Path) -> None:
    """And only in one piece, of which nothing has been shown: what a stream has said it can not take back."""
    cut: list[Step] = [Send(chat_chunk("half of")), EndWithoutTerminator()]
    async with (
        ScriptedUpstream(cut) as upstream,
        ScriptedUpstream(chat_stream(["All ", "of it"])) as other,
        with_models(data_dir, upstream, other, tries_max=1) as product,
    ):
        path, headers = "/v1/chat/completions", {"Headwater-Fallback": OTHER}
        asked = {"model": SCRIPTED, "messages": [{"role": "user", "content": "Hello"}]}
        unasked = await call(product.port, "POST", path, asked, headers)
        assert (unasked.status, unasked.json()["error"]["code"]) == (502, "truncated")
        assert (len(upstream.requests), len(other.requests)) == (1, 0)
        again = {**headers, "Headwater-After-Output": "new_attempt"}
        assert (await call(product.port, "POST", path, {**asked, "stream": True}, again)).status == 400
        whole = await call(product.port, "POST", path, asked, again)
        assert whole.status == 200
        assert whole.json()["choices"][0]["message"]["content"] == "All of it"
        # the question twice, and what both have said
        assert whole.json()["usage"]["completion_tokens"] == 2 + 2
        assert (len(upstream.requests), len(other.requests)) == (2, 1)
        streamed = (await call(product.port, "POST", path, {**asked, "stream": True}, headers)).body
        assert b"half of" in streamed
        assert b'"error"' in streamed
        assert b"[DONE]" not in streamed
        assert (len(upstream.requests), len(other.requests)) == (3, 1)


FALLS: dict[str, tuple[Script, str, dict[str, Any]]] = {
    "down": (refusal(503), "OVERLOADED", {}),
    "no key": (refusal(401), "AUTH", {}),
    "silent (fault 14)": ([Stall()], "TIMEOUT", {"limits": {"first_token_s": 0.3}}),
    "silent after its head": ([Status(), Stall()], "TIMEOUT", {"limits": {"first_token_s": 0.3}}),
    "busy for longer than anybody waits": (refusal(429, Retry_After="60"), "RATE_LIMIT", {}),
}


@pytest.mark.parametrize("name", FALLS)
async def test_another_model_answers(data_dir: Path, name: str) -> None:
    """Faults 14 and 27."""
    script, code, limits = FALLS[name]
    async with (
        ScriptedUpstream(script) as upstream,
        ScriptedUpstream(chat_stream(["Hi"])) as other,
        with_models(data_dir, upstream, other, tries_max=1) as product,
    ):
        scene = Scene(product)
        records = await ended(scene, fallback=[OTHER], **limits)
        assert told(records) == ["falling_back", (code, None)]
        assert records[-1].data["final_response"] == "Hi"
        assert (len(upstream.requests), len(other.requests)) == (1, 1)
        await upstream.requests[0].closed.wait()
        await scene.judge()


async def test_a_model_that_rests_is_passed_over(data_dir: Path) -> None:
    async with (
        ScriptedUpstream(refusal(500)) as upstream,
        ScriptedUpstream(chat_stream(["Hi"])) as other,
        with_models(data_dir, upstream, other, tries_max=1) as product,
    ):
        scene = Scene(product)
        reasons = []
        for number in range(8):
            records = await ended(scene, f"{number}", fallback=[OTHER])
            assert records[-1].type == "complete"
            reasons += [record.data["reason"] for record in records if record.type == "attempt"]
        assert reasons == ["SERVER"] * 5 + ["CIRCUIT_OPEN"] * 3
        assert (len(upstream.requests), len(other.requests)) == (5, 8)
        await scene.judge()


COMPLETION = json.dumps(
    {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
).encode()
GARBLED = [Status(), Send(b"data: {this is no JSON}\n\n"), EndCleanly()]
NO_STREAM = refusal(400, {"param": "stream", "code": "unsupported_value", "message": "You can not stream this model."})


@pytest.mark.parametrize(("bad", "calls"), [(NO_STREAM, 2 + 1), (GARBLED, 2 + 2)], ids=["refused", "garbled"])
async def test_who_can_not_stream_is_asked_for_the_whole_answer(data_dir: Path, bad: list[Step], calls: int) -> None:
    def answer(received: Any) -> list[Step]:
        return bad if received.json["stream"] else [Status(200, {"Content-Type": "application/json"}, COMPLETION)]

    async with ScriptedUpstream(answer) as upstream, with_models(data_dir, upstream) as product:
        scene = Scene(product)
        for number in range(2):
            records = await ended(scene, f"{number}")
            assert records[-1].data["final_response"] == "whole"
        assert len(upstream.requests) == calls
        assert "stream_options" not in upstream.requests[1].json
        await scene.judge()


async def test_a_cancel_while_a_call_waits_ends_it_and_calls_nobody(data_dir: Path) -> None:
    async with ScriptedUpstream(refusal(429, Retry_After="60")) as upstream, with_models(data_dir, upstream) as product:
        scene = Scene(product)
        run = await scene.start(model=SCRIPTED)
        # connecting, the call, retrying
        assert await scene.reader(run).read(scene.port, leave_at=3) == "left"
        assert await scene.cancel(run) == 202
        assert (await scene.end(run)).type == "cancelled"
        assert len(upstream.requests) == 1
        await scene.judge()


async def test_a_fallback_is_checked_like_the_model_itself(data_dir: Path) -> None:
    async with ScriptedUpstream([Send(DONE)]) as upstream:
        rows = [
            compatible_model(SCRIPTED, upstream.base_url),
            compatible_model(OTHER, upstream.base_url, capabilities=["text"]),
        ]
        async with Product(data_dir, config={"models": rows}) as product:
            body: dict[str, Any] = {"model": SCRIPTED, "messages": [{"role": "user", "content": "Hi"}]}
            body["settings"] = {"tools": [{"name": "f", "parameters": {"type": "object"}}]}
            for fallback, status, pointer in (
                ([SCRIPTED, "nobody"], 400, "/fallback/1"),
                ([OTHER], 422, "/fallback/0"),
            ):
                answer = await call(product.port, "POST", "/api/v1/runs", body={**body, "fallback": fallback})
                assert (answer.status, answer.json()["pointer"]) == (status, pointer)
        assert upstream.requests == []

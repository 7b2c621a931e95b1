from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest

from headwater.client import (
    Conflict,
    HeadwaterClient,
    MaxRetriesExceeded,
    Message,
    NotFound,
    RetryPolicy,
    RunRequest,
    RunState,
    ServerError,
    Timing,
    new_idempotency_key,
)
from tests.kit.run_log import RUN, SSE_HEAD, Naps, after, json_answer, log_of, open_with, problem, run_json, whole
from tests.kit.upstream import EndWithoutTerminator, Received, Reset, ScriptedUpstream, Send, Stall, Status, Step

Script = Sequence[Step] | Callable[[Received], Iterable[Step]]
LOG = log_of("Hello", " world")
REQUEST = RunRequest(model="simulated", messages=[Message("user", "Hi")])
NO_CONTENT: Script = [Status(204, {}, framing="length")]
LOST: list[Step] = [EndWithoutTerminator()]


@asynccontextmanager
async def service(
    *scripts: Script, policy: RetryPolicy | None = None, fallback: bool = True
) -> AsyncIterator[tuple[HeadwaterClient, ScriptedUpstream]]:
    timing = Timing(sleep=Naps())
    async with ScriptedUpstream(*scripts) as upstream:
        async with HeadwaterClient(upstream.origin, call_retry=policy, timing=timing, fallback=fallback) as client:
            yield client, upstream


async def test_start_posts_the_request() -> None:
    async with service(json_answer(run_json(), 201)) as (client, upstream):
        run = await client.start(REQUEST)
        assert (run.id, run.state) == (RUN, RunState.RUNNING)
        received = upstream.requests[0]
        assert (received.method, received.path) == ("POST", "/api/v1/runs")
        assert received.json["messages"] == [{"role": "user", "content": "Hi"}]
        assert received.headers["accept"] == "application/json"
        assert len(received.headers["idempotency-key"]) == 32


@pytest.mark.parametrize("lost", [LOST, [Reset()], [Status(201, {}), Send(b'{"id'), EndWithoutTerminator()]])
async def test_a_lost_answer_starts_one_run(lost: Script) -> None:
    async with service(lost, problem(503, "DRAINING", retryable=True), json_answer(run_json(), 200)) as (
        client,
        upstream,
    ):
        assert (await client.start(REQUEST)).id == RUN
        assert len(upstream.requests) == 3
        assert len({received.headers["idempotency-key"] for received in upstream.requests}) == 1
        assert len({received.body for received in upstream.requests}) == 1


async def test_each_start_has_a_key_of_its_own_and_the_callers_is_used() -> None:
    async with service(json_answer(run_json(), 201)) as (client, upstream):
        await client.start(REQUEST)
        await client.start(REQUEST)
        await client.start(REQUEST, idempotency_key="mine")
        keys = [received.headers["idempotency-key"] for received in upstream.requests]
        assert keys[0] != keys[1]
        assert keys[2] == "mine"
    assert new_idempotency_key() != new_idempotency_key()


async def test_a_key_that_was_used_for_something_else_is_a_conflict() -> None:
    async with service(problem(409, "CONFLICT")) as (client, upstream):
        with pytest.raises(Conflict):
            await client.start(REQUEST)
        assert len(upstream.requests) == 1


async def test_gives_up_in_the_end() -> None:
    async with service(problem(503, "DRAINING", retryable=True)) as (client, upstream):
        with pytest.raises(MaxRetriesExceeded) as caught:
            await client.models()
        assert isinstance(caught.value.last, ServerError)
        assert len(upstream.requests) == 4


async def test_get_quotes_what_it_is_given() -> None:
    async with service(json_answer(run_json())) as (client, upstream):
        await client.get("../models?x=1#y")
        assert upstream.requests[0].path == "/api/v1/runs/..%2Fmodels%3Fx%3D1%23y"


async def test_list_asks_for_what_was_given_only() -> None:
    async with service(json_answer(b'{"runs":[%b],"next":"c2"}' % run_json())) as (client, upstream):
        page = await client.list()
        assert ([run.id for run in page.runs], page.next) == ([RUN], "c2")
        await client.list(state=RunState.FAILED, workflow="chat", model="m", limit=5, cursor="c2")
        assert [received.path for received in upstream.requests] == [
            "/api/v1/runs",
            "/api/v1/runs?state=failed&workflow=chat&model=m&limit=5&cursor=c2",
        ]


async def test_models() -> None:
    body = (
        b'{"models":[{"name":"simulated","provider":"simulated","model":"simulated","capabilities":["text"],"new":1}]}'
    )
    async with service(json_answer(body)) as (client, _):
        assert [(model.name, model.capabilities) for model in await client.models()] == [("simulated", ("text",))]


async def test_cancel_is_asked_again_when_its_answer_is_lost() -> None:
    async with service(LOST, json_answer(run_json("cancelled"), 202)) as (client, upstream):
        assert (await client.cancel(RUN)).state is RunState.CANCELLED
        assert [(r.method, r.path) for r in upstream.requests] == [("POST", f"/api/v1/runs/{RUN}/cancel")] * 2


async def test_retry_is_one_run_too() -> None:
    async with service(LOST, json_answer(run_json(), 201)) as (client, upstream):
        await client.retry(RUN)
        assert {r.path for r in upstream.requests} == {f"/api/v1/runs/{RUN}/retry"}
        assert len({r.headers["idempotency-key"] for r in upstream.requests}) == 1


async def test_delete() -> None:
    async with service(NO_CONTENT) as (client, upstream):
        await client.delete(RUN)
        assert (upstream.requests[0].method, upstream.requests[0].path) == ("DELETE", f"/api/v1/runs/{RUN}")


async def test_a_delete_whose_answer_was_lost_finds_its_work_done() -> None:
    async with service(LOST, problem(404, "NOT_FOUND")) as (client, _):
        await client.delete(RUN)


async def test_a_delete_of_what_never_was_is_an_error() -> None:
    async with service(problem(404, "NOT_FOUND")) as (client, _):
        with pytest.raises(NotFound):
            await client.delete(RUN)


async def test_start_and_follow_is_one_connection() -> None:
    async with service(whole(LOG)) as (client, upstream):
        subscription = client.start_and_follow(REQUEST)
        runs = [subscription.run]
        assert [record async for record in subscription] == LOG
        assert [*runs, subscription.run] == [None, RUN]
        (received,) = upstream.requests
        assert (received.method, received.path) == ("POST", "/api/v1/runs")
        assert received.headers["accept"] == "text/event-stream"


async def test_start_and_follow_goes_on_with_the_run_that_it_started() -> None:
    cut = [*open_with(*LOG[:2]), EndWithoutTerminator()]
    async with service(cut, lambda received: whole(LOG, after(received))) as (client, upstream):
        assert [record async for record in client.start_and_follow(REQUEST)] == LOG
        assert [(received.method, received.path) for received in upstream.requests] == [
            ("POST", "/api/v1/runs"),
            ("GET", f"/api/v1/runs/{RUN}/events?after=2"),
        ]


async def test_start_and_follow_starts_one_run_however_often_its_answer_is_lost() -> None:
    """Fault 1 before the first byte: the answer is lost, but the run may have been made."""
    started: dict[str, str] = {}

    def server(received: Received) -> Iterable[Step]:
        started.setdefault(received.headers["idempotency-key"], RUN)
        return LOST if received.number <= 3 else whole(LOG)

    async with service(server) as (client, upstream):
        assert [record async for record in client.start_and_follow(REQUEST)] == LOG
        assert len(upstream.requests) == 4
    assert len(started) == 1


async def test_a_start_that_names_no_run_is_tried_again() -> None:
    nameless: list[Step] = [Status(201, {"Content-Type": SSE_HEAD["Content-Type"]}), Send(b": ok\n\n")]
    async with service(nameless, whole(LOG), fallback=False) as (client, upstream):
        assert [record async for record in client.start_and_follow(REQUEST)] == LOG
        assert [received.method for received in upstream.requests] == ["POST", "POST"]


async def test_a_refused_start_is_an_error_at_once() -> None:
    async with service(problem(422, "UNSUPPORTED")) as (client, upstream):
        with pytest.raises(ServerError) as caught:
            await anext(client.start_and_follow(REQUEST))
        assert caught.value.message == "Said UNSUPPORTED."
        assert len(upstream.requests) == 1


async def test_streams_keep_nobody_from_a_call() -> None:
    def answer(received: Received) -> Iterable[Step]:
        return [*open_with(*LOG[:1]), Stall()] if received.method == "GET" else json_answer(run_json())

    async with service(answer) as (client, _):
        streams = [client.follow(RUN) for _ in range(101)]
        assert [await anext(stream) for stream in streams] == LOG[:1] * 101
        assert (await client.cancel(RUN)).id == RUN
        for stream in streams:
            await stream.aclose()

"""Runs over HTTP: start, idempotent start, list, show, cancel, retry, delete."""

import asyncio
from typing import Any

import httpx
import pytest

from headwater.api.route import Call
from headwater.api.runs import check_model
from headwater.domain.event import Chunk
from headwater.domain.message import Settings
from headwater.domain.run import Owner, Run, RunRequest, new_run_id
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.contract import Finish
from tests.api.composed import HELLO, RunningApi
from tests.api.test_problem import check
from tests.corpora import corpora_dir, naughty_strings


def problem_in(response: httpx.Response) -> dict[str, Any]:
    return check(response.status_code, dict(response.headers), response.content)


async def post(api: RunningApi, body: Any = HELLO, **headers: str) -> httpx.Response:
    return await api.client.post(
        "/api/v1/runs", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


# ── start ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_is_started(api: RunningApi) -> None:
    response = await post(api, {**HELLO, "metadata": {"a": "b"}})
    run = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert response.headers["x-run-id"] == run["id"]
    assert "idempotency-replayed" not in response.headers
    assert (run["workflow"], run["model"], run["metadata"]) == ("chat", "prompted", {"a": "b"})
    assert run["state"] in ("queued", "running")
    assert run["tail"] == run["snapshot"]["seq"]
    shown = (await api.client.get(response.headers["location"])).json()
    assert shown["id"] == run["id"]
    assert shown["request"] == run["request"] == {**HELLO, "metadata": {"a": "b"}}


@pytest.mark.parametrize(("provider", "model"), [("anthropic", "claude-opus-4-5"), ("gemini", "gemini-3-pro")])
def test_a_workflow_that_takes_input_needs_no_messages(api: RunningApi, provider: str, model: str) -> None:
    """Its own are still to come, and not yet to be missed; what the model can not do at all is refused all the same."""
    catalog = Catalog.from_rows([ModelRow(name="m", provider=provider, model=model)], {})
    call = Call({"headers": []}, api.services._replace(catalog=catalog), {}, None)
    check_model(call, RunRequest("m", workflow="analysis", input={"task_id": "007bbfb7"}))
    with pytest.raises(BadRequestError):
        check_model(call, RunRequest("m"))
    with pytest.raises(UnsupportedError):
        check_model(call, RunRequest("m", workflow="analysis", input={}, settings=Settings(verbosity="low")))


async def test_a_run_can_be_the_stream_itself(api: RunningApi) -> None:
    api.prompter.script = [[Chunk("Hi", 0)], [Finish("stop")]]
    response = await post(api, accept="text/event-stream")
    assert response.status_code == 201
    assert response.headers["content-type"].startswith("text/event-stream")
    run = response.headers["x-run-id"]
    assert response.headers["location"] == f"/api/v1/runs/{run}"
    ids = [line[4:] for line in response.text.split("\n") if line.startswith("id: ")]
    assert ids == [str(n + 1) for n in range(len(ids))]
    assert len(await api.ended(run)) == len(ids)


async def test_nothing_is_started_for_an_answer_that_can_not_be_given(api: RunningApi) -> None:
    assert problem_in(await post(api, accept="text/html"))["code"] == "NOT_ACCEPTABLE"
    assert (await api.client.get("/api/v1/runs")).json() == {"runs": [], "next": None}


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({**HELLO, "model": "nobody"}, 400, "BAD_REQUEST", "/model"),
        ({**HELLO, "model": ""}, 400, "BAD_REQUEST", "/model"),
        ({**HELLO, "workflow": "dance"}, 400, "BAD_REQUEST", "/workflow"),
        ({**HELLO, "messages": []}, 400, "BAD_REQUEST", "/messages"),
        ({**HELLO, "input": {}}, 400, "BAD_REQUEST", "/input"),
        ({**HELLO, "n": 2}, 400, "BAD_REQUEST", "/n"),
        ({**HELLO, "settings": {"n": 2}}, 400, "BAD_REQUEST", "/settings/n"),
        ({**HELLO, "limits": {"total_s": 3601}}, 400, "BAD_REQUEST", "/limits/total_s"),
        ({**HELLO, "fallback": ["simulated", "nobody"]}, 400, "BAD_REQUEST", "/fallback/1"),
        (
            {**HELLO, "model": "simulated", "settings": {"extra": {"simulated": {"speed": 1}}}},
            400,
            "BAD_REQUEST",
            "/settings/extra/simulated",
        ),
    ],
)
async def test_what_can_not_be_done_is_refused_before_there_is_a_run(
    api: RunningApi, body: Any, status: int, code: str, pointer: str
) -> None:
    response = await post(api, body, idempotency_key="k")
    problem = problem_in(response)
    assert (response.status_code, problem["code"], problem["pointer"]) == (status, code, pointer)
    assert (await api.client.get("/api/v1/runs")).json()["runs"] == []
    assert api.prompter.calls == []
    # a refusal is not kept under the key
    assert (await post(api, idempotency_key="k")).status_code == 201


# ── idempotent start ────────────────────────────────────────────────────────────────────────────────


async def test_a_repeat_is_the_same_run(api: RunningApi) -> None:
    first = await post(api, idempotency_key="k 1")
    # the body counts as it was understood, not as it was written
    spelled = b'{ "messages":[{"content":"H\\u0065llo","role":"user"}], "priority":"interactive", "model":"prompted"}'
    again = await api.client.post(
        "/api/v1/runs", content=spelled, headers={"content-type": "application/json", "idempotency-key": "k 1"}
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert (await post(api, idempotency_key="k 2")).json()["id"] != first.json()["id"]


async def test_fifty_at_once_are_one_run_and_one_call(api: RunningApi) -> None:
    answers = await asyncio.gather(*(post(api, idempotency_key="k") for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    run = answers[0].json()["id"]
    api.prompter.finish()
    await api.ended(run)
    assert len(api.prompter.calls) == 1


async def test_the_same_key_for_another_body_is_a_conflict(api: RunningApi) -> None:
    await post(api, idempotency_key="k")
    response = await post(api, {**HELLO, "metadata": {"a": "b"}}, idempotency_key="k")
    assert response.status_code == 409
    assert problem_in(response)["code"] == "CONFLICT"
    assert response.headers["x-should-retry"] == "false"


async def test_the_key_of_a_deleted_run_stays_used(api: RunningApi) -> None:
    run = (await post(api, idempotency_key="k")).json()["id"]
    assert (await api.client.delete(f"/api/v1/runs/{run}")).status_code == 204
    assert (await post(api, idempotency_key="k")).status_code == 409


@pytest.mark.parametrize("key", ["", "k" * 256, "k\tk", "kéy", "k\x7f"])
async def test_keys_that_can_not_be_kept(api: RunningApi, key: str) -> None:
    body = b'{"model":"prompted","messages":[{"role":"user","content":"Hello"}]}'
    head = f"POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\nidempotency-key: {key}"
    request = head.encode("latin-1") + b"\r\ncontent-type: application/json\r\n\r\n" + body
    status, headers, answer = await api.exchange(request)
    assert status == 400
    assert check(status, headers, answer)["code"] == "BAD_REQUEST"
    assert api.prompter.calls == []


async def test_a_stream_that_is_posted_again_goes_on_where_it_was_cut(api: RunningApi) -> None:
    api.prompter.script = [[Chunk("Hi", 0)], [Finish("stop")]]
    whole = (await post(api, accept="text/event-stream", idempotency_key="k")).text
    rest = await post(api, accept="text/event-stream", idempotency_key="k", last_event_id="2")
    assert rest.status_code == 200
    assert rest.headers["idempotency-replayed"] == "true"
    assert whole[whole.index("id: 3") :] == rest.text[rest.text.index("id: 3") :]
    tail = len(await api.ended(rest.headers["x-run-id"]))
    done = await post(api, accept="text/event-stream", idempotency_key="k", last_event_id=str(tail))
    assert done.status_code == 204


# ── show and list ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["", "/events", "/cancel", "/retry"])
async def test_a_run_that_is_not_yours_looks_like_one_that_never_was(api: RunningApi, suffix: str) -> None:
    foreign = new_run_id()
    await api.storage.runs.create(Run(foreign, Owner("other", "user"), RunRequest("prompted"), 0))
    method = "POST" if suffix in ("/cancel", "/retry") else "GET"
    answers = []
    for run in [
        foreign,
        new_run_id(),
        "run_1",
        "x",
        foreign.upper(),
        foreign + "%0a",
        "%20" + foreign,
        "run_" + "g" * 32,
    ]:
        for each in [method, *(["DELETE"] if not suffix else [])]:
            answers.append(await api.client.request(each, f"/api/v1/runs/{run}{suffix}"))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    ignored = {"date"}
    assert len({tuple((k, v) for k, v in answer.headers.items() if k not in ignored) for answer in answers}) == 1
    assert problem_in(answers[0])["code"] == "NOT_FOUND"
    assert await api.storage.runs.get(foreign) is not None


async def test_a_run_shows_its_snapshot_at_the_tail(api: RunningApi) -> None:
    run = await api.start()
    api.prompter.say(Chunk("Hel", 0))
    path = f"/api/v1/runs/{run}"
    seen = 0
    while (shown := (await api.client.get(path)).json())["snapshot"]["text"] != "Hel":
        page = await api.client.get(f"{path}/events?after={seen}&wait_ms=5000", headers={"accept": "application/json"})
        seen = page.json()["last"]
    assert (shown["state"], shown["ended_at"], shown["metrics"]) == ("running", None, None)
    api.prompter.say(Chunk("lo", 0), Finish("length"))
    records = await api.ended(run)
    shown = (await api.client.get(path)).json()
    assert shown["state"] == "completed", "whoever has seen the end sees it here too"
    assert shown["tail"] == shown["snapshot"]["seq"] == len(records)
    assert (shown["snapshot"]["text"], shown["snapshot"]["finish_reason"]) == ("Hello", "length")
    assert shown["ended_at"] >= shown["created_at"]


async def test_whoever_has_seen_the_end_sees_how_the_run_went_before_its_row_is_written(api: RunningApi) -> None:
    finish, may_finish = api.storage.runs.finish, asyncio.Event()

    async def late(*args: Any, **kwargs: Any) -> None:
        await may_finish.wait()
        await finish(*args, **kwargs)

    api.storage.runs.finish = late  # type: ignore[method-assign]  # a disk that is slow just then
    api.prompter.say(Chunk("Hi", 0))
    run = await api.finished()
    path = f"/api/v1/runs/{run}"
    early = (await api.client.get(path)).json()
    (listed,) = (await api.client.get("/api/v1/runs")).json()["runs"]
    row = await api.storage.runs.get(run)
    assert row is not None
    assert (row.state, early["state"], listed["state"]) == ("running", "completed", "completed")
    assert early["metrics"]["chunks"] == 1
    may_finish.set()
    await api.services.supervisor.over(run)
    assert (await api.client.get(path)).json()["metrics"] == early["metrics"]


async def test_lists_are_newest_first_and_filtered(api: RunningApi) -> None:
    done = await api.finished()
    live = await api.start(metadata={"k": "v"})
    other = await api.start(model="simulated", settings={"extra": {"simulated": {"stall_after": 0}}})

    async def ids(query: str = "") -> list[str]:
        response = await api.client.get(f"/api/v1/runs{query}")
        assert response.status_code == 200, response.text
        return [run["id"] for run in response.json()["runs"]]

    assert await ids() == [other, live, done]
    assert await ids("?model=prompted") == [live, done]
    assert await ids("?state=completed") == [done]
    assert set(await ids("?state=running,queued")) == {live, other}
    assert await ids("?workflow=chat&model=simulated") == [other]
    assert await ids("?workflow=dance") == []
    created = (await api.client.get(f"/api/v1/runs/{live}")).json()["created_at"]
    assert live in await ids(f"?created_from={created}")
    assert live not in await ids(f"?created_before={created}")
    assert await ids("?created_from=2100-01-01T00:00:00Z") == []
    listed = (await api.client.get("/api/v1/runs")).json()["runs"]
    assert "snapshot" not in listed[0]
    assert listed[1]["metadata"] == {"k": "v"}
    assert listed[2]["tail"] == len(await api.ended(done))


async def test_pages_of_a_list(api: RunningApi) -> None:
    runs = [await api.start() for _ in range(5)][::-1]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await api.client.get(f"/api/v1/runs?limit=2{cursor}")).json()
        seen += [run["id"] for run in page["runs"]]
        if page["next"] is None:
            break
        await api.start()  # what is new does not shift the pages
        cursor = f"&cursor={page['next']}"
    assert seen == runs


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "state=lost", "cursor=nonsense", "cursor=", "created_from=yesterday"]
)
async def test_lists_that_can_not_be_made(api: RunningApi, query: str) -> None:
    response = await api.client.get(f"/api/v1/runs?{query}")
    assert response.status_code == 400
    assert problem_in(response)["code"] == "BAD_REQUEST"


async def test_head_is_get_without_the_body(api: RunningApi) -> None:
    run = await api.finished()
    for path in ("/api/v1/runs", f"/api/v1/runs/{run}", "/livez", "/openapi.json", "/api/v1/models"):
        head, get = await api.client.head(path), await api.client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


# ── cancel, retry, delete ───────────────────────────────────────────────────────────────────────────


async def test_a_cancel_is_noted_and_then_over(api: RunningApi) -> None:
    run = await api.start()
    first = await api.client.post(f"/api/v1/runs/{run}/cancel")
    assert first.status_code == 202
    assert first.json()["id"] == run
    assert '"type":"cancelled","data":{"by":"user"' in (await api.ended(run))[-1]
    again = await api.client.post(f"/api/v1/runs/{run}/cancel", json={})
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")


async def test_a_retry_is_a_new_run_of_the_same_input(api: RunningApi) -> None:
    run = await api.finished(metadata={"a": "b"})
    response = await api.client.post(f"/api/v1/runs/{run}/retry")
    again = response.json()
    assert response.status_code == 201
    assert again["id"] != run
    assert (again["retry_of"], again["metadata"]) == (run, {"a": "b"})
    assert again["request"] == {**HELLO, "metadata": {"a": "b"}}
    assert response.headers["location"] == f"/api/v1/runs/{again['id']}"


async def test_a_retry_can_be_repeated_and_streamed(api: RunningApi) -> None:
    run = await api.finished()
    api.prompter.script = [[Finish("stop")]]
    headers = {"idempotency-key": "k", "accept": "text/event-stream"}
    streamed = await api.client.post(f"/api/v1/runs/{run}/retry", headers=headers)
    assert streamed.status_code == 201
    again = await api.client.post(f"/api/v1/runs/{run}/retry", headers={"idempotency-key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, streamed.headers["x-run-id"])
    # a key counts for its own route only
    assert (await post(api, idempotency_key="k")).status_code == 201


async def test_a_deleted_run_is_gone(api: RunningApi) -> None:
    live, done = await api.start(), None
    response = await api.client.delete(f"/api/v1/runs/{live}")
    assert (response.status_code, response.content) == (204, b"")
    done = await api.finished()
    assert (await api.client.delete(f"/api/v1/runs/{done}")).status_code == 204
    for run in (live, done):
        for path in (f"/api/v1/runs/{run}", f"/api/v1/runs/{run}/events"):
            assert (await api.client.get(path)).status_code == 404
        assert (await api.client.delete(f"/api/v1/runs/{run}")).status_code == 404


# ── the end of the server, and of the disk ──────────────────────────────────────────────────────────


async def test_a_draining_server_takes_no_runs(api: RunningApi) -> None:
    run = await api.finished()
    await api.services.supervisor.drain(1)  # type: ignore[attr-defined]
    response = await post(api)
    assert (response.status_code, problem_in(response)["code"]) == (503, "DRAINING")
    assert int(response.headers["retry-after"]) >= 1
    ready = await api.client.get("/readyz")
    assert (ready.status_code, problem_in(ready)["code"]) == (503, "DRAINING")
    assert (await api.client.get(f"/api/v1/runs/{run}")).status_code == 200


async def test_a_full_disk_takes_no_runs_and_shows_those_there_are(api: RunningApi) -> None:
    run = await api.finished()
    api.storage.full = True
    response = await post(api)
    assert (response.status_code, problem_in(response)["code"]) == (507, "STORAGE_FULL")
    assert int(response.headers["retry-after"]) >= 1
    assert (await api.client.get(f"/api/v1/runs/{run}")).status_code == 200
    assert len(await api.ended(run)) > 1
    api.storage.full = False
    assert (await post(api)).status_code == 201


async def test_a_failed_storage_takes_no_runs(api: RunningApi) -> None:
    api.storage.fail()
    response = await post(api)
    assert (response.status_code, problem_in(response)["code"]) == (503, "STORAGE")


# ── whatever people write ───────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(corpora_dir() is None, reason="the corpora are not on this machine")
async def test_naughty_strings_are_kept_as_they_are(api: RunningApi) -> None:
    strings = [string for string in naughty_strings() if 0 < len(string) <= 64]
    assert len(strings) > 300
    for start in range(0, len(strings), 16):
        some = {string: string for string in strings[start : start + 16]}
        response = await post(api, {**HELLO, "metadata": some})
        assert response.status_code == 201, response.text
        shown = (await api.client.get(response.headers["location"])).json()
        assert shown["metadata"] == some


@pytest.mark.slow
@pytest.mark.skipif(corpora_dir() is None, reason="the corpora are not on this machine")
async def test_naughty_strings_anywhere_are_never_a_500(api: RunningApi) -> None:
    for string in naughty_strings():
        for response in (
            await post(api, {**HELLO, "model": string}),
            await post(api, {**HELLO, "workflow": string}),
            await post(api, {**HELLO, string: 1}),
            await api.client.get("/api/v1/runs", params={"model": string[:200] or "m", "cursor": string[:500] or "c"}),
        ):
            assert response.status_code in (200, 400, 422), (string, response.text)
            if response.status_code != 200:
                problem_in(response)

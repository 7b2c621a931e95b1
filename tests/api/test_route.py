"""The dispatcher: every route, every method, every way to ask what is not there."""

import asyncio
import json
import tracemalloc
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from headwater.api.answer import json_answer
from headwater.api.app import RESOURCES
from headwater.api.parameters import integer, text
from headwater.api.route import Call, Operation, Reply, Resource, parse_query
from headwater.delivery.formats.openai_error import fault_of
from headwater.errors import BadRequestError, ErrorCode, LogTrimmed
from tests.api.composed import RunningApi, running_api
from tests.api.test_anthropic_error import check_anthropic
from tests.api.test_openai_error import check_openai
from tests.api.test_problem import check

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
RUN = "run_" + "0" * 32
CASES = [(resource, method) for resource in RESOURCES for method in METHODS]
#: Their answers may go on for as long as a run does, so there is no head of them alone.
ENDLESS = {
    "/api/v1/runs/{run}/events",
    "/api/v1/events",
    "/api/v1/ws",
    "/v1/responses/{response}",
    "/api/chat/{chat}/stream",
    "/chat/stream",
    "/api/stream/analyze/{task}/{model}",
}


def allowed_methods(resource: Resource) -> set[str]:
    return {*resource.operations, *(["HEAD"] if "GET" in resource.operations and resource.path not in ENDLESS else [])}


def path_of(resource: Resource, run: str = RUN) -> str:
    return resource.path.replace("{run}", run)


def problem_in(response: httpx.Response) -> dict[str, Any]:
    return check(response.status_code, dict(response.headers), response.content)


def is_refused(response: httpx.Response, code: ErrorCode) -> bool:
    """Whether it says this code, in the shape of the API that it belongs to."""
    path, answer = response.url.path, (response.status_code, dict(response.headers), response.content)
    if path.startswith("/api/chat"):
        return response.headers["headwater-error"] == code
    if path == "/chat" or path.startswith("/chat/"):
        return bool(response.json()["error"] == code)
    if path.startswith(("/api/conversation/", "/api/conversation-stream/")):
        return bool(response.json()["code"] == code)
    if path.startswith("/v1/messages"):
        return bool(check_anthropic(*answer)["code"] == code.lower())
    if path.startswith("/v1/") and not path.startswith("/v1/stream/"):
        return bool(check_openai(*answer)["code"] == fault_of(code).code)
    return bool(problem_in(response)["code"] == code)


@pytest.mark.parametrize(("resource", "method"), CASES, ids=lambda case: getattr(case, "path", case))
async def test_methods_that_a_resource_does_not_have(api: RunningApi, resource: Resource, method: str) -> None:
    has = method in allowed_methods(resource)
    response = await api.client.request(method, path_of(resource), headers={"content-type": "application/json"})
    assert (response.status_code != 405) == has
    if not has:
        if method != "HEAD":
            assert is_refused(response, ErrorCode.METHOD_NOT_ALLOWED)
        assert set(response.headers["allow"].split(", ")) == allowed_methods(resource)


OPERATIONS = [(resource, operation) for resource in RESOURCES for operation in resource.operations.values()]
STRICT = [(resource, operation) for resource, operation in OPERATIONS if not operation.lenient]


@pytest.mark.parametrize(("resource", "operation"), STRICT, ids=lambda case: getattr(case, "path", case.__class__))
@pytest.mark.parametrize("query", ["n=1", "n", "Limit=1", "=", "a=1&a=1", "%ff=1", "limit=1;after=0", "limit=1&" * 40])
async def test_query_parameters_that_it_does_not_know(
    api: RunningApi, resource: Resource, operation: Operation, query: str
) -> None:
    response = await api.client.request(
        operation.method, f"{path_of(resource)}?{query}", headers={"content-type": "application/json"}
    )
    assert response.status_code == 400
    assert is_refused(response, ErrorCode.BAD_REQUEST)


async def test_query_parameters_that_another_protocol_s_clients_add(api: RunningApi) -> None:
    path = "/v1/stream/lenient"
    for query, status in (("tenant=1&more", 400), ("%ff=1", 400), ("tenant=1&tenant=2&a%20b=", 201)):
        # What can not be read at all is refused there too.
        assert (await api.client.put(f"{path}?{query}")).status_code == status, query
    assert (await api.client.get(f"{path}?tenant=1&n=1&n=2")).status_code == 200
    for query in ("offset=x", "offset=-1&offset=-1", "live=other", "offset="):
        assert (await api.client.get(f"{path}?tenant=1&{query}")).status_code == 400, query


BAD_BODIES = [b"", b"[]", b"null", b'"x"', b"{", b'{"unknown":1}', b"\xff", b"[" * 100, b"\x00", b"{}x"]


REQUIRED = ("/api/v1/runs", "/v1/chat/completions")


@pytest.mark.parametrize("path", [*REQUIRED, f"/api/v1/runs/{RUN}/cancel", f"/api/v1/runs/{RUN}/retry"])
@pytest.mark.parametrize("body", BAD_BODIES)
async def test_bodies_that_can_not_be_read(api: RunningApi, path: str, body: bytes) -> None:
    response = await api.client.post(path, content=body, headers={"content-type": "application/json"})
    # where a body is optional, none at all is fine, and the run is looked for
    wanted = ErrorCode.NOT_FOUND if path not in REQUIRED and body == b"" else ErrorCode.BAD_REQUEST
    assert is_refused(response, ErrorCode.TOO_LARGE if body == b"[" * 100 else wanted)
    assert api.prompter.calls == []


async def test_a_delete_may_not_bring_what_nobody_reads(api: RunningApi) -> None:
    run = await api.finished()
    headers = {"content-type": "application/json"}
    response = await api.client.request("DELETE", f"/api/v1/runs/{run}", content=b'{"n":1}', headers=headers)
    assert problem_in(response)["pointer"] == "/n"
    assert (await api.client.get(f"/api/v1/runs/{run}")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/v1",
        "/api/v1/runs/",
        f"/api/v1/runs/{RUN}/",
        "/api/v1/runs//events",
        "/api/v2/runs",
        "/livez/",
        "/%2e%2e/etc/passwd",
        "/api/v1/runs/../models",
        "/api/v1/runs/%00",
        "/docs",
        "/api%2Fv1/models",
        f"/api/v1/runs/{RUN}%2Fevents",
        f"/api/v1/runs/{RUN}%2fevents",
        f"/api/v1/runs%2F{RUN}",
        "/v1%2fmodels",
    ],
)
async def test_resources_that_are_not_there(api: RunningApi, path: str) -> None:
    status, headers, body = await api.exchange(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    assert status == 404
    assert check(status, headers, body)["code"] == "NOT_FOUND"


async def test_a_body_over_the_limit_is_refused_before_it_is_sent() -> None:
    async with running_api(body_bytes_max=1024) as api:
        head = b"POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        # the length alone decides: not one byte of the body has to come
        status, headers, body = await api.exchange(head + b"content-length: 1025\r\n\r\n")
        assert (status, check(status, headers, body)["code"]) == (413, "TOO_LARGE")
        assert headers["connection"] == "close"
        chunks = (b"401\r\n" + b" " * 1025 + b"\r\n") * 2
        status, headers, body = await api.exchange(head + b"transfer-encoding: chunked\r\n\r\n" + chunks)
        assert (status, check(status, headers, body)["code"]) == (413, "TOO_LARGE")
        exact = b'{"model":"prompted","messages":[{"role":"user","content":"x"}]}'.ljust(1024)
        status, _, _ = await api.exchange(head + b"content-length: 1024\r\n\r\n" + exact)
        assert status == 201


async def test_bodies_without_an_end_cost_no_memory() -> None:
    """Chunked bodies that never end, many at once: the server takes its limit of each and not more."""
    clients, limit = 16, 1 << 18

    async def pour(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        try:
            for _ in range(1000):
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()
        except OSError:
            pass  # the server has had enough
        try:
            return await reader.read()
        except OSError:
            return b""
        finally:
            writer.close()

    async with running_api(body_bytes_max=limit) as api:
        tracemalloc.start()
        try:
            answers = await asyncio.gather(*(pour(api.port) for _ in range(clients)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # a reset may overtake the answer on its way
        assert all(answer.startswith(b"HTTP/1.1 413") for answer in answers if answer)
        assert peak < clients * 8 * limit
        assert (await api.client.get("/livez")).status_code == 200


# ── the dispatcher by itself ────────────────────────────────────────────────────────────────────────

KNOWN = {parameter.name: parameter for parameter in (integer("limit", 1, 9, ""), text("name", 9, ""))}


def test_a_query_is_read_as_forms_are() -> None:
    assert parse_query(b"limit=3&name=a%20b%2Bc+d", KNOWN) == {"limit": 3, "name": "a b+c d"}
    assert parse_query(b"", KNOWN) == {}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [(b"limit=0", "limit"), (b"limit=", "limit"), (b"name=", "name"), (b"n=1", "n"), (b"limit=1&limit=1", "limit")],
)
def test_what_is_wrong_with_a_query_is_named(query: bytes, parameter: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_query(query, KNOWN)
    assert refused.value.extra == {"parameter": parameter}


async def served(handler: Any, *, path: str = "/x", receive: Any = None, **scope: Any) -> list[Any]:
    """What a resource with this handler sends for a GET."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def nothing() -> Any:
        return {"type": "http.disconnect"}

    resource = Resource(path, Operation("GET", handler, "", (Reply(200, ""),)), Operation("POST", handler, "", ()))
    request = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "path_params": {}, **scope}
    services: Any = msgspec.defstruct("Limits", [("body_bytes_max", int, 10), ("keys", None, None)])()
    await resource.serve(request, receive or nothing, send, services)
    return sent


async def test_what_was_not_foreseen_is_a_500_that_says_nothing() -> None:
    async def broken(call: Call) -> Any:
        raise LookupError("the prompt was: my secret")

    with capture_logs() as logs:
        start, body = await served(broken)
    assert start["status"] == 500
    assert json.loads(body["body"])["code"] == "SERVER"
    assert "secret" not in body["body"].decode() + str(logs)
    assert logs[0]["error"] == "LookupError"
    assert logs[0]["where"][-1].endswith(" broken")


async def test_an_answer_that_breaks_off_is_not_followed_by_another() -> None:
    sent: list[Any] = []

    async def breaking(call: Call) -> Any:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            sent.append(1)
            raise LookupError("my secret")

        return answer

    with capture_logs() as logs, pytest.raises(RuntimeError) as raised:
        await served(breaking)
    assert sent == [1]
    assert raised.value.__suppress_context__, "the server's own log would show it"
    assert len(logs) == 1
    assert "secret" not in str(logs)


async def test_a_client_that_left_with_its_body_is_not_answered() -> None:
    async def never(call: Call) -> Any:
        raise AssertionError("there is no body")

    assert await served(never, method="POST") == []


async def test_a_cancelled_request_stays_cancelled() -> None:
    async def cancelled(call: Call) -> Any:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await served(cancelled)


async def test_a_trimmed_log_leads_to_the_snapshot() -> None:
    async def trimmed(call: Call) -> Any:
        raise LogTrimmed(first=9)

    start, body = await served(trimmed, path_params={"run": RUN})
    assert start["status"] == 410
    assert json.loads(body["body"])["snapshot"] == f"/api/v1/runs/{RUN}"


async def test_a_header_that_comes_twice_is_one_list() -> None:
    async def told(call: Call) -> Any:
        return json_answer({"accept": call.header("Accept"), "nothing": call.header("x")})

    _, body = await served(told, headers=[(b"accept", b" a "), (b"x-y", b"1"), (b"accept", b"b")])
    assert json.loads(body["body"]) == {"accept": "a, b", "nothing": None}

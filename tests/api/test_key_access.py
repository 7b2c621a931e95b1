"""SECURITY 1, 2, 3, 5, 7: every route × every way to show a key, and nothing of another owner's by any of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from headwater.admission.key_ring import NOT_TAKEN, Visit
from headwater.api.app import RESOURCES
from headwater.api.key_access import shown_key
from headwater.domain.api_key import new_api_key
from headwater.domain.event import Chunk
from headwater.errors import AuthError
from headwater.providers.contract import Finish
from tests.api.composed import HELLO
from tests.api.keyed import ANN, BOB, WAYS, Keyed, bearer, keyed_api
from tests.kit.run_log import until
from tests.kit.websocket import socket_to

#: What is for everybody: whether the server is there, what it looks like, and how to sign in.
OPEN: Final = {
    *("GET /livez", "GET /readyz", "GET /openapi.json"),
    *("GET /chat/test", "GET /chat/test.css", "GET /chat/test.js"),
    *("POST /api/v1/session", "DELETE /api/v1/session"),
}
OPERATIONS: Final = [
    pytest.param(resource.path, method, operation, id=f"{method} {resource.path}")
    for resource in RESOURCES
    for method, operation in resource.operations.items()
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Keyed]:
    async with keyed_api() as keyed:
        yield keyed


@pytest.fixture
async def keyed() -> AsyncIterator[Keyed]:
    async with keyed_api() as keyed:
        yield keyed


def address(path: str) -> str:
    """The path with ids of nothing in it."""
    ids = {"run": "run_" + "0" * 32, "response": "resp_" + "0" * 32, "chat_id": "chat_" + "0" * 32}
    return re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "none"), path)


async def ask(keyed: Keyed, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    body = {"content-type": "application/json"} if method in ("POST", "PUT") else {}
    content = b"{}" if body else None
    client = keyed.api.client
    return await client.request(method, address(path), headers={**body, **headers}, content=content)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
async def test_every_route_asks_and_takes_a_key_in_every_way(
    shared: Keyed, path: str, method: str, operation: Any
) -> None:
    without = await ask(shared, method, path, {})
    if f"{method} {path}" in OPEN:
        assert without.status_code != 401
        return
    refused = [without]
    for wrong in ("hw_", new_api_key("x", BOB, 0).text, "' OR 1=1 --", '"; DROP TABLE api_keys; --'):
        refused += [await ask(shared, method, path, way(wrong)) for way in WAYS.values()]
    for answer in refused:
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert method == "HEAD" or form_of(answer) == expected_form(path), answer.text
        assert "hw_" not in answer.text.replace("hw_…", "")
    taken = {name: (await ask(shared, method, path, way(shared.ann))) for name, way in WAYS.items()}
    statuses = {answer.status_code for answer in taken.values()}
    assert 401 not in statuses
    # What is made is there the second time, and what was deleted is not.
    assert len(statuses) == 1 or method in ("PUT", "DELETE")
    assert shared.ring.visits == 0


def form_of(answer: httpx.Response) -> str:
    """In whose words it says no."""
    if not answer.headers["content-type"].startswith("application/"):
        return "text"
    body = answer.json()
    if "type" in body and str(body["type"]).startswith("urn:headwater:problem"):
        assert (body["code"], body["status"]) == ("AUTH", 401)
        return "problem"
    if body.get("type") == "error" and "error" in body:
        assert body["error"]["type"] == "authentication_error"
        return "anthropic"
    if "param" in str(body.get("error")):
        assert body["error"]["code"] == "invalid_api_key"
        return "openai"
    assert "AUTH" in answer.text
    return "ours by name"


def expected_form(path: str) -> str:
    if path.startswith("/v1/stream/"):
        return "problem"
    if path.startswith("/v1/messages"):
        return "anthropic"
    if path.startswith("/v1/"):
        return "openai"
    if path.startswith("/api/chat"):
        return "text"
    return "ours by name" if path.startswith(("/chat", "/api/conversation")) else "problem"


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ([(b"authorization", b"Bearer  a")], "a"),
        ([(b"x-api-key", b" a ")], "a"),
        ([(b"authorization", b"Bearer a"), (b"x-api-key", b"a")], "a"),
        ([(b"authorization", b"Bearer a"), (b"cookie", b"headwater_key=b")], "a"),
        ([(b"cookie", b"x=1; headwater_key=b"), (b"cookie", b"y=2")], "b"),
    ],
)
def test_a_key_that_is_shown(headers: list[tuple[bytes, bytes]], shown: str) -> None:
    assert shown_key(headers) == shown


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Basic YTpi")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer a b")],
        [(b"cookie", b"headwater_keys=a; other=headwater_key")],
        [(b"authorization", b"Bearer a"), (b"x-api-key", b"b")],
        [(b"x-api-key", b"a"), (b"x-api-key", b"b")],
        [(b"cookie", b"headwater_key=a; headwater_key=b")],
    ],
)
def test_none_or_several(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(AuthError):
        shown_key(headers)


async def test_a_key_in_an_address_is_none(keyed: Keyed) -> None:
    for query in (f"api_key={keyed.ann}", f"key={keyed.ann}", f"token={keyed.ann}"):
        answer = await keyed.api.client.get(f"/api/v1/runs?{query}")
        assert (answer.status_code, keyed.ann in answer.text) == (401, False)


# ── whose things they are ───────────────────────────────────────────────────────────────────────


async def test_what_is_done_with_a_key_is_its_owners_and_no_header_says_otherwise(keyed: Keyed) -> None:
    client, ann = keyed.api.client, bearer(keyed.ann)
    run = (await client.post("/api/v1/runs", json=HELLO, headers=ann)).json()
    assert run["owner"] == {"org": "acme", "user": "ann"}
    for named in ({"x-org-id": "acme"}, {"x-user-id": "ann"}, {"x-org-id": "acme", "x-user-id": "ann"}):
        assert (await client.get(f"/api/v1/runs/{run['id']}", headers={**ann, **named})).status_code == 200
    for other in ({"x-org-id": "other"}, {"x-user-id": "bob"}, {"x-org-id": "acme", "x-user-id": "bob"}):
        for path in (f"/api/v1/runs/{run['id']}", "/v1/models", "/chat/chats"):
            answer = await client.get(path, headers={**ann, **other})
            assert answer.status_code == 403, answer.text
    query = {"message": "Hi", "model": "prompted", "userId": "bob"}
    assert (await client.get("/chat/stream", params=query, headers=ann)).status_code == 403
    keyed.api.prompter.finish()


async def test_anothers_run_looks_like_none(keyed: Keyed) -> None:
    client, ann, bob = keyed.api.client, bearer(keyed.ann), bearer(keyed.bob)
    run = (await client.post("/api/v1/runs", json=HELLO, headers=ann)).json()["id"]
    none = "run_" + "0" * 32
    for method, path in [
        ("GET", "/api/v1/runs/{}"),
        ("DELETE", "/api/v1/runs/{}"),
        ("POST", "/api/v1/runs/{}/cancel"),
        ("POST", "/api/v1/runs/{}/retry"),
        ("GET", "/api/v1/runs/{}/events"),
        ("GET", "/api/v1/runs/{}/events?after=1&wait_ms=10"),
        ("GET", "/v1/stream/runs/{}"),
    ]:
        theirs, nothing = [await client.request(method, path.format(id), headers=bob) for id in (run, none)]
        assert (theirs.status_code, theirs.content) == (404, nothing.content), path
    merged, unknown = [await client.get(f"/api/v1/events?run={id}:1", headers=bob) for id in (run, none)]
    assert (merged.status_code, merged.text.replace(run, none)) == (404, unknown.text)
    assert [each["id"] for each in (await client.get("/api/v1/runs", headers=bob)).json()["runs"]] == []
    assert (await client.get(f"/api/v1/runs/{run}", headers=ann)).status_code == 200
    keyed.api.prompter.finish()


async def test_an_idempotency_key_is_its_owners(keyed: Keyed) -> None:
    client, once = keyed.api.client, {"idempotency-key": "one"}
    made = [
        await client.post("/api/v1/runs", json=HELLO, headers={**once, **bearer(key)})
        for key in (keyed.ann, keyed.bob, keyed.ann)
    ]
    assert [answer.status_code for answer in made] == [201, 201, 200]
    assert made[0].json()["id"] == made[2].json()["id"] != made[1].json()["id"]
    for _ in range(2):
        keyed.api.prompter.finish()


async def test_a_chat_and_a_session_are_their_owners(keyed: Keyed) -> None:
    client, ann, bob = keyed.api.client, bearer(keyed.ann), bearer(keyed.bob)
    keyed.api.prompter.script = [[Chunk("{}", 0)], [Finish("stop")]]
    said = await client.post("/chat", json={"message": "Hi", "model": "prompted"}, headers=ann)
    assert said.status_code == 200, said.text
    path = f"/chat/chats/{said.headers['x-chat-id']}"
    assert (await client.get(path, headers=ann)).json()["user_id"] == "ann"
    theirs, none = [await client.get(each, headers=bob) for each in (path, "/chat/chats/chat_" + "0" * 32)]
    assert (theirs.status_code, theirs.content) == (404, none.content)
    talked = await client.post("/api/conversation/eve", json={"message": "Hi", "model": "prompted"}, headers=ann)
    assert talked.status_code == 200, talked.text
    session = f"/api/conversation/eve/sessions/{talked.headers['x-session-id']}"
    assert (await client.get(session, headers=ann)).status_code == 200
    assert (await client.get(session, headers=bob)).status_code == 404


async def test_a_socket_reads_its_owners_runs_only(keyed: Keyed) -> None:
    run = (await keyed.api.client.post("/api/v1/runs", json=HELLO, headers=bearer(keyed.ann))).json()["id"]
    with pytest.raises(InvalidStatus) as refused:
        async with socket_to(keyed.api.port):
            pass
    assert refused.value.response.status_code == 401
    for way in WAYS.values():
        async with socket_to(keyed.api.port, additional_headers=way(keyed.bob)) as bob:
            theirs = await bob.refused("subscribe", run=run)
            assert theirs == await bob.refused("subscribe", run="run_" + "0" * 32)
            assert (await bob.refused("cancel", run=run))["status"] == 404
    async with socket_to(keyed.api.port, additional_headers=bearer(keyed.ann)) as ann:
        assert (await ann.done("subscribe", run=run))["run"] == run
        keyed.api.prompter.finish()
        await ann.ended(run)


# ── a key that is over ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/api/v1/runs/{}/events", "text/event-stream"),
        ("/api/v1/runs/{}/events", "application/x-ndjson"),
        ("/api/v1/runs/{}/events?after={last}&wait_ms=60000", "application/json"),
        ("/api/v1/events?run={}:0", "text/event-stream"),
        ("/v1/stream/runs/{}?offset=-1&live=sse", "*/*"),
    ],
)
async def test_a_reader_is_cut_with_its_cursor_and_the_run_goes_on(path: str, accept: str) -> None:
    async with keyed_api() as keyed:
        api, ann = keyed.api, bearer(keyed.ann)
        run = (await api.client.post("/api/v1/runs", json=HELLO, headers=ann)).json()["id"]
        api.prompter.say(Chunk("Hello", 0))
        page = f"/api/v1/runs/{run}/events?after=2&wait_ms=10000"
        told = await api.client.get(page, headers={**ann, "accept": "application/json"})
        assert "Hello" in told.text
        path, last = path.replace("{last}", str(told.json()["last"])), told.json()["last"]
        got = b""
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        lines = [
            f"GET {path.replace('{}', run)} HTTP/1.1",
            "host: localhost",
            f"accept: {accept}",
            f"x-api-key: {keyed.ann}",
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        while b"Hello" not in got and "wait_ms" not in path:
            got += await reader.read(1000)
        # a long-poll says nothing while it waits
        await until(lambda: keyed.ring.visits > 0)
        assert keyed.revoke(keyed.ann) == 1
        with pytest.raises(ConnectionResetError):
            while await reader.read(1000):
                pass
        writer.close()
        assert (await api.client.get(path.replace("{}", run), headers={**ann, "accept": accept})).status_code == 401
        # Another key of the same owner reads on from the cursor, and finds the run as it went on.
        key, text = new_api_key("another", keyed.keys[0].owner, 0)
        keyed.ring.replace([key])
        api.prompter.say(Chunk(" again", 0))
        api.prompter.finish()
        rest = await api.client.get(
            f"/api/v1/runs/{run}/events?after={last}", headers={**bearer(text), "accept": "application/x-ndjson"}
        )
        records = [json.loads(line) for line in rest.text.splitlines() if line]
        assert [record["seq"] for record in records] == [*range(last + 1, last + 1 + len(records))]
        assert records[-1]["data"]["final_response"] == "Hello again"


async def test_an_answer_of_another_api_is_cut_before_it_looks_whole() -> None:
    async with keyed_api() as keyed:
        api = keyed.api
        asked = {**HELLO, "stream": True}
        with pytest.raises(httpx.ReadError):
            async with api.client.stream(
                "POST", "/v1/chat/completions", json=asked, headers=bearer(keyed.ann)
            ) as answer:
                api.prompter.say(Chunk("Hello", 0))
                async for line in answer.aiter_lines():
                    if "Hello" in line:
                        assert keyed.revoke(keyed.ann) == 1
        api.prompter.finish()


async def test_a_socket_is_closed_with_a_reason_and_nobody_elses_is() -> None:
    async with (
        keyed_api() as keyed,
        socket_to(keyed.api.port, additional_headers=bearer(keyed.ann)) as ann,
        socket_to(keyed.api.port, additional_headers=bearer(keyed.bob)) as bob,
    ):
        started = await ann.done("start", request=HELLO, subscribe=True)
        assert keyed.revoke(keyed.ann) == 1
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await ann.more()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "the key is over")
        assert (await bob.refused("subscribe", run=started["run"]))["status"] == 404
        keyed.api.prompter.finish()


async def test_what_a_socket_has_sent_before_is_not_acted_on_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with keyed_api() as keyed:
        left, leave = list[Visit](), keyed.ring.leave

        def noted(visit: Visit) -> None:
            left.append(visit)
            leave(visit)

        monkeypatch.setattr(keyed.ring, "leave", noted)
        another = new_api_key("another of hers", ANN, 0)
        keyed.keys.append(another.key)
        keyed.ring.replace(keyed.keys)
        async with socket_to(keyed.api.port, additional_headers=bearer(keyed.ann)) as ann:
            for _ in range(100):
                await ann.send("start", request=HELLO)
            await ann.more()
            assert keyed.revoke(keyed.ann) == 1
            with pytest.raises(ConnectionClosed):
                while True:
                    await ann.more()
        await until(lambda: len(left) == 2)  # the cut, and the end of the conversation
        runs = (await keyed.api.client.get("/api/v1/runs", headers=bearer(another.text))).json()["runs"]
        # the one that was just being acted on
        assert len(runs) <= len(ann.answers) + 1
        keyed.api.prompter.finish()


async def test_what_is_refused_says_the_same_whatever_was_wrong() -> None:
    async with keyed_api() as keyed:
        keyed.revoke(keyed.ann)
        shown = (keyed.ann, new_api_key("x", BOB, 0).text, "nonsense")
        said = {(await keyed.api.client.get("/api/v1/runs", headers=bearer(key))).text for key in shown}
        assert len(said) == 1
        assert NOT_TAKEN in said.pop()


async def test_without_keys_everybody_is_let_in_whatever_they_show(api: Any) -> None:
    for way in WAYS.values():
        assert (await api.client.get("/api/v1/runs", headers=way("hw_nonsense"))).status_code == 200

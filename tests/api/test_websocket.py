"""Many runs over one WebSocket: what is asked is done once and in order, and every record is one of the log."""

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from headwater.domain import event as ev
from headwater.errors import LogTrimmed
from tests.api.composed import HELLO, RunningApi, running_api
from tests.api.test_events import WORDS, ended_run
from tests.api.test_multiplex import NOWHERE, live_run
from tests.kit.websocket import socket_to


async def stored(api: RunningApi, run: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in (await api.storage.log.read(run, 0)).payloads]


async def test_the_records_of_each_run_and_its_end(api: RunningApi) -> None:
    runs = [await ended_run(api, *WORDS), await ended_run(api, ev.Chunk("ä 🌊", 0)), await ended_run(api)]
    async with socket_to(api.port) as socket:
        for run in runs:
            assert await socket.done("subscribe", run=run) == {"run": run, "after": 0}
        await socket.ended(*runs)
        for run in runs:
            assert socket.records[run] == await stored(api, run)
        assert [socket.ends[run] for run in runs] == [{"reason": "closed", "tail": tail} for tail in (5, 2, 1)]
        assert socket.others == []


async def test_records_come_as_they_are_made(api: RunningApi) -> None:
    run = await live_run(api, ev.encode_record(1, 0, ev.Chunk("a", 0)))
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=run, after=1)
        assert socket.records == {}
        for seq in range(2, 5):
            await api.storage.log.append(run, seq - 1, [ev.encode_record(seq, 0, ev.Chunk("b", 0))], 1)
            await socket.until(lambda seq=seq: socket.seqs(run)[-1:] == [seq])  # type: ignore[misc]
        assert socket.seqs(run) == [2, 3, 4]


async def test_a_cursor_types_and_a_snapshot(api: RunningApi) -> None:
    run = await ended_run(api, *WORDS)
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=run, after=3)
        await socket.ended(run)
        assert socket.seqs(run) == [4, 5]
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=run, types=["reasoning", "log"])
        await socket.ended(run)
        assert [record["type"] for record in socket.records[run]] == ["reasoning", "log"]
        assert socket.cursors[run] == 5, "the cursor moves over what is left out"
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=run, **{"from": "snapshot"})
        await socket.ended(run)
        assert [record["type"] for record in socket.records[run]] == ["snapshot", "complete"]


async def test_nothing_comes_of_a_run_after_it_was_left(api: RunningApi) -> None:
    one, two = await live_run(api), await live_run(api)
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=one)
        await socket.done("subscribe", run=two)
        assert await socket.done("unsubscribe", run=one) == {"run": one}
        for run in (one, two):
            await api.storage.log.append(run, 0, [ev.encode_record(1, 0, ev.Chunk("a", 0))], 1)
        await socket.until(lambda: socket.seqs(two) == [1])
        await socket.done("ping")
        assert socket.records == {two: socket.records[two]}
        assert await socket.done("unsubscribe", run=one) == {"run": one}, "it may be repeated"
        await socket.done("subscribe", run=one)
        await socket.until(lambda: socket.seqs(one) == [1])


async def test_a_run_is_started_and_read_on_the_socket(api: RunningApi) -> None:
    async with socket_to(api.port) as socket:
        started = await socket.done("start", request=HELLO)
        run = started["run"]
        assert started == {"run": run, "created": True, "subscribed": True}
        api.prompter.say(ev.Chunk("Hi", 0))
        api.prompter.finish()
        await socket.ended(run)
        assert socket.records[run] == await stored(api, run)
        quiet = await socket.done("start", request=HELLO, subscribe=False)
        assert quiet == {"run": quiet["run"], "created": True, "subscribed": False}
        api.prompter.finish()


async def test_a_key_makes_a_repeat_the_same_run_over_http_too(api: RunningApi) -> None:
    async with socket_to(api.port) as socket:
        first = await socket.done("start", request=HELLO, idempotency_key="k-1")
        again = await socket.done("start", request=HELLO, idempotency_key="k-1")
        assert again == {"run": first["run"], "created": False, "subscribed": True}
        over_http = await api.client.post("/api/v1/runs", json=HELLO, headers={"idempotency-key": "k-1"})
        assert (over_http.status_code, over_http.json()["id"]) == (200, first["run"])
        other = {**HELLO, "metadata": {"a": "b"}}
        assert (await socket.refused("start", request=other, idempotency_key="k-1"))["code"] == "CONFLICT"
        api.prompter.finish()
        await socket.ended(first["run"])
    async with socket_to(api.port) as socket:
        replay = await socket.done("start", request=HELLO, idempotency_key="k-1", after=2)
        await socket.ended(replay["run"])
        assert socket.seqs(replay["run"])[0] == 3, "a client that was cut goes on where it was"
    assert len(api.prompter.calls) == 1


async def test_a_cancel_ends_the_run(api: RunningApi) -> None:
    async with socket_to(api.port) as socket:
        run = (await socket.done("start", request=HELLO))["run"]
        await socket.until(lambda: bool(socket.seqs(run)))
        assert (await socket.done("cancel", run=run))["run"] == run
        await socket.ended(run)
        assert socket.records[run][-1]["type"] == "cancelled"
        assert await socket.done("cancel", run=run) == {"run": run, "state": "cancelled"}


async def test_a_cancel_is_acted_on_though_the_client_is_gone(api: RunningApi) -> None:
    run = await api.start()
    async with socket_to(api.port) as socket:
        await socket.send("cancel", run=run)
    assert json.loads((await api.ended(run))[-1])["type"] == "cancelled"


REFUSED: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("subscribe", {"run": NOWHERE}, "NOT_FOUND", None),
    ("subscribe", {"run": "run_x"}, "NOT_FOUND", None),
    ("subscribe", {"run": NOWHERE, "after": -1}, "BAD_REQUEST", "/after"),
    ("subscribe", {"run": NOWHERE, "after": "3"}, "BAD_REQUEST", "/after"),
    ("subscribe", {"run": NOWHERE, "after": 0, "from": "snapshot"}, "BAD_REQUEST", "/from"),
    ("subscribe", {"run": NOWHERE, "types": ["chunk", "no"]}, "BAD_REQUEST", "/types/1"),
    ("subscribe", {"run": NOWHERE, "more": 1}, "BAD_REQUEST", "/more"),
    ("subscribe", {}, "BAD_REQUEST", "/run"),
    ("cancel", {"run": NOWHERE}, "NOT_FOUND", None),
    ("start", {"request": {"model": "prompted"}, "after": []}, "BAD_REQUEST", "/after"),
    ("start", {"request": {**HELLO, "more": 1}}, "BAD_REQUEST", "/request/more"),
    ("start", {"request": {**HELLO, "settings": {"temperature": 9}}}, "BAD_REQUEST", "/request/settings/temperature"),
    ("start", {"request": HELLO, "idempotency_key": "ä"}, "BAD_REQUEST", "/idempotency_key"),
    ("start", {"request": {**HELLO, "model": "none"}}, "BAD_REQUEST", "/request/model"),
    ("shout", {}, "BAD_REQUEST", "/op"),
]


@pytest.mark.parametrize(("op", "members", "code", "pointer"), REFUSED)
async def test_what_is_refused(
    api: RunningApi, op: str, members: dict[str, Any], code: str, pointer: str | None
) -> None:
    async with socket_to(api.port) as socket:
        problem = await socket.refused(op, **members)
        assert problem["code"] == code, problem
        if pointer is not None:
            assert problem["pointer"] == pointer
        assert await socket.done("ping") == {}, "the socket goes on"
    assert api.prompter.calls == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"op":"ping"}', '{"id":-1,"op":"ping"}', '{"id":true,"op":"ping"}', "[" * 100]
)
async def test_a_message_that_is_none_is_answered_without_an_id(api: RunningApi, text: str) -> None:
    async with socket_to(api.port) as socket:
        await socket.connection.send(text)
        answer = await socket.more()
        assert (answer["id"], answer["error"]["status"]) == (None, 413 if text.startswith("[[") else 400)
        assert await socket.done("ping") == {}


async def test_cursors_that_can_not_be_read_from(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await ended_run(api, *WORDS)
    async with socket_to(api.port) as socket:
        ahead = await socket.refused("subscribe", run=run, after=6)
        assert (ahead["code"], ahead["tail"]) == ("CURSOR_AHEAD", 5)

        def trimmed(*_: object, **__: object) -> None:
            raise LogTrimmed(first=4)

        monkeypatch.setattr(api.storage.log, "peek", trimmed)
        gone = await socket.refused("subscribe", run=run)
        assert (gone["code"], gone["snapshot"]) == ("CURSOR_TRIMMED", f"/api/v1/runs/{run}")


async def test_a_run_is_on_a_socket_once(api: RunningApi) -> None:
    run = await live_run(api)
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=run)
        problem = await socket.refused("subscribe", run=run)
        assert (problem["code"], problem["run"]) == ("CONFLICT", run)


async def test_a_deleted_run_is_told_of(api: RunningApi) -> None:
    run = await api.start()
    other = await live_run(api)
    async with socket_to(api.port) as socket:
        await socket.done("subscribe", run=other)
        await socket.done("subscribe", run=run, types=["log"])
        assert (await api.client.delete(f"/api/v1/runs/{run}")).status_code == 204
        await socket.ended(run)
        assert socket.ends[run]["reason"] in ("closed", "deleted")
        await api.storage.log.append(other, 0, [ev.encode_record(1, 0, ev.Chunk("a", 0))], 1)
        await socket.until(lambda: socket.seqs(other) == [1])


async def test_the_last_reader_that_leaves_cancels(api: RunningApi) -> None:
    """A socket that goes is every one of its readers going (`on_disconnect`)."""
    async with socket_to(api.port) as socket:
        left = (await socket.done("start", request={**HELLO, "on_disconnect": "cancel"}))["run"]
        closed = (await socket.done("start", request={**HELLO, "on_disconnect": "cancel"}))["run"]
        await socket.until(lambda: bool(socket.seqs(left) and socket.seqs(closed)))
        await socket.done("unsubscribe", run=left)
        assert json.loads((await api.ended(left))[-1])["type"] == "cancelled"
        assert socket.ends == {}
    assert json.loads((await api.ended(closed))[-1])["type"] == "cancelled"


# ── before the handshake ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"origin": "https://evil.example"}, 403, "FORBIDDEN"),
        ({"origin": "null"}, 403, "FORBIDDEN"),
        ({"additional_headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "FORBIDDEN"),
    ],
)
async def test_a_hostile_page_is_refused_before_anything_is_opened(
    api: RunningApi, options: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with socket_to(api.port, **options):
            pass
    assert refusal.value.response.status_code == status
    assert json.loads(refusal.value.response.body or b"")["code"] == code


async def test_our_own_pages_and_a_listed_origin_may(api: RunningApi) -> None:
    async with socket_to(api.port, origin=f"http://127.0.0.1:{api.port}") as socket:
        assert await socket.done("ping") == {}
    async with (
        running_api(origins=["https://app.example"]) as other,
        socket_to(other.port, origin="https://app.example") as socket,
    ):
        assert await socket.done("ping") == {}


HEAD = b"GET /api/v1/ws HTTP/1.1\r\nHost: %b\r\n%b\r\n"
ASKS = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        (b"localhost", ASKS + KEY, 101),
        (b"evil.example", ASKS + KEY, 421),
        (b"localhost", b"", 426),
        (b"localhost", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", 426),
        (b"localhost", ASKS, 400),
        (b"localhost", ASKS + b"Sec-WebSocket-Key: short\r\n", 400),
        (b"localhost", ASKS + KEY + KEY, 400),
        (b"localhost", ASKS.replace(b"13", b"8") + KEY, 400),
    ],
)
async def test_the_handshake(api: RunningApi, host: bytes, headers: bytes, status: int) -> None:
    answered, sent, body = await api.exchange(HEAD % (host, headers))
    assert answered == status
    if status == 101:
        # RFC 6455, 1.3 has this key and its answer.
        assert sent["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert "sec-websocket-extensions" not in sent
        assert "transfer-encoding" not in sent
        assert sent["headwater-protocol"] == "1"
    else:
        assert json.loads(body)["status"] == status
    assert ("upgrade" in sent) == (status in (101, 426))


async def test_a_draining_server_closes_with_1012_and_says_when_to_come_back() -> None:
    async with running_api() as api:
        run = await live_run(api, ev.encode_record(1, 0, ev.Chunk("a", 0)))
        async with socket_to(api.port) as socket:
            await socket.done("subscribe", run=run)
            await socket.until(lambda: socket.seqs(run) == [1])
            api.hub.drain()
            with pytest.raises(ConnectionClosed):
                while True:
                    await socket.more()
            assert 500 <= socket.others[-1]["farewell"]["retry_ms"] <= 1500
            assert socket.connection.close_code == 1012
            with pytest.raises(InvalidStatus) as refusal:
                async with socket_to(api.port):
                    pass
            assert refusal.value.response.status_code == 503


async def test_a_thousand_runs_on_one_socket(api: RunningApi) -> None:
    runs = [await live_run(api) for _ in range(1000)]
    async with socket_to(api.port) as socket:
        for run in runs:
            await socket.send("subscribe", run=run)
        await socket.until(lambda: len(socket.answers) == 1000)
        assert all("ok" in answer for answer in socket.answers.values())
        problem = await socket.refused("subscribe", run=await live_run(api))
        assert problem["code"] == "TOO_LARGE"
        problem = await socket.refused("start", request=HELLO)
        assert (problem["code"], api.prompter.calls) == ("TOO_LARGE", [])
        await asyncio.gather(
            *(api.storage.log.append(run, 0, [ev.encode_record(1, 0, ev.Chunk("a", 0))], 1) for run in runs)
        )
        await socket.until(lambda: len(socket.records) == 1000)
        assert all(socket.seqs(run) == [1] for run in runs)
        await socket.done("unsubscribe", run=runs[500])
        assert (await socket.done("start", request=HELLO))["subscribed"] is True
        api.prompter.finish()


async def test_binary_messages_are_none(api: RunningApi) -> None:
    async with socket_to(api.port) as socket:
        await socket.connection.send(b"{}")
        with pytest.raises(ConnectionClosed):
            await socket.more()
        assert socket.connection.close_code == 1003


# ── the connection ──────────────────────────────────────────────────────────────────────────────────


async def test_it_may_be_asked_for_behind_another_request(api: RunningApi) -> None:
    """On one connection, before the first answer has come: that one is whole, then the socket is open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD % (b"localhost", ASKS + KEY))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    writer.write(b"\x88\x80\x00\x00\x00\x00")
    assert await reader.read() == b"\x88\x00"
    writer.close()


async def test_who_is_gone_before_the_answer_leaves_nothing_behind(api: RunningApi) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(HEAD % (b"localhost", ASKS + KEY))
        writer.transport.abort()
    async with socket_to(api.port) as socket:
        await socket.done("ping")
        while len(api.hub._watched) > 1:
            await socket.done("ping")
    assert api.hub.readers == 0


async def test_a_request_that_asks_for_a_socket_elsewhere_is_answered_as_ever(api: RunningApi) -> None:
    run = await api.finished()
    status, headers, body = await api.exchange(
        b"GET /api/v1/runs/%b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (run.encode(), ASKS + KEY)
    )
    assert (status, json.loads(body)["id"]) == (200, run)
    assert headers["connection"] == "close"

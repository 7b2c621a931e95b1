"""Streams over HTTP: what the protocol's own suite does not ask, and what is Headwater's: bounds, guard, runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headwater.clock import SystemClock
from headwater.delivery.formats.durable_streams import offset_of
from headwater.domain.run import LOCAL_OWNER
from headwater.domain.stream import StreamName
from tests.api.composed import RunningApi, running_api

PATH = "/v1/stream/a/b"
TEXT = {"content-type": "text/plain"}


async def make(api: RunningApi, content: bytes = b"", path: str = PATH, **headers: str) -> None:
    response = await api.client.put(path, content=content, headers={**TEXT, **headers})
    assert response.status_code == 201, response.text


async def test_a_stream_from_its_beginning_to_its_end(api: RunningApi) -> None:
    await make(api, b"one")
    assert (await api.client.put(PATH, headers=TEXT)).status_code == 200
    appended = await api.client.post(PATH, content=b"two", headers=TEXT)
    assert (appended.status_code, appended.headers["stream-next-offset"]) == (204, offset_of(2))
    response = await api.client.get(PATH, params={"offset": offset_of(1)})
    assert (response.status_code, response.content) == (200, b"two")
    assert response.headers["stream-up-to-date"] == "true"
    assert "stream-closed" not in response.headers
    closed = await api.client.post(PATH, headers={"stream-closed": "true"})
    assert (closed.status_code, closed.headers["stream-closed"]) == (204, "true")
    refused = await api.client.post(PATH, content=b"x", headers=TEXT)
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")
    assert (await api.client.delete(PATH)).status_code == 204
    assert (await api.client.get(PATH)).status_code == 404


async def test_what_was_put_in_is_never_a_page_of_ours(api: RunningApi) -> None:
    await make(api, b"<script>alert(1)</script>", **{"content-type": "text/html"})
    response = await api.client.get(PATH)
    assert response.headers["content-type"] == "text/html"
    assert response.headers["content-disposition"] == "attachment"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("use", ["script", "style", "worker", "serviceworker"])
async def test_what_was_put_in_is_no_part_of_a_page_of_ours(api: RunningApi, use: str) -> None:
    """Our pages run what is of their own origin: a stream must be no way to have it run something else."""
    await make(api, b"alert(1)", **{"content-type": "text/javascript"})
    page = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors"}
    assert (await api.client.get(PATH, headers={**page, "sec-fetch-dest": use})).status_code == 403
    assert (await api.client.get(PATH, headers={**page, "sec-fetch-dest": "empty"})).status_code == 200


async def test_each_address_is_a_stream_of_its_own(api: RunningApi) -> None:
    """But for slashes, which may be encoded: a proxy that lets callers to some names lets them to no others."""
    addresses = ("a/b", "a%252Fb", "a%252fb", "a%25252Fb")
    for address in addresses:
        await make(api, address.encode(), f"/v1/stream/{address}")
    for address in addresses:
        assert (await api.client.get(f"/v1/stream/{address}")).content == address.encode()
    for address in ("a%2Fb", "a%2fb", "%61/b"):
        assert (await api.client.get(f"/v1/stream/{address}")).content == b"a/b"
    for no_utf_8 in ("%ff", "%ed%a0%80"):
        assert (await api.client.put(f"/v1/stream/{no_utf_8}", headers=TEXT)).status_code == 404
    # httpx would mend this one.
    half_encoded = b"GET /v1/stream/a%%32Fb HTTP/1.1\r\nhost: localhost\r\n\r\n"
    assert (await api.exchange(half_encoded))[2] == b"a%252Fb"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_pages_of_other_sites_change_nothing(api: RunningApi, method: str) -> None:
    """A form or a fetch without preflight can send text/plain anywhere, so it is the Origin that refuses it."""
    await make(api)
    for foreign in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        response = await api.client.request(method, PATH, content=b"x", headers={**TEXT, **foreign})
        assert response.status_code == 403, foreign
    coded = await api.client.request(method, PATH, content=b"x", headers={**TEXT, "content-encoding": "gzip"})
    assert coded.status_code == 415
    name = StreamName(LOCAL_OWNER, "a/b")
    assert (await api.storage.streams.state(name, 0)).tail == 0


async def test_a_body_is_bounded(api: RunningApi) -> None:
    await make(api)
    response = await api.client.post(PATH, content=b"x" * (api.services.body_bytes_max + 1), headers=TEXT)
    assert response.status_code == 413


async def test_an_answer_has_a_bounded_size_and_leads_to_the_next(api: RunningApi) -> None:
    await make(api)
    for _ in range(5):
        await api.client.post(PATH, content=b"x" * 400_000, headers=TEXT)
    offset, pages = "-1", []
    for _ in range(3):
        response = await api.client.get(PATH, params={"offset": offset})
        pages.append((len(response.content), "stream-up-to-date" in response.headers))
        offset = response.headers["stream-next-offset"]
    assert pages == [(800_000, False), (800_000, False), (400_000, True)]


async def test_an_offset_beyond_the_end_is_refused(api: RunningApi) -> None:
    await make(api, b"x")
    for live in ({}, {"live": "sse"}, {"live": "long-poll"}):
        response = await api.client.get(PATH, params={"offset": offset_of(2), **live})
        assert (response.status_code, response.json()["parameter"]) == (400, "offset")


async def test_a_known_answer_is_not_sent_again(api: RunningApi) -> None:
    await make(api, b"x")
    first = await api.client.get(PATH)
    again = await api.client.get(PATH, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await api.client.delete(PATH)
    await make(api, b"y")
    other = await api.client.get(PATH, headers={"if-none-match": first.headers["etag"]})
    assert (other.status_code, other.content) == (200, b"y")


class Hands(SystemClock):
    """A clock whose wall time the test moves."""

    moved_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.moved_ms


@pytest.fixture
async def timed() -> AsyncIterator[tuple[RunningApi, Hands]]:
    clock = Hands()
    async with running_api(now_ms=clock.now_ms) as api:
        yield api, clock


async def test_reading_keeps_a_stream_alive_and_looking_does_not(timed: tuple[RunningApi, Hands]) -> None:
    api, clock = timed
    await make(api, b"x", **{"stream-ttl": "100"})
    clock.moved_ms = 90_000
    assert (await api.client.head(PATH)).headers["stream-ttl"] == "100"
    assert (await api.client.get(PATH, params={"offset": "now"})).status_code == 200
    clock.moved_ms = 180_000
    assert (await api.client.head(PATH)).status_code == 200
    clock.moved_ms = 200_000
    assert (await api.client.head(PATH)).status_code == 404


async def test_a_run_s_log_is_read_as_json_and_not_written(api: RunningApi) -> None:
    run = await api.finished()
    path = f"/v1/stream/runs/{run}"
    records = await api.ended(run)
    response = await api.client.get(path)
    assert response.headers["content-type"] == "application/json"
    assert response.text == f"[{','.join(records)}]"
    assert response.headers["stream-next-offset"] == offset_of(len(records))
    assert response.headers["stream-closed"] == "true"
    head = await api.client.head(path)
    assert head.headers["stream-next-offset"] == offset_of(len(records))
    rest = await api.client.get(path, params={"offset": offset_of(2), "live": "long-poll"})
    assert rest.json() == response.json()[2:]
    events = await api.client.get(path, params={"offset": offset_of(len(records)), "live": "sse"})
    assert '"streamClosed":true' in events.text
    for method in ("PUT", "POST", "DELETE"):
        assert (await api.client.request(method, path)).status_code == 405
    for missing in ("run_" + "0" * 32, "x", "x/y"):
        assert (await api.client.get(f"/v1/stream/runs/{missing}")).status_code == 404
        forked = await api.client.put(PATH, headers={"stream-forked-from": f"/v1/stream/runs/{missing}"})
        assert forked.status_code == 404

"""Who may speak to the server: hostile hosts, origins and sites, over a real socket."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headwater.api.guard import HEADER_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX
from headwater.api.openai_chat import FALLBACK, ON_DISCONNECT
from headwater.api.responses import ON_CRASH
from tests.api.composed import RunningApi, running_api
from tests.api.test_problem import check

BODY = b'{"model":"prompted","messages":[{"role":"user","content":"Hello"}]}'
ALLOWED = "https://app.example"


@pytest.fixture
async def opened() -> AsyncIterator[RunningApi]:
    """A server whose operator lists a host and two origins."""
    async with running_api(hosts=["Head.Water"], origins=[ALLOWED, "http://localhost:3000/"]) as running:
        yield running


def get(path: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    hosts = [f"host: {host}"] if host else []
    return "\r\n".join([f"GET {path} HTTP/1.1", *hosts, *headers, "connection: close", "", ""]).encode("latin-1")


def post(*headers: str, body: bytes = BODY, method: str = "POST", path: str = "/api/v1/runs") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *headers]
    if not any(header.lower().startswith(("content-length", "transfer-encoding")) for header in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + body


JSON = "content-type: application/json"


async def refused(api: RunningApi, request: bytes, status: int, code: str) -> dict[str, Any]:
    answer = await api.exchange(request)
    assert answer[0] == status, answer
    assert answer[1]["headwater-protocol"] == "1"
    problem = check(*answer)
    assert problem["code"] == code
    assert api.prompter.calls == [], "nothing was begun"
    return problem


# ── Host ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LocalHost:1", "localhost:65535", "[::1]", "[::1]:8000"]
)
async def test_the_names_of_loopback(api: RunningApi, host: str) -> None:
    assert (await api.exchange(get("/api/v1/models", host=host)))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example#127.0.0.1",
        "127.0.0.1@evil.example",
        "127.0.0.1:8000@evil.example",
        "localhost.",
        "127.0.0.2",
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "::1",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:-1",
        "127.0.0.1:123456",
        "127.0.0.1:80:80",
        "127.0.0.1, evil.example",
        "head.water",
        "*",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/models", "/metrics", "/openapi.json", "/readyz", "/nowhere"])
async def test_other_names(api: RunningApi, host: str, path: str) -> None:
    await refused(api, get(path, host=host), 421, "WRONG_HOST")


async def test_a_request_needs_one_host(api: RunningApi) -> None:
    await refused(api, get("/livez", host=""), 400, "BAD_REQUEST")
    await refused(api, get("/livez", "host: 127.0.0.1"), 400, "BAD_REQUEST")
    await refused(api, get("/livez", "host: evil.example"), 400, "BAD_REQUEST")


async def test_an_absolute_target_and_the_host_must_both_be_ours(api: RunningApi) -> None:
    await refused(api, get("http://127.0.0.1/livez", host="evil.example"), 421, "WRONG_HOST")
    await refused(api, get("http://evil.example/livez"), 421, "WRONG_HOST")
    await refused(api, get("http://evil.example/livez", host="evil.example"), 421, "WRONG_HOST")
    assert (await api.exchange(get("http://127.0.0.1/livez")))[0] == 200


async def test_forwarded_hosts_count_for_nothing(api: RunningApi) -> None:
    await refused(api, get("/livez", "x-forwarded-host: 127.0.0.1", host="evil.example"), 421, "WRONG_HOST")
    assert (await api.exchange(get("/livez", "x-forwarded-host: evil.example")))[0] == 200


async def test_a_host_that_the_operator_lists(opened: RunningApi) -> None:
    assert (await opened.exchange(get("/livez", host="head.water:443")))[0] == 200
    await refused(opened, get("/livez", host="www.head.water"), 421, "WRONG_HOST")


# ── Origin and site ─────────────────────────────────────────────────────────────────────────────────

HOSTILE_ORIGINS = [
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1:1234",
    "https://127.0.0.1",
    "http://localhost",
    "http://evil.example#http://127.0.0.1",
    "http://127.0.0.1/",
    "file://",
    "chrome-extension://abc",
]


@pytest.mark.parametrize("origin", HOSTILE_ORIGINS)
async def test_pages_of_other_origins(api: RunningApi, origin: str) -> None:
    for request in (
        get("/api/v1/models", f"origin: {origin}"),
        post(f"origin: {origin}", JSON),
        post(f"origin: {origin}", body=b""),
        post(f"origin: {origin}", body=b"", method="DELETE", path="/api/v1/runs/run_" + "0" * 32),
        get("/metrics", f"origin: {origin}"),
        post(f"origin: {origin}", "access-control-request-method: POST", body=b"", method="OPTIONS"),
    ):
        answer = await api.exchange(request)
        assert answer[0] == 403
        assert check(*answer)["code"] == "FORBIDDEN"
        assert not any(name.startswith("access-control") for name in answer[1])
    assert api.prompter.calls == []


async def test_two_origins_are_none(opened: RunningApi) -> None:
    await refused(opened, get("/api/v1/models", f"origin: {ALLOWED}", f"origin: {ALLOWED}"), 403, "FORBIDDEN")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "", "whatever"])
async def test_pages_of_other_sites_without_an_origin(api: RunningApi, site: str) -> None:
    header = f"sec-fetch-site: {site}"
    await refused(api, get("/api/v1/runs", header), 403, "FORBIDDEN")
    await refused(api, get("/api/v1/runs/run_" + "0" * 32 + "/events", header), 403, "FORBIDDEN")
    await refused(api, post(header, JSON), 403, "FORBIDDEN")
    await refused(api, get("/api/v1/runs", "sec-fetch-site: same-origin", header), 403, "FORBIDDEN")
    # a link to what is no resource of a user's may be followed from anywhere
    assert (await api.exchange(get("/livez", header)))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["sec-fetch-site: same-origin"],
        ["sec-fetch-site: none"],
        ["origin: http://127.0.0.1"],
        ["origin: http://127.0.0.1", "sec-fetch-site: same-origin"],
    ],
)
async def test_our_own_pages_and_programs(api: RunningApi, headers: list[str]) -> None:
    status, answered, _ = await api.exchange(get("/api/v1/runs", *headers))
    assert status == 200
    assert not any(name.startswith("access-control") for name in answered), "CORS is off"
    assert (await api.exchange(post(JSON, *headers)))[0] == 201


async def test_an_origin_that_the_operator_lists(opened: RunningApi) -> None:
    for origin, site in [(ALLOWED, "cross-site"), ("http://localhost:3000", "same-site")]:
        headers = [f"origin: {origin}", f"sec-fetch-site: {site}"]
        status, answered, _ = await opened.exchange(get("/api/v1/runs", *headers))
        assert (status, answered["access-control-allow-origin"], answered["vary"]) == (200, origin, "Origin")
        assert "access-control-allow-credentials" not in answered
        assert (await opened.exchange(post(JSON, *headers)))[0] == 201
    for origin in HOSTILE_ORIGINS:
        status, answered, _ = await opened.exchange(get("/api/v1/runs", f"origin: {origin}"))
        assert status == 403
        assert "access-control-allow-origin" not in answered


async def test_a_preflight(opened: RunningApi) -> None:
    asks = ["access-control-request-method: POST", "access-control-request-headers: content-type"]
    status, headers, _ = await opened.exchange(post(f"origin: {ALLOWED}", *asks, body=b"", method="OPTIONS"))
    assert status == 204
    assert headers["access-control-allow-origin"] == ALLOWED
    assert "POST" in headers["access-control-allow-methods"]
    allowed = headers["access-control-allow-headers"].split(", ")
    # What OpenAI's SDK sends from a browser is on the list too.
    assert {"idempotency-key", "authorization", "x-stainless-os"} <= set(allowed)
    assert {name.lower() for name in (FALLBACK, ON_CRASH, ON_DISCONNECT)} <= set(allowed)
    assert {"x-api-key", "anthropic-version", "anthropic-beta"} <= set(allowed)


async def test_answers_differ_by_origin_once_origins_are_listed(opened: RunningApi) -> None:
    """Else a cache could give one origin's answer to another."""
    assert (await opened.exchange(get("/livez")))[1]["vary"] == "Origin"


# ── media types ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["content-type: text/plain"],
        ["content-type: application/x-www-form-urlencoded"],
        ["content-type: multipart/form-data; boundary=x"],
        ["content-type: text/json"],
        ["content-type: application/jsonp"],
        ["content-type: application/json, text/plain"],
        ["content-type: text/plain; application/json"],
        ["content-type: "],
        ["content-type: application/json", "content-type: text/plain"],
        [JSON, "content-encoding: gzip"],
    ],
)
async def test_a_change_must_be_json(api: RunningApi, headers: list[str]) -> None:
    await refused(api, post(*headers), 415, "MEDIA_TYPE")
    await refused(api, post(*headers, "transfer-encoding: chunked", body=b"0\r\n\r\n"), 415, "MEDIA_TYPE")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
async def test_json_by_any_spelling(api: RunningApi, kind: str) -> None:
    assert (await api.exchange(post(f"content-type: {kind}")))[0] == 201


async def test_a_change_without_a_body_needs_no_type_but_may_not_claim_another(api: RunningApi) -> None:
    run = await api.start()
    cancel = f"/api/v1/runs/{run}/cancel"
    assert (await api.exchange(post("content-type: text/plain", body=b"", path=cancel)))[0] == 415
    assert (await api.exchange(post(body=b"", path=cancel)))[0] in (200, 202)
    octets = "content-type: application/octet-stream"
    assert (await api.exchange(post(octets, body=b"", path=cancel)))[0] in (200, 202)
    assert (await api.exchange(post(octets, body=b"{}", path=cancel)))[0] == 415
    assert (await api.exchange(post(JSON, body=b"", path=cancel)))[0] in (200, 202)


# ── size ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "request_",
    [
        get("/livez", *[f"x-{n}: 1" for n in range(HEADERS_MAX)]),
        get("/livez", "x-large: " + "a" * HEADER_BYTES_MAX),
        get("/livez?" + "a" * TARGET_BYTES_MAX),
        get("/" + "a" * TARGET_BYTES_MAX),
    ],
)
async def test_heads_that_are_too_large(api: RunningApi, request_: bytes) -> None:
    await refused(api, request_, 431, "TOO_LARGE")


async def test_ranges_are_not_served(api: RunningApi) -> None:
    """A thousand ranges of a resource are a bomb where ranges are served; here they are passed over."""
    ranges = ",".join(f"{n}-" for n in range(1000))
    status, headers, body = await api.exchange(get("/openapi.json", f"range: bytes={ranges}"))
    assert (status, "content-range" in headers) == (200, False)
    assert body == (await api.exchange(get("/openapi.json")))[2]

"""A page signs in: its browser then shows the key, to this server and to no script."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headwater.api.route import OPEN_BODY_BYTES_MAX
from tests.api.composed import HELLO, RunningApi
from tests.api.keyed import bearer, keyed_api


async def test_signed_in_the_cookie_is_the_key_and_signed_out_it_is_gone() -> None:
    async with keyed_api() as keyed:
        client = keyed.api.client
        assert (await client.get("/api/v1/session")).status_code == 401
        signed = await client.post("/api/v1/session", json={"key": f" {keyed.ann}\n"})
        assert (signed.status_code, signed.content) == (204, b"")
        name, *attributes = signed.headers["set-cookie"].split("; ")
        assert name == f"headwater_key={keyed.ann}"
        assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
        session = (await client.get("/api/v1/session")).json()
        assert session == {
            "owner": {"org": "acme", "user": "ann"},
            "key": {"id": keyed.keys[0].id, "name": "ann", "expires_at": None},
        }
        run = (await client.post("/api/v1/runs", json=HELLO)).json()
        assert run["owner"]["user"] == "ann"
        keyed.api.prompter.finish()
        gone = await client.delete("/api/v1/session")
        assert gone.status_code == 204
        assert "Max-Age=0" in gone.headers["set-cookie"]
        assert (await client.get("/api/v1/session")).status_code == 401


async def test_over_tls_the_cookie_is_sent_over_nothing_else() -> None:
    async with keyed_api(origins=["https://chat.example"]) as keyed:
        headers = {"origin": "https://chat.example"}
        signed = await keyed.api.client.post("/api/v1/session", json={"key": keyed.ann}, headers=headers)
        assert signed.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize("key", ["", "hw_", "x" * 4000])
async def test_a_key_that_is_none_signs_nobody_in(key: str) -> None:
    async with keyed_api() as keyed:
        refused = await keyed.api.client.post("/api/v1/session", json={"key": key})
        assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
        assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("key", [None, "ann"], ids=["without a key", "with one"])
async def test_no_more_is_read_of_anybody_than_a_key_needs(method: str, key: str | None) -> None:
    async with keyed_api() as keyed:
        headers = bearer(keyed.ann) if key else {}
        for content in (b"{" + b" " * OPEN_BODY_BYTES_MAX, _pieces()):
            refused = await keyed.api.client.request(
                method, "/api/v1/session", content=content, headers={"content-type": "application/json", **headers}
            )
            assert (refused.status_code, refused.json()["code"]) == (413, "TOO_LARGE")
            assert refused.headers["connection"] == "close"
        fits = await keyed.api.client.post("/api/v1/session", json={"key": keyed.ann + " " * 4000})
        assert fits.status_code == 204


async def _pieces() -> AsyncIterator[bytes]:
    """A body whose length nobody says."""
    for _ in range(OPEN_BODY_BYTES_MAX // 1024 + 1):
        yield b" " * 1024


async def test_another_site_can_neither_sign_in_nor_out() -> None:
    async with keyed_api() as keyed:
        for method in ("POST", "DELETE"):
            headers = {"origin": "https://evil.example", **bearer(keyed.ann)}
            refused = await keyed.api.client.request(
                method, "/api/v1/session", json={"key": keyed.ann}, headers=headers
            )
            assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


async def test_where_no_key_is_asked_for_there_is_none(api: RunningApi) -> None:
    assert (await api.client.get("/api/v1/session")).json() == {"owner": {"org": "local", "user": "local"}, "key": None}
    assert (await api.client.post("/api/v1/session", json={"key": "hw_"})).status_code == 409

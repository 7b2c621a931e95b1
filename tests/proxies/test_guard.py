"""Who comes in, under which name, with how much: Headwater's guard and the proxies' together. SECURITY 8–11."""

from __future__ import annotations

import pytest

from tests.kit.client import call
from tests.proxies.servers import HOST, Door, unchecked
from tests.proxies.stage import Stage, request_of

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

MIB = 1 << 20


def ours(stage: Stage) -> list[Door]:
    return [door for door in stage.doors if door.name.startswith("our ")]


async def test_what_is_said_about_the_client_is_not_believed(shared_stage: Stage) -> None:
    """A page of another origin stays out, whatever its request says that it was forwarded for."""
    claims = {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "evil.example",
        "forwarded": "for=127.0.0.1;host=evil.example;proto=https",
    }

    before = len(shared_stage.upstream.requests)

    async def check(door: Door) -> None:
        for origin in ("https://evil.example", f"https://127.0.0.1:{door.port}"):
            body = request_of(f"{origin} at {door.name}")
            answer = await call(door.port, "POST", "/api/v1/runs", body, {**claims, "origin": origin}, way=door.way)
            assert (answer.status, answer.json()["code"]) == (403, "FORBIDDEN"), origin

    await shared_stage.everywhere(check)
    answer = await call(shared_stage.scene.port, "GET", "/api/v1/models", headers={"x-forwarded-host": HOST})
    assert answer.status == 200
    assert len(shared_stage.upstream.requests) == before


async def test_our_files_pass_the_name_that_was_asked_for(shared_stage: Stage) -> None:
    """So Headwater sees its own pages for what they are, and a name that was bound to it by others for what that is."""
    for door in ours(shared_stage):
        talk = shared_stage.talk(door.name)
        headers = {"origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}
        started = await call(door.port, "POST", "/api/v1/runs", request_of(door.name), headers, way=door.way)
        assert started.status == 201, started.body
        talk.finish()
        shared_stage.scene.note_start(door.name, started, answer=talk.text)
    nginx = next(door for door in ours(shared_stage) if door.name == "our nginx")
    way = nginx.way._replace(host="evil.example", tls=unchecked())
    wrong = await call(nginx.port, "GET", "/api/v1/models", way=way)
    assert (wrong.status, wrong.json()["code"]) == (421, "WRONG_HOST")
    await shared_stage.scene.judge()


async def test_our_files_let_nobody_in_without_the_password(shared_stage: Stage) -> None:
    for door in ours(shared_stage):
        for path in ("/", "/api/v1/models", "/metrics", "/openapi.json"):
            for headers in ({}, {"authorization": "Basic YW5uOndyb25n"}):
                way = door.way._replace(headers=headers)
                answer = await call(door.port, "GET", path, way=way)
                assert (answer.status, "www-authenticate" in answer.headers) == (401, True), (door, path)


async def test_our_files_take_bodies_as_large_as_headwater_does(shared_stage: Stage) -> None:
    """nginx of its own takes 1 MiB."""
    plain = next(door for door in shared_stage.doors if door.name == "nginx")
    prompt = "x" * (2 * MIB)
    refused = await call(plain.port, "POST", "/api/v1/runs", request_of(prompt), way=plain.way)
    assert refused.status == 413
    for door in ours(shared_stage):
        talk = shared_stage.talk(prompt)
        talk.finish()
        taken = await call(door.port, "POST", "/api/v1/runs", request_of(prompt), way=door.way)
        assert taken.status == 201, taken.body
        shared_stage.scene.note_start(prompt, taken, answer=talk.text)
        too_large = await call(door.port, "POST", "/api/v1/runs", request_of("x" * (9 * MIB)), way=door.way)
        assert too_large.status == 413

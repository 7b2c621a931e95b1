"""SECURITY 18 for every provider: a canary in each key's variable, and servers that quote it in their own form.

The operator has asked for the providers' own words (`[log] provider_detail`), which is where a key would show first.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from headwater.providers.servers import SERVERS
from tests.acceptance.scene import CALLED_ONCE, Scene, error_of, side_by_side
from tests.acceptance.test_secrets import all_answers, all_files, found_in, log_of
from tests.kit.product import Product
from tests.kit.script import Send, Status, Step
from tests.kit.upstream import Received, ScriptedUpstream

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

#: Where keys come from that no row has a variable for.
OWN_VARIABLE: Final = "KEY_OF_THE_REST"
VARIABLES: Final = sorted({row.api_key_env or OWN_VARIABLE for row in SERVERS.values()})
#: Without a form by which a key is known, with characters that JSON and URLs write in other ways, and of one length.
KEYS: Final = {name: f'{number:02d}Kanarie/7+zwitschert="leise"~heute' for number, name in enumerate(VARIABLES)}
#: What the prompt ends with is where the server is to quote.
PLACE: Final = re.compile(rb"quote it in ([a-z ]+)!")


def _words(key: str) -> str:
    return f"Incorrect API key provided: {key}. You sent 'Authorization: Bearer {key}'"


def _problem(path: str, key: str) -> Any:
    """The error object of the API at this path."""
    words = _words(key)
    if path.endswith("/messages"):
        return {"type": "error", "error": {"type": key, "message": words}, "request_id": key}
    if "GenerateContent" in path:
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": key, "metadata": {"key": key}}]
        return {"error": {"code": 400, "message": words, "status": key, "details": details}}
    return {"error": {"message": words, "type": key, "code": key, "param": key}}


def _in_stream(path: str, key: str) -> list[Any]:
    """Errors that this API sends among its events."""
    if path.endswith("/responses"):
        failed = {"id": key, "object": "response", "status": "failed", "error": {"code": key, "message": _words(key)}}
        return [{"type": "response.failed", "sequence_number": 1, "response": failed}]
    return [_problem(path, key)]


def _frames(path: str, values: Iterable[Any]) -> bytes:
    if "GenerateContent" in path and "alt=sse" not in path:
        return b"[" + b",\n".join(json.dumps(value).encode() for value in values) + b"]"
    return b"".join(
        f"event: {value.get('type', 'message')}\ndata: {json.dumps(value)}\n\n".encode() for value in values
    )


def _places(path: str, key: str) -> dict[str, list[Step]]:
    as_json = {"Content-Type": "application/json"}
    is_array = "GenerateContent" in path and "alt=sse" not in path
    stream = Status(200, {"Content-Type": "application/json" if is_array else "text/event-stream"})
    problem = json.dumps(_problem(path, key)).encode()
    flat = {"type": "error", "code": key, "message": _words(key), "param": key}
    broken = f'{{"key": {key}'.encode()
    return {
        "a refusal": [Status(401, as_json, problem, "length")],
        "a fault": [Status(400, as_json, problem, "length")],
        "an outage": [Status(503, as_json, problem, "length")],
        "half a refusal": [Status(403, as_json, problem[: problem.index(b"provided") + 20], "length")],
        "an error in mid stream": [stream, Send(_frames(path, _in_stream(path, key)))],
        "a flat error": [stream, Send(_frames(path, [flat]))],
        "what is no json": [stream, Send(b"[" + broken + b"}]" if is_array else b"data: " + broken + b"\n\n")],
        "a whole answer": [Status(200, as_json, problem, "length")],
    }


def answer(received: Received) -> Iterable[Step]:
    """Quotes the key that came, in whatever header, at the place that the prompt asks for."""
    (key,) = {value for value in KEYS.values() for header in received.headers.values() if value in header}
    if received.method == "GET":
        return [Status(401, {"Content-Type": "application/json"}, json.dumps(_problem("", key)).encode(), "length")]
    found = PLACE.search(received.body)
    place = found[1].decode() if found else "a refusal"
    return _places(received.path, key)[place]


@asynccontextmanager
async def watched(data: Path) -> AsyncIterator[Scene]:
    """A product with a model for every row, each with the key of its row's own variable."""
    async with ScriptedUpstream(answer) as upstream:
        models = [
            {
                "name": name,
                "provider": name,
                "model": "mock-model",
                "base_url": upstream.base_url,
                "api_key_env": row.api_key_env or OWN_VARIABLE,
                "allow_private": True,
            }
            for name, row in SERVERS.items()
        ]
        config = {"log": {"provider_detail": True}, "resilience": CALLED_ONCE, "models": models}
        async with Product(data, config=config, environ=KEYS) as product:
            yield Scene(product)


async def doctor(scene: Scene) -> bytes:
    """All that the doctor says of these servers, for a person and for a program."""
    said = b""
    for more in ([], ["--json"]):
        command = [sys.executable, "-m", "headwater", "doctor", *more, "--config"]
        process = await asyncio.create_subprocess_exec(
            *command,
            str(scene.product.data.parent / f"{scene.product.data.name}.toml"),
            env={**os.environ, **scene.product.environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        said += out
    assert b"does not take the key" in said
    return said


async def test_no_key_is_anywhere_whatever_a_provider_quotes(data_dir: Path) -> None:
    async with watched(data_dir) as scene:
        ended: dict[tuple[str, str], str] = {}

        async def one(server: str, place: str) -> None:
            final = await scene.end(await scene.start(f"Please quote it in {place}!", model=server))
            ended[server, place] = "complete" if final.type == "complete" else error_of(final)

        places = list(_places("", ""))
        await side_by_side((one(server, place) for place in places for server in SERVERS), 4)
        for server in SERVERS:
            assert ended[server, "a refusal"] == "AUTH", server
        assert "complete" not in ended.values(), [key for key, end in ended.items() if end == "complete"]
        secrets = [*KEYS.values()]
        assert found_in(await all_answers(scene, scene.runs), secrets) == []
        assert found_in(await doctor(scene), secrets) == []
        assert found_in(all_files(data_dir), secrets) == []
        assert await scene.product.terminate() == 0
        assert found_in(all_files(data_dir), secrets) == []
        log = log_of(scene)
        assert found_in(log, secrets) == []
        # The providers' words are there, and the key was in the midst of them.
        assert log.count(b"Incorrect API key provided") > len(SERVERS)

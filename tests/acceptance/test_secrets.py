"""SECURITY 18: canaries in every key, prompt and answer, and then a search of all that the product has left behind.

What a model says in its answer is the caller's, word for word, even if a server reads its own key aloud: to change it
would break the promise of exact text, and a key cut over two events could not be found anyway. So such an answer holds
it, and nothing else does. Everything that is not the model's text is searched for the keys.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.scene import CALLED_ONCE, Scene, error_of, json_line, prompt_of, side_by_side
from tests.kit.client import call, start_run
from tests.kit.product import Product, compatible_model
from tests.kit.script import EndWithoutTerminator, Raw, Send, Status, Step, chat_chunk, chat_stream
from tests.kit.upstream import Received, ScriptedUpstream

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

#: Without a form by which a key is known (`sk-…`), with characters that JSON and URLs write in other ways.
KEY = 'Kanarie/7+zwitschert="leise"~heute'
#: As providers make them.
USUAL_KEY = "sk-proj-kAnArIeNvOgElZwItScHeRt0123456789"
#: In the environment, and nobody's business.
OTHER = "OtherKanarieOfTheEnvironment99"
PROMPT = "PromptKanarie17"
ANSWER = "AnswerKanarie23"

#: The shortest beginning of a key that still counts as one.
TELLING_CHARS = 10

LISTS = ("/api/v1/models", "/api/v1/providers", "/none")


def forms(secret: str) -> list[bytes]:
    """The ways in which a secret may be written down, each without what its end may be cut off."""
    written = {
        secret,
        secret[:TELLING_CHARS],
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode()[:TELLING_CHARS],
        secret.encode().hex()[: 2 * TELLING_CHARS],
    }
    return [form.encode() for form in written]


def found_in(content: bytes, secrets: Iterable[str]) -> list[bytes]:
    return [form for secret in secrets for form in forms(secret) if form in content]


def problem(key: str) -> bytes:
    words = f"Incorrect API key provided: {key}. You sent 'Authorization: Bearer {key}'"
    return json.dumps(
        {"error": {"message": words, "type": "invalid_request_error", "code": key, "param": key}}
    ).encode()


def echoes(key: str) -> dict[str, list[Step]]:
    """Every place of an answer, beside the model's text, in which a server may quote the key that it was shown."""
    as_json, plain = {"Content-Type": "application/json"}, f"<html>Bearer {key}</html>".encode()
    found: dict[str, list[Step]] = {
        f"status {code}": [Status(code, as_json, problem(key), "length")]
        for code in (400, 401, 403, 404, 429, 500, 503)
    }
    found |= {
        "cut in the key": [Status(401, as_json, problem(key)[: problem(key).index(b"provided") + 20], "length")],
        "a page": [Status(502, {"Content-Type": "text/html"}, plain, "length")],
        "a redirect": [Status(302, {"Location": f"http://127.0.0.1:9/?key={quote(key)}"}, b"", "length")],
        "headers": [Status(429, {**as_json, "Retry-After": key, "X-Request-Id": key}, problem(key), "length")],
        "an error in 200": [Status(200, as_json, problem(key), "length")],
        "a media type": [Status(200, {"Content-Type": f"text/x; key={key}"}, plain, "length")],
        "an encoding": [Status(200, {"Content-Type": "text/event-stream", "Content-Encoding": key}, plain, "length")],
        "an error event": [Send(chat_chunk(ANSWER)), Send(b"data: " + problem(key) + b"\n\n")],
        "a named error": [Send(chat_chunk(ANSWER)), Send(b"event: error\ndata: " + problem(key) + b"\n\n")],
        "no JSON": [Send(chat_chunk(ANSWER)), Send(f"data: {{key: {key}\n\n".encode())],
        "a comment": [Send(f": {key}\n\n".encode()), Send(chat_chunk(ANSWER)), EndWithoutTerminator()],
        "an unknown finish": [Send(json_line({"choices": [{"index": 0, "finish_reason": 7, "key": key}]}))],
        "no HTTP": [Raw(f"HTTP/1.1 {key} Bearer {key}\r\n\r\n".encode())],
        "a bad header": [Raw(f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode())],
        "a reason": [Raw(f"HTTP/1.1 401 Bearer {key}\r\nContent-Length: 0\r\n\r\n".encode())],
    }
    return found


def answer(received: Received) -> Iterable[Step]:
    """By the prompt's last words; the key is the one that came."""
    key = received.headers["authorization"].removeprefix("Bearer ")
    assert key in (KEY, USUAL_KEY)
    place = prompt_of(received).partition(": ")[2]
    if place == "aloud":
        return chat_stream(["It is ", key, ". ", ANSWER])
    return chat_stream([ANSWER]) if place == "nothing" else echoes(key)[place]


@asynccontextmanager
async def watched(data: Path, *, detail: bool = False) -> AsyncIterator[Scene]:
    """A product with two models, each with a key; both are answered by `answer`.

    `detail` has what providers say about failures told in the server's lines.
    """
    async with ScriptedUpstream(answer) as upstream:
        models = [
            compatible_model("odd", upstream.base_url, api_key_env="ODD_API_KEY"),
            compatible_model("usual", upstream.base_url, api_key_env="USUAL_API_KEY"),
        ]
        environ = {"ODD_API_KEY": KEY, "USUAL_API_KEY": f"{USUAL_KEY}\n", "SOMETHING_ELSE": OTHER}
        config = {"log": {"provider_detail": detail}, "resilience": CALLED_ONCE, "models": models}
        async with Product(data, config=config, environ=environ) as product:
            yield Scene(product)


async def all_answers(scene: Scene, runs: Iterable[str]) -> bytes:
    """What the API says about everything, in every form, with all heads."""
    said: list[bytes] = []

    async def ask(path: str, accept: str = "*/*", method: str = "GET") -> None:
        got = await call(scene.port, method, path, headers={"accept": accept})
        said.append(json.dumps(got.headers).encode() + got.body)

    for path in ("/metrics", "/openapi.json", "/livez", "/readyz", "/api/v1/runs?limit=200", *LISTS):
        await ask(path)
    for run in runs:
        await ask(f"/api/v1/runs/{run}")
        await ask(f"/api/v1/runs/{run}/cancel", method="POST")
        for accept in ("application/x-ndjson", "application/json", "text/event-stream"):
            await ask(f"/api/v1/runs/{run}/events", accept)
    assert len(said) > 7
    return b"\n".join(said)


def all_files(data: Path) -> bytes:
    """Every file of the data directory, the write-ahead log while it is there included."""
    files = [path for path in sorted(data.rglob("*")) if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    return b"\n".join(path.read_bytes() for path in files)


def log_of(scene: Scene) -> bytes:
    log = scene.product.log_text.encode()
    assert b"run ended" in log
    return log


@pytest.mark.parametrize("detail", [False, True], ids=["in a sentence", "in the provider's words"])
async def test_no_key_is_anywhere(data_dir: Path, detail: bool) -> None:
    async with watched(data_dir, detail=detail) as scene:
        ended: dict[str, str] = {}

        async def one(model: str, place: str) -> None:
            run = await scene.start(f"{model}: {place}", model=model)
            final = await scene.end(run)
            ended[f"{model}: {place}"] = "complete" if final.type == "complete" else error_of(final)

        places = [*echoes(""), "nothing"]
        await side_by_side((one(model, place) for model in ("odd", "usual") for place in places), 4)
        for model in ("odd", "usual"):
            assert ended[f"{model}: nothing"] == "complete"
            assert ended[f"{model}: status 401"] == "AUTH"
        assert list(ended.values()).count("complete") == 2, ended
        secrets = (KEY, USUAL_KEY, OTHER)
        assert found_in(await all_answers(scene, scene.runs), secrets) == []
        assert found_in(all_files(data_dir), secrets) == []
        assert await scene.product.terminate() == 0
        assert found_in(all_files(data_dir), secrets) == []
        assert found_in(log_of(scene), secrets) == []
        assert (b"Incorrect API key provided: [redacted]" in log_of(scene)) == detail
        # The search can find: what is kept on purpose is found by it.
        assert found_in(all_files(data_dir), [ANSWER])


async def test_a_key_that_a_model_says_is_in_its_text_only(data_dir: Path) -> None:
    async with watched(data_dir) as scene:
        run = await scene.start("odd: aloud", model="odd")
        final = await scene.end(run)
        assert final.data["final_response"] == f"It is {KEY}. {ANSWER}"
        other = await scene.start("odd: nothing", model="odd")
        await scene.end(other)
        assert found_in(await all_answers(scene, [other]), [KEY]) == []
        assert await scene.product.terminate() == 0
        assert found_in(log_of(scene), [KEY]) == []


async def test_no_prompt_and_no_answer_is_in_the_log(data_dir: Path) -> None:
    """Whatever goes wrong with them."""
    async with watched(data_dir) as scene:
        port = scene.port
        for place in [*echoes(""), "nothing", "aloud"]:
            await scene.end(await scene.start(f"{PROMPT}: {place}", model="usual", metadata={"name": PROMPT}))
        said = {"words": 20, "delay_ms": 0, "fail_after": 10}
        await scene.end(await scene.start(PROMPT, settings={"extra": {"simulated": said}}))
        for request in (
            {"settings": {"extra": {"simulated": {PROMPT: 1}}}},
            {"settings": {"temperature": PROMPT}},
            {"model": PROMPT},
            {"workflow": PROMPT},
            {PROMPT: 1},
        ):
            refused = await start_run(port, PROMPT, **request)
            assert 400 <= refused.status < 500, (request, refused)
        messages = [{"role": PROMPT, "content": PROMPT}]
        for body in ({"model": "simulated", "messages": messages}, [PROMPT], PROMPT):
            assert (await call(port, "POST", "/api/v1/runs", body)).status == 400
        assert (await start_run(port, PROMPT, key=PROMPT)).status == 201
        assert (await start_run(port, "another", key=PROMPT)).status == 409
        assert (await call(port, "GET", f"/api/v1/runs/{PROMPT}?q={PROMPT}")).status in (400, 404)
        assert await scene.product.terminate() == 0
        assert found_in(log_of(scene), (PROMPT, ANSWER)) == []
        # The search can find: what is kept on purpose is found by it.
        assert found_in(all_files(data_dir), [PROMPT])

"""What is found when the providers' servers are asked, and when their models are called."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.cli.checkup import providers
from headwater.cli.checkup.finding import Findings, Level
from headwater.cli.checkup.providers import check_calls, check_servers, not_asked
from headwater.domain.message import GenerationRequest
from headwater.errors import UnsupportedError
from headwater.providers.catalog import ModelRow
from headwater.providers.contract import HttpRequest
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.servers import SERVERS, ServerRow
from tests.kit.product import free_port
from tests.kit.upstream import Pause, Received, ScriptedUpstream, Send, Stall, Status, Step, chat_stream

KEY = {"K": "sk-canary-49a1"}
OPENAI = {"object": "list", "data": [{"id": "gpt-5-mini"}, {"id": "llama3.2:latest"}, {"id": "haiku-20260101"}, 7]}
GEMINI = {"models": [{"name": "models/gemini-9"}, {"displayName": "nameless"}]}


def rows(**fields: Any) -> list[ModelRow]:
    return [ModelRow(name="m", **fields)]


def worst(found: Findings) -> tuple[Level, str]:
    """What was found, where that is one thing."""
    assert "sk-canary" not in str(found)
    (finding,) = found
    return finding.level, finding.text


async def probed(status: int, *, key: bool = True, **headers: str) -> tuple[Findings, list[Received]]:
    answer: list[Step] = [Status(status, {"Content-Type": "application/json", **headers}), Send(b"{}")]
    async with ScriptedUpstream(answer) as upstream:
        more = {"api_key_env": "K"} if key else {}
        base_url = f"{upstream.origin}/v1/"
        found = await check_servers(rows(base_url=base_url, allow_private=True, **more) * 2, KEY)
        return found, upstream.requests


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (200, Level.NOTE),
        (404, Level.NOTE),
        (429, Level.WARNING),
        (401, Level.PROBLEM),
        (403, Level.PROBLEM),
        (302, Level.PROBLEM),
        (503, Level.WARNING),
    ],
)
async def test_a_server_is_asked_once_with_the_key(status: int, level: Level) -> None:
    found, requests = await probed(status, Location="https://elsewhere.example/")
    assert worst(found)[0] is level
    (request,) = requests
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert request.headers["authorization"] == "Bearer sk-canary-49a1"


async def test_a_server_without_a_key_is_asked_without_one() -> None:
    found, (request,) = await probed(200, key=False)
    assert worst(found)[0] is Level.NOTE
    assert "authorization" not in request.headers


async def test_a_wrong_path_does_not_pass_for_a_server_of_models() -> None:
    answer: list[Step] = [Status(200, {"Content-Type": "text/html"}), Send(b"<html>Welcome</html>")]
    async with ScriptedUpstream(answer) as upstream:
        (found,) = await check_servers(rows(base_url=upstream.origin, allow_private=True), {})
    assert (found.level, "base_url" in found.advice) == (Level.NOTE, True)


async def test_a_redirect_is_not_to_be_tried_again() -> None:
    async with ScriptedUpstream([Status(301, {"Location": "https://elsewhere.example/"})]) as upstream:
        (found,) = await check_calls(rows(base_url=upstream.base_url, allow_private=True), {})
    assert (found.level, found.advice) == (Level.PROBLEM, "")
    assert "set base_url to where the server is" in found.text


async def test_nobody_there_is_a_problem() -> None:
    where = rows(base_url=f"http://127.0.0.1:{free_port()}", allow_private=True)
    level, text = worst(await check_servers(where, {}))
    assert level is Level.PROBLEM
    assert "can not be reached" in text


async def test_an_address_that_must_not_be_called_is_not_called() -> None:
    async with ScriptedUpstream([Status(200)]) as upstream:
        url = upstream.origin.replace("127.0.0.1", "localhost")
        level, text = worst(await check_servers(rows(base_url=url, allow_private=False), {}))
        assert upstream.requests == []
    assert level is Level.PROBLEM
    assert "allow_private" in text


async def test_a_recording_has_no_server() -> None:
    played = rows(provider="replay", file=Path("x.sse"))
    assert await check_servers(played, {}) == not_asked(played) == []


class TestWhatIsListed:
    async def found(self, body: object, *models: str) -> Findings:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer: list[Step] = [Status(200, {"Content-Type": "application/json"}), Send(sent)]
        async with ScriptedUpstream(answer) as upstream:
            asked = [
                ModelRow(name=f"row-{n}", model=model, base_url=f"{upstream.origin}/v1", allow_private=True)
                for n, model in enumerate(models)
            ]
            found = await check_servers(asked, {})
            assert len(upstream.requests) == 1
        return found

    async def test_a_model_that_the_server_has_not_is_told(self) -> None:
        found = await self.found(OPENAI, "gpt-5-mini", "gtp-5-mini", "llama3.2", "haiku")
        ok, warning = found
        assert ok.level is Level.OK
        assert warning.level is Level.WARNING
        assert "`row-1`" in warning.text
        assert "`gtp-5-mini`" in warning.text

    async def test_gemini_s_names_have_a_folder(self) -> None:
        assert len(await self.found(GEMINI, "gemini-9")) == 1
        assert len(await self.found(GEMINI, "gemini-8")) == 2

    @pytest.mark.parametrize("body", [{**OPENAI, "has_more": True}, {**GEMINI, "nextPageToken": "abc"}])
    async def test_what_is_not_a_whole_list_says_nothing(self, body: object) -> None:
        assert worst(await self.found(body, "gpt-5-mini"))[0] is Level.OK

    @pytest.mark.parametrize(
        "body",
        [
            {"data": []},
            {"data": "gpt"},
            [1],
            b"not JSON",
            b"[" * 100_000,
            b'{"data": [{"id": "\xff"}]}',
            b" " * (9 << 20),
        ],
        ids=["empty", "no list", "no object", "no JSON", "deep", "no UTF-8", "too long"],
    )
    async def test_what_is_no_list_is_told(self, body: object) -> None:
        assert worst(await self.found(body, "gpt-5-mini"))[0] is Level.NOTE


async def test_a_server_is_asked_as_its_dialect_asks() -> None:
    class Versioned(OpenAIChat):
        def request(self, request: GenerationRequest) -> HttpRequest:
            return super().request(request)._replace(headers={"Content-Type": "application/json", "acme-version": "7"})

    async with ScriptedUpstream([Status(200), Send(b"{}")]) as upstream:
        acme = ServerRow(dialect=Versioned, base_url=upstream.origin, auth_header="x-key", models_path="/v2/all")
        asked = rows(provider="acme", allow_private=True, api_key_env="K", headers={"X-Title": "App"})
        found = await check_servers(asked, KEY, {"acme": acme})
        assert worst(found)[0] is Level.NOTE
        (request,) = upstream.requests
    assert request.path == "/v2/all"
    assert (request.headers["acme-version"], request.headers["x-title"]) == ("7", "App")
    assert request.headers["x-key"].endswith(KEY["K"])
    assert "content-type" not in request.headers


async def test_who_can_make_no_request_is_told_of_and_the_others_are_asked() -> None:
    """As a plug-in that is broken, or that knows its models by name."""

    class Particular(OpenAIChat):
        def request(self, request: GenerationRequest) -> HttpRequest:
            if request.model != "known":
                raise UnsupportedError(f"There is no `{request.model}`.", pointer="/model")
            return super().request(request)

    async with ScriptedUpstream([Status(200), Send(b"{}")]) as upstream:
        particular = ServerRow(dialect=Particular, base_url=upstream.base_url)
        asked = [*rows(provider="acme", model="m9"), *rows(base_url=f"{upstream.origin}/v2")]
        allowed = [msgspec.structs.replace(row, allow_private=True) for row in asked]
        refused, answered = await check_servers(allowed, {}, {**SERVERS, "acme": particular})
        known = await check_servers(
            rows(provider="acme", model="known", allow_private=True), {}, {**SERVERS, "acme": particular}
        )
        assert [each.path for each in upstream.requests] == ["/v2/models", "/v1/models"]
    assert (refused.level, refused.text) == (Level.PROBLEM, "`m` can be asked nothing: There is no `m9`.")
    assert (answered.level, worst(known)[0]) == (Level.NOTE, Level.NOTE)


@pytest.mark.parametrize("name", [name for name, row in SERVERS.items() if row.models_path is not None])
async def test_every_server_that_is_known_can_be_asked(name: str) -> None:
    server = SERVERS[name]
    async with ScriptedUpstream([Status(200), Send(b"{}")]) as upstream:
        asked = rows(provider=name, base_url=upstream.origin, allow_private=True, api_key_env="K")
        assert worst(await check_servers(asked, KEY))[0] is Level.NOTE
        (request,) = upstream.requests
    assert request.path == server.models_path
    assert request.headers[server.auth_header.lower()] == server.auth_prefix + KEY["K"]
    assert ("anthropic-version" in request.headers) == (server.dialect().name == "anthropic")


async def test_a_server_without_a_list_is_only_looked_for_and_not_shown_the_key() -> None:
    async with ScriptedUpstream([Status(404), Send(b"{}")]) as upstream:
        acme = ServerRow(dialect=OpenAIChat, base_url=f"{upstream.origin}/v1", models_path=None)
        asked = rows(provider="acme", allow_private=True, api_key_env="K", headers={"X-Title": "App"})
        found = await check_servers(asked, KEY, {"acme": acme})
        (request,) = upstream.requests
    assert (request.method, request.path) == ("GET", "/v1")
    assert {"authorization", "x-title"}.isdisjoint(request.headers)
    level, text = worst(found)
    assert level is Level.NOTE
    assert "whether it takes the key was not tried" in text
    assert "--call" in found[0].advice


async def test_all_servers_are_asked_at_once_and_told_of_in_order() -> None:
    """The first one answers only when the second one has been asked."""
    second_asked = asyncio.Event()
    slow: list[Step] = [Pause(until=second_asked), Status(401), Send(b"{}")]
    async with ScriptedUpstream(slow) as first, ScriptedUpstream([Status(403), Send(b"{}")]) as second:
        second.observe = lambda _what, _received: second_asked.set()
        places = (first.base_url, second.base_url)
        found = await check_servers([row for url in places for row in rows(base_url=url, allow_private=True)], {})
    said = [
        f"{url} answers, but does not take the key ({status})." for url, status in zip(places, (401, 403), strict=True)
    ]
    assert [finding.text for finding in found] == said


async def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PROBE_S", 0.2)
    async with ScriptedUpstream([Stall()]) as upstream:
        level, text = worst(await check_servers(rows(base_url=upstream.base_url, allow_private=True), {}))
    assert (level, text.split(" ", 1)[1]) == (Level.PROBLEM, "did not answer within 0.2 s.")


async def test_what_to_do_depends_on_why_a_server_is_not_reached() -> None:
    async with ScriptedUpstream([Status(200)]) as upstream:
        not_there = f"http://127.0.0.1:{free_port()}"
        urls = [not_there, "http://no-such-host.invalid", upstream.origin.replace("127.0.0.1", "localhost")]
        private = [True, True, False]
        asked = [
            row for url, allow in zip(urls, private, strict=True) for row in rows(base_url=url, allow_private=allow)
        ]
        advice = [finding.advice for finding in await check_servers(asked, {})]
    assert advice == [
        "Start the server, or correct the port in base_url.",
        "Is the host's name right in base_url, and can this machine look up names?",
        "Allow it only where the name is meant to lead there.",
    ]


class TestCalls:
    async def test_a_model_that_answers_is_good(self) -> None:
        async with ScriptedUpstream(chat_stream(["Hi"])) as upstream:
            found = await check_calls(rows(base_url=upstream.base_url, allow_private=True, model="m1"), {})
            (request,) = upstream.requests
        level, text = worst(found)
        assert (level, text.startswith("`m` answers, its first word after ")) == (Level.OK, True)
        assert (request.json["model"], request.json["max_tokens"]) == ("m1", 16)

    async def test_a_model_that_refuses_is_a_problem_with_the_provider_s_words_and_no_key(self) -> None:
        said = {"error": {"message": f"There is no model m, {KEY['K']}!", "code": "model_not_found"}}
        answer: list[Step] = [Status(404, {"Content-Type": "application/json"}), Send(json.dumps(said).encode())]
        async with ScriptedUpstream(answer) as upstream:
            found = await check_calls(rows(base_url=upstream.base_url, allow_private=True, api_key_env="K"), KEY)
        level, text = worst(found)
        assert level is Level.PROBLEM
        assert "There is no model m, [redacted]!" in text
        assert found[0].advice == "Is `model` what the provider calls it, and may this key use it?"

    async def test_a_key_that_is_not_taken_is_named_by_its_variable(self) -> None:
        async with ScriptedUpstream([Status(401), Send(b"{}")]) as upstream:
            found = await check_calls(rows(base_url=upstream.base_url, allow_private=True, api_key_env="K"), KEY)
        assert worst(found)[0] is Level.PROBLEM
        assert found[0].advice == "Look at what K holds."

    async def test_an_answer_that_is_cut_is_a_problem(self) -> None:
        async with ScriptedUpstream(chat_stream(["Hi"], done=False)[:2]) as upstream:
            found = await check_calls(rows(base_url=upstream.base_url, allow_private=True), {})
        level, text = worst(found)
        assert level is Level.PROBLEM
        assert "TRUNCATED" in text

    async def test_a_recording_is_not_called(self) -> None:
        recording = Path(__file__).parents[2] / "providers" / "fixtures" / "chat_plain.sse"
        assert await check_calls(rows(provider="replay", file=recording), {}) == []

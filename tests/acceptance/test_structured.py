"""Structured answers through the real server: what readers and other people's clients make of their fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.domain import event as ev
from headwater.domain.snapshot import Fold
from headwater.domain.structured_value import value_of
from headwater.wire.answer_json import AnswerJSON
from tests.acceptance import ai_sdk_client as use_chat
from tests.acceptance.scene import SCRIPTED, Scene, by_prompt, with_upstream
from tests.acceptance.test_ag_ui_node import ag_ui, task, user
from tests.acceptance.test_resilience import with_models
from tests.kit.client import call
from tests.kit.script import EndWithoutTerminator, Send, chat_chunk, chat_stream
from tests.kit.upstream import Script, ScriptedUpstream

pytestmark = [pytest.mark.slow]

ANSWER: dict[str, Any] = {
    "title": "A path – and ‘more’ of it " * 30,
    "grid": [[0, 3, 3], [3, 0, 12]],
    "hints": ["one", "two"],
    "deep": {"a/b": [{"~": None}]},
    "sure": 0.25,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["title", "grid"],
    "properties": {"title": {"type": "string"}, "sure": {"type": "number", "maximum": 1}},
}
TEXT = json.dumps(ANSWER, ensure_ascii=False, indent=1)


def in_pieces(text: str, size: int = 4) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


SCRIPTS: dict[str, Script] = {
    "plain": chat_stream(in_pieces(TEXT)),
    "whole": chat_stream([TEXT]),
    "fenced": chat_stream(in_pieces(f"Here you are:\n```json\n{TEXT}\n```\nGood luck!")),
    "thinking": chat_stream(in_pieces(f'<think>{{"title": "</think>{TEXT}')),
    "unopened": chat_stream(in_pieces(f'Perhaps {{"title": "a", "grid": 1}}?</think>{TEXT}')),
    "example": chat_stream(in_pieces(f'{{"title": "such a title"}} is how it begins: {TEXT}')),
    "wrong": chat_stream(in_pieces('{"title": 5, "sure": 2}')),
    "broken": chat_stream(in_pieces('{"title": "x", oops}')),
    "nothing": chat_stream(["I would", " rather not."]),
    "cut": [*(Send(chat_chunk(each)) for each in in_pieces(TEXT)[:20]), EndWithoutTerminator()],
    "__proto__": chat_stream(in_pieces('{"a": {"__proto__": {"x": "yyyyyyy"}}, "b": 1}')),
}


#: What has to be passed over to read an answer.
READ = {
    "plain": [],
    "whole": [],
    "fenced": ["fence", "prose"],
    "thinking": ["thinking"],
    "unopened": ["thinking"],
    "example": ["other_value", "prose"],
}


def asking(**more: Any) -> dict[str, Any]:
    return {"model": SCRIPTED, "settings": {"json_schema": SCHEMA}, **more}


async def test_fields_lead_to_the_answer_at_every_record(data_dir: Path) -> None:
    async with ScriptedUpstream(by_prompt(SCRIPTS)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)
        for prompt, repairs in READ.items():
            run = await scene.start(prompt, **asking())
            payloads = await scene.payloads(run)
            fold, parser = Fold(), AnswerJSON(begins="{", fits=lambda value: "grid" in value)
            fields: list[ev.Field] = []
            for payload in payloads:
                record = ev.decode_record(payload)
                fold.apply(record)
                if isinstance(record.event, ev.Chunk):
                    assert value_of(fields) == parser.told, "nothing is told late"
                    parser.feed(record.event.content)
                elif isinstance(record.event, ev.Field):
                    fields.append(record.event)
            assert value_of(fields) == ANSWER
            # each piece of the text is told once
            assert sum(len(payload) for payload in payloads) < 200 * len(payloads) + 8 * len(TEXT)
            final = payloads[-1]
            result = json.loads(final)["data"]["result"]
            assert (result["value"], result["is_valid"], result["errors"]) == (ANSWER, True, [])
            assert result["repairs"] == repairs
            snapshot = (await scene.show(run))["snapshot"]
            assert (snapshot["value"], snapshot["result"]) == (ANSWER, result)
            sent = (await upstream.request(len(scene.runs))).json["response_format"]
            assert (sent["type"], sent["json_schema"]["schema"]) == ("json_schema", SCHEMA)
        await scene.judge()


async def test_what_is_not_as_it_was_asked_for_is_said_with_the_result(data_dir: Path) -> None:
    async with ScriptedUpstream(by_prompt(SCRIPTS)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)
        found: dict[str, Any] = {}
        for prompt in ("wrong", "broken", "nothing", "cut"):
            run = await scene.start(prompt, **asking())
            final, shown = await scene.end(run), await scene.show(run)
            found[prompt] = (final.type, final.data.get("result"), shown["snapshot"]["value"])
            # who comes later needs no log for the verdict
            assert shown["snapshot"]["result"] == final.data.get("result")
        kind, result, value = found["wrong"]
        assert (kind, result["is_valid"], value) == ("complete", False, {"title": 5, "sure": 2})
        assert {flaw["path"] for flaw in result["errors"]} == {"", "/title", "/sure"}
        kind, result, value = found["broken"]
        assert (kind, result["is_valid"], result["value"], value) == ("complete", False, {"title": "x"}, {"title": "x"})
        assert [flaw["code"] for flaw in result["errors"]] == ["malformed"]
        kind, result, _ = found["nothing"]
        assert (kind, result["value"], result["errors"][0]["code"]) == ("complete", None, "no_json")
        kind, result, value = found["cut"]
        assert (kind, result) == ("error", None)
        assert ANSWER["title"].startswith(value["title"]), "what was known of it stays"
        await scene.judge()


async def test_an_attempt_that_supersedes_takes_the_fields_back(data_dir: Path) -> None:
    async with (
        ScriptedUpstream(SCRIPTS["cut"], chat_stream(in_pieces('{"title": "t", "grid": 1}'))) as upstream,
        with_models(data_dir, upstream) as product,
    ):
        scene = Scene(product)
        run = await scene.start("Hi", **asking(after_output="new_attempt"))
        records = await scene.records(run)
        assert "attempt" in [record.type for record in records]
        assert records[-1].data["result"]["value"] == {"title": "t", "grid": 1}
        assert (await scene.show(run))["snapshot"]["value"] == {"title": "t", "grid": 1}


async def test_a_schema_that_is_none_is_refused_before_there_is_a_run(data_dir: Path) -> None:
    async with ScriptedUpstream(SCRIPTS["plain"]) as upstream, with_upstream(data_dir, upstream) as product:
        body = {"model": SCRIPTED, "messages": [{"role": "user", "content": "Hi"}]}
        asked = {**body, "settings": {"json_schema": {"type": "objct"}}}
        answer = await call(product.port, "POST", "/api/v1/runs", body=asked)
        problem = answer.json()
        assert (answer.status, problem["code"], problem["pointer"]) == (400, "BAD_REQUEST", "/settings/json_schema")
        form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "objct"}}}
        asked = {**body, "response_format": form}
        answer = await call(product.port, "POST", "/v1/chat/completions", body=asked)
        assert (answer.status, answer.json()["error"]["param"]) == (400, "response_format")
        assert (await call(product.port, "GET", "/api/v1/runs")).json()["runs"] == []
        assert upstream.requests == []


async def test_the_state_of_an_ag_ui_client_is_the_answer(data_dir: Path) -> None:
    async with ScriptedUpstream(by_prompt(SCRIPTS)) as upstream, with_upstream(data_dir, upstream) as product:
        asked = {"model": SCRIPTED, "settings": {"json_schema": SCHEMA}}
        prompts = (*READ, "broken", "__proto__")
        outcomes = await ag_ui(
            product, *(task(user(prompt), forwardedProps=asked) | {"state": {"mine": 1}} for prompt in prompts)
        )
        for prompt, outcome in zip(prompts, outcomes, strict=True):
            assert "error" not in outcome, outcome
            assert outcome["events"][-1]["type"] == "RUN_FINISHED"
            if prompt == "broken":
                assert outcome["state"] == {"title": "x"}
            elif prompt == "__proto__":
                assert outcome["state"]["b"] == 1, "the rest is told all the same"
            else:
                assert outcome["state"] == ANSWER
                assert outcome["result"]["is_valid"]
        patches = [event for event in outcomes[0]["events"] if event["type"] == "STATE_DELTA"]
        assert len(patches) > 20
        assert len(outcomes[1]["events"]) < 10


async def test_the_data_parts_of_use_chat_amount_to_the_answer(data_dir: Path) -> None:
    async with ScriptedUpstream(by_prompt(SCRIPTS)) as upstream, with_upstream(data_dir, upstream) as product:
        asked: dict[str, Any] = {"settings": {"json_schema": SCHEMA}}
        tasks = [use_chat.send(f"chat {prompt}", use_chat.user(prompt), **asked) for prompt in READ]
        for outcome in await use_chat.ai_sdk(product, *tasks):
            parts = [part["data"] for part in outcome["message"]["parts"] if part["type"] == "data-field"]
            assert len({part["path"] for part in parts}) == len(parts), "one for each place"
            assert value_of(ev.Field(part["path"], part["value"], part["done"]) for part in parts) == ANSWER

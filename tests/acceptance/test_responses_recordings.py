"""Recorded provider streams as responses: each event held to OpenAI's own models, and read by its SDK as the original.

Every recording of every dialect is made into a log, and the log into events; those of the Responses API go through
upstream, server and SDK too.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import openai
import pytest

from headwater.delivery.formats.responses_stream import ResponseStream
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.run import FaceTerms
from headwater.providers.anthropic import Anthropic
from headwater.providers.contract import Dialect, Finish
from headwater.providers.gemini import Gemini
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.openai_responses import OpenAIResponses
from headwater.testing.dialect import Decoded, decode_pieces
from tests.acceptance.openai_stage import Stage
from tests.acceptance.scene import CALLED_ONCE, SCRIPTED, by_prompt, side_by_side
from tests.delivery.formats.faces import encoded, rendered
from tests.delivery.formats.responses import events_of, run
from tests.kit.product import Product, compatible_model
from tests.kit.script import play
from tests.kit.upstream import Received, ScriptedUpstream
from tests.providers.recorded import ABSENT
from tests.providers.summaries import summary_of
from tests.providers.test_openai_responses_recordings import DEVIATIONS, FAILURES, golden_summary
from tests.recordings import Recording, recordings

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

DIALECTS: dict[str, Dialect] = {
    "chat": OpenAIChat(),
    "responses": OpenAIResponses(),
    "messages": Anthropic(),
    "generate-content": Gemini(),
}
RECORDINGS = {recording.name: recording for recording in recordings(api="responses")}


def log_of(decoded: Decoded) -> list[ev.Event]:
    """The records of a run whose model has said that."""
    said: list[ev.Event] = [ev.Call(1, "answer", "p", "m")]
    usage = Usage()
    for item in decoded.items:
        if isinstance(item, Finish):
            return [*said, ev.Complete(item.reason, usage)]
        usage = item.usage if isinstance(item, ev.UsageReport) else usage
        said.append(item)
    return [*said, ev.Error("TRUNCATED", "Cut.", True)]


@pytest.mark.parametrize("api", DIALECTS)
def test_every_event_is_one_of_the_sdks(api: str, seeded: random.Random) -> None:
    known = list(recordings(api=api))
    if not known:
        pytest.skip(ABSENT)
    asked = run(face=FaceTerms(sealed=True))
    for recording in known:
        decoded = decode_pieces(DIALECTS[api], [recording.read()], clean=True)
        payloads = encoded(log_of(decoded))
        stream = ResponseStream(asked)
        events = events_of(stream.greeting(0) + rendered(stream, payloads))
        assert [event["sequence_number"] for event in events] == list(range(len(events))), recording.name
        assert seen_in(events[-1]["response"]) == wanted_of(decoded), recording.name
        for number in seeded.sample(range(len(events)), min(3, len(events))):
            cuts = {seeded.randrange(1, len(payloads) + 1)}
            rest = rendered(ResponseStream(asked, after=number), payloads, cuts)
            assert events_of(rest) == events[number + 1 :], (recording.name, number)


def wanted_of(decoded: Decoded) -> dict[str, Any]:
    summary = summary_of(decoded)
    return {name: summary[name] for name in ("text", "reasoning", "refusal", "tool_calls")}


def seen_in(response: dict[str, Any]) -> dict[str, Any]:
    output = response["output"]
    content = [part for item in output if item["type"] == "message" for part in item["content"]]
    calls = [item for item in output if item["type"] == "function_call"]
    return {
        "text": "".join(part.get("text", "") for part in content),
        "reasoning": "".join(part["text"] for item in output for part in item.get("summary", [])),
        "refusal": "".join(part.get("refusal", "") for part in content),
        "tool_calls": [(call["call_id"], call["name"], call["arguments"]) for call in calls],
    }


async def one(stage: Stage, recording: Recording) -> None:
    name = recording.name
    if name in FAILURES:
        with pytest.raises(openai.APIStatusError) as caught:
            await stage.respond(name)
        run_id = caught.value.response.headers["x-run-id"]
        failed = await stage.client.responses.retrieve(run_id.replace("run_", "resp_"))
        assert (failed.status, failed.error is not None) == ("failed", True), name
        return
    async with await stage.respond(name, stream=True) as stream:
        last = [event async for event in stream][-1]
    found = last.response.to_dict()
    golden = golden_summary(recording.golden())
    if name in DEVIATIONS:
        golden |= DEVIATIONS[name].fields
    assert seen_in(found) == {key: golden[key] for key in ("text", "reasoning", "refusal", "tool_calls")}, name
    assert found["status"] == (
        "incomplete" if golden["finish"] in ("max_output_tokens", "content_filter") else "completed"
    )
    again = await stage.client.responses.retrieve(found["id"])
    assert again == last.response


async def test_every_recording_through_the_server(data_dir: Path) -> None:
    if not RECORDINGS:
        pytest.skip(ABSENT)
    scripts = {name: play(recording.read(), 1000) for name, recording in RECORDINGS.items()}

    def prompt(received: Received) -> str:
        return str(received.json["input"][-1]["content"])

    async with ScriptedUpstream(by_prompt(scripts, prompt)) as upstream:
        model = compatible_model(SCRIPTED, upstream.base_url) | {"provider": "openai_responses"}
        config = {"resilience": CALLED_ONCE, "models": [model]}
        async with Product(data_dir, config=config) as product:
            client = openai.AsyncOpenAI(base_url=f"{product.url}/v1", api_key="any", max_retries=0)
            async with client:
                stage = Stage(product, upstream, client)
                await side_by_side((one(stage, recording) for recording in RECORDINGS.values()), 8)

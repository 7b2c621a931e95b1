"""Recorded provider streams through upstream, server and face: every event is what Anthropic's SDK says it may be.

Those of Anthropic come out as they went in: the same text, thinking with its signatures, calls, usage and reason for
the end. Those of every other API become a message that says what they say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.acceptance.anthropic_stage import AnthropicStage, anthropic_stage
from tests.acceptance.scene import side_by_side
from tests.acceptance.test_recordings import SPOKEN, Spoken, named_in
from tests.kit.script import play
from tests.providers.test_anthropic_recordings import DEVIATIONS
from tests.recordings import Recording

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

#: What the server speaks to each kind of server that there are recordings of, the model's own API included.
PROVIDERS = {name: "anthropic" if name == "messages" else spoken.provider for name, spoken in SPOKEN.items()}
#: Reasons for an end that are more than ours; the others come out as they went in.
REASONS = {"stop_sequence": "end_turn", "pause_turn": "end_turn", "model_context_window_exceeded": "max_tokens"}
#: Answers that the limit cut in the middle of a call's arguments.
CUT_CALLS = {"anthropic-messages/anthropic-sdk--incomplete-partial-json-response-0-d3027e.sse"}
SEALED = ("thinking", "redacted_thinking")


def parts(message: Any) -> dict[str, Any]:
    """What a message holds, as one string for each kind."""
    content = [block.model_dump(exclude_unset=True) for block in message.content]
    return {
        "text": "".join(block.get("text", "") for block in content),
        "thinking": "".join(block.get("thinking", "") for block in content),
        "sealed": [block.get("signature") or block.get("data") for block in content if block["type"] in SEALED],
        "calls": [(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"],
        "stop_reason": message.stop_reason,
    }


def original(recording: Recording) -> dict[str, Any]:
    """The same of what the SDK made of the provider's own bytes."""
    golden = recording.golden()["sdk_accumulated"]
    content = golden["content"]
    sealed = [block.get("signature") or block.get("data") for block in content if block["type"] in SEALED]
    return {
        "text": "".join(block.get("text", "") for block in content),
        "thinking": "".join(block.get("thinking", "") for block in content),
        "sealed": [each or "" for each in sealed],
        "calls": [(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"],
        "stop_reason": REASONS.get(golden["stop_reason"], golden["stop_reason"]),
    }


async def one(face: AnthropicStage, spoken: Spoken, recording: Recording) -> None:
    name = recording.name
    if not spoken.is_whole(recording):
        with pytest.raises(anthropic.APIError):
            await face.events(name)
        with pytest.raises(anthropic.APIStatusError):
            await face.whole(name)
        return
    events = await face.events(name)
    assert events[-1].type == "message_stop", name
    whole, accumulated = await face.whole(name), await face.accumulated(name)
    if name in CUT_CALLS:
        # The SDK makes an object of what there is; a whole answer has an empty one.
        assert [call[2] for call in parts(whole)["calls"]] == [{}]
        return
    assert parts(whole) == parts(accumulated), name
    assert parts(whole)["text"] == spoken.text(recording), name
    (told,) = [event for event in events if event.type == "message_delta"]
    assert json.loads(told.usage.model_dump_json(exclude_unset=True)) == json.loads(
        whole.usage.model_dump_json(exclude_unset=True)
    ), name
    if spoken.provider == "anthropic_compatible" and name not in DEVIATIONS:
        assert parts(whole) == original(recording), name


@pytest.mark.parametrize("api", SPOKEN)
async def test_every_recording(data_dir: Path, api: str) -> None:
    spoken = SPOKEN[api]
    if not spoken.recordings:
        pytest.skip("no recordings on this machine; continuous integration must have them")
    scripts = {name: play(recording.read(), 1000) for name, recording in spoken.recordings.items()}
    prompt = named_in(scripts)
    async with anthropic_stage(data_dir, scripts, provider=PROVIDERS[api], prompt=prompt) as face:
        await side_by_side((one(face, spoken, recording) for recording in spoken.recordings.values()), 8)

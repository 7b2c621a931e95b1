"""Recorded provider streams through upstream, server and face: OpenAI's SDK reads out what it read in the original."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.openai_stage import Stage, openai_stage
from tests.acceptance.scene import side_by_side
from tests.kit.script import play
from tests.providers.test_openai_chat_recordings import (
    DEVIATIONS,
    FAILURES,
    GOLDEN_OF,
    REFUSALS,
    golden_summary,
)
from tests.recordings import Recording, chat_recordings

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

RECORDINGS = {recording.name: recording for recording in chat_recordings()}


def wanted(recording: Recording) -> dict[str, Any]:
    """The golden in the form of `seen`, with what we read better than the SDK did."""
    golden = golden_summary(RECORDINGS[GOLDEN_OF.get(recording.name, recording.name)].golden())
    if recording.name in DEVIATIONS:
        golden |= DEVIATIONS[recording.name].fields
    return {name: golden[name] for name in ("text", "reasoning", "refusal", "tool_calls", "usage")}


def counts(usage: Any) -> tuple[int, int, int, int] | None:
    if usage is None or getattr(usage, "estimated", False):
        return None
    return (
        usage.prompt_tokens,
        usage.prompt_tokens_details.cached_tokens,
        usage.completion_tokens,
        usage.completion_tokens_details.reasoning_tokens,
    )


def seen_streamed(chunks: list[Any]) -> dict[str, Any]:
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    calls: dict[int, list[str]] = {}
    for call in (call for delta in deltas for call in delta.tool_calls or []):
        known = calls.setdefault(call.index, ["", "", ""])
        known[0] += call.id or ""
        known[1] += call.function.name or ""
        known[2] += call.function.arguments or ""
    return {
        "text": "".join(delta.content or "" for delta in deltas),
        "reasoning": "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas),
        "refusal": "".join(delta.refusal or "" for delta in deltas),
        "tool_calls": [tuple(call) for call in calls.values()],
        "usage": counts(chunks[-1].usage),
    }


def seen_whole(completion: Any) -> dict[str, Any]:
    message = completion.choices[0].message
    calls = message.tool_calls or []
    return {
        "text": message.content or "",
        "reasoning": getattr(message, "reasoning_content", None) or "",
        "refusal": message.refusal or "",
        "tool_calls": [(call.id, call.function.name, call.function.arguments) for call in calls],
        "usage": counts(completion.usage),
    }


async def one(stage: Stage, recording: Recording) -> None:
    name = recording.name
    if name in FAILURES:
        with pytest.raises(openai.APIError):
            await stage.chunks(name)
        with pytest.raises(openai.APIStatusError):
            await stage.whole(name)
        return
    chunks = await stage.chunks(name, stream_options={"include_usage": True})
    whole = await stage.whole(name)
    assert seen_streamed(chunks) == wanted(recording), name
    assert seen_whole(whole) == wanted(recording), name
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert finishes[:-1] == [None] * (len(finishes) - 1), name
    assert finishes[-1] == whole.choices[0].finish_reason, name
    if name in REFUSALS:
        assert finishes[-1] == "stop"


async def test_every_recording(data_dir: Path) -> None:
    if not RECORDINGS:
        pytest.skip("no recordings on this machine; continuous integration must have them")
    scripts = {name: play(recording.read(), 1000) for name, recording in RECORDINGS.items()}
    async with openai_stage(data_dir, scripts) as stage:
        await side_by_side((one(stage, recording) for recording in RECORDINGS.values()), 8)
        assert len(stage.upstream.requests) == 2 * len(RECORDINGS)

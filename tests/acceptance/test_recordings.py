"""Every recorded Chat Completions stream through the whole product: real sockets on both sides, one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.scene import SCRIPTED, Scene, by_prompt, side_by_side, with_upstream
from tests.kit.answer import answer_text
from tests.kit.script import EndCleanly, EndWithoutTerminator, Send, Status, Step, play
from tests.kit.upstream import ScriptedUpstream
from tests.providers.chat_ends import chat_ends
from tests.providers.test_openai_chat_recordings import GOLDEN_OF
from tests.recordings import Recording, chat_recordings

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

RECORDINGS = {recording.name: recording for recording in chat_recordings()}


@pytest.fixture(autouse=True)
def _recordings() -> None:
    if not RECORDINGS:
        pytest.skip("no recordings on this machine; continuous integration must have them")


def golden_text(recording: Recording) -> str:
    """What the provider's own SDK made of choice 0."""
    summary = RECORDINGS[GOLDEN_OF.get(recording.name, recording.name)].golden()["summary"]
    (choice,) = [choice for choice in summary["choices"] if choice["index"] == 0]
    return str(choice["text"])


def is_whole(recording: Recording) -> bool:
    """By an oracle that knows nothing of our decoder."""
    ends = chat_ends(recording.read())
    return ends.error_at is None and bool(ends.marker_at or ends.finish_at)


async def test_whole_recordings_complete_with_their_text(data_dir: Path) -> None:
    scripts = {name: play(recording.read(), 1000) for name, recording in RECORDINGS.items()}
    async with ScriptedUpstream(by_prompt(scripts)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)

        async def one(recording: Recording) -> None:
            name, whole, text = recording.name, is_whole(recording), golden_text(recording)
            run = await scene.start(name, model=SCRIPTED, answer=text)
            reader = scene.reader(run)
            await reader.read_on(scene.port)
            records = await scene.records(run)
            assert (records[-1].type == "complete") is whole, (name, records[-1])
            assert answer_text(records) == text, name
            assert (await scene.show(run))["snapshot"]["text"] == text, name
            scene.note_upstream(name, text, whole=whole)

        await side_by_side(map(one, RECORDINGS.values()), 12)
        assert len(upstream.requests) == len(RECORDINGS)
        await scene.judge()


def cut_in_the_middle(body: bytes) -> bytes:
    """Half of what there is before the first end."""
    ends = chat_ends(body)
    return body[: min(end for end in (ends.marker_at, ends.finish_at, ends.error_at, len(body)) if end) // 2]


async def test_cut_recordings_never_complete(data_dir: Path) -> None:
    """I4, for a cut that shows (no end of the body) and one that does not (a proxy that ends it in good order)."""
    scripts: dict[str, list[Step]] = {}
    for name, recording in RECORDINGS.items():
        cut = Send(cut_in_the_middle(recording.read()))
        scripts[f"{name} | cut"] = [Status(), cut, EndWithoutTerminator()]
        scripts[f"{name} | ended"] = [Status(), cut, EndCleanly()]
    async with ScriptedUpstream(by_prompt(scripts)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)

        async def one(prompt: str) -> None:
            text = golden_text(RECORDINGS[prompt.partition(" | ")[0]])
            run = await scene.start(prompt, model=SCRIPTED)
            records = await scene.records(run)
            assert records[-1].type == "error", (prompt, records[-1])
            assert records[-1].data["code"] == "TRUNCATED", (prompt, records[-1])
            assert text.startswith(answer_text(records)), prompt
            scene.note_upstream(prompt, text, whole=False)

        await side_by_side(map(one, scripts), 12)
        await scene.judge()

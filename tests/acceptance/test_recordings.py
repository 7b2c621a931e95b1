"""Every recorded stream through the whole product: real sockets on both sides, one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headwater.testing.dialect import Ends
from tests.acceptance.scene import CALLED_ONCE, SCRIPTED, Scene, by_prompt, side_by_side
from tests.kit.answer import answer_text
from tests.kit.product import Product, compatible_model
from tests.kit.script import EndCleanly, EndWithoutTerminator, Send, Status, Step, play
from tests.kit.upstream import Received, ScriptedUpstream
from tests.providers import (
    test_anthropic_recordings,
    test_gemini_recordings,
    test_openai_chat_recordings,
    test_openai_responses_recordings,
)
from tests.providers.chat_ends import chat_ends
from tests.providers.gemini_ends import gemini_ends
from tests.providers.messages_ends import messages_ends
from tests.providers.responses_ends import responses_ends
from tests.recordings import Recording

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


class Spoken(NamedTuple):
    """A dialect: a server that speaks it, where its recordings are held to their goldens, and where one is whole."""

    provider: str
    module: Any
    ends: Callable[[bytes], Ends]

    @property
    def recordings(self) -> dict[str, Recording]:
        """Those that come as events."""
        return {name: each for name, each in self.module.RECORDINGS.items() if name.endswith(".sse")}

    def text(self, recording: Recording) -> str:
        """What the provider's own SDK made of it, or what ours is where that is known to be wrong."""
        golden_of: dict[str, str] = getattr(self.module, "GOLDEN_OF", {})
        golden = self.module.RECORDINGS[golden_of.get(recording.name, recording.name)].golden()
        summary = dict(self.module.golden_summary(golden))
        if recording.name in self.module.DEVIATIONS:
            summary |= self.module.DEVIATIONS[recording.name].fields
        return str(summary["text"])

    def is_whole(self, recording: Recording) -> bool:
        """By an oracle that knows nothing of our decoder."""
        body = recording.read()
        return self.ends(body).is_whole(len(body), clean=True)


SPOKEN = {
    "chat": Spoken("openai_chat", test_openai_chat_recordings, chat_ends),
    "responses": Spoken("openai_responses", test_openai_responses_recordings, responses_ends),
    "messages": Spoken("anthropic_compatible", test_anthropic_recordings, messages_ends),
    "generate-content": Spoken("gemini", test_gemini_recordings, lambda body: gemini_ends(body, events=True)),
}


@pytest.fixture(params=SPOKEN)
def spoken(request: pytest.FixtureRequest) -> Spoken:
    chosen = SPOKEN[request.param]
    if not chosen.recordings:
        pytest.skip("no recordings on this machine; continuous integration must have them")
    return chosen


def product_of(data: Path, upstream: ScriptedUpstream, spoken: Spoken) -> Product:
    row = compatible_model(SCRIPTED, upstream.base_url, provider=spoken.provider)
    return Product(data, config={"resilience": CALLED_ONCE, "models": [row]})


def named_in(scripts: dict[str, list[Step]]) -> Callable[[Received], str]:
    """The prompt of a request in any dialect: it stands in the body as a JSON string."""
    return lambda received: next(name for name in scripts if f'"{name}"'.encode() in received.body)


async def test_whole_recordings_complete_with_their_text(data_dir: Path, spoken: Spoken) -> None:
    scripts = {name: play(recording.read(), 1000) for name, recording in spoken.recordings.items()}
    script = by_prompt(scripts, named_in(scripts))
    async with ScriptedUpstream(script) as upstream, product_of(data_dir, upstream, spoken) as product:
        scene = Scene(product)

        async def one(recording: Recording) -> None:
            name, whole, text = recording.name, spoken.is_whole(recording), spoken.text(recording)
            run = await scene.start(name, model=SCRIPTED, answer=text)
            reader = scene.reader(run)
            await reader.read_on(scene.port)
            records = await scene.records(run)
            assert (records[-1].type == "complete") is whole, (name, records[-1])
            assert answer_text(records) == text, name
            assert (await scene.show(run))["snapshot"]["text"] == text, name
            scene.note_upstream(name, text, whole=whole)

        await side_by_side(map(one, spoken.recordings.values()), 12)
        assert len(upstream.requests) == len(spoken.recordings)
        await scene.judge()


def cut_in_the_middle(body: bytes, ends: Ends) -> bytes:
    """Half of what there is before the first end."""
    return body[: min(end for end in (ends.marker_at, ends.finish_at, ends.error_at, len(body)) if end) // 2]


async def test_cut_recordings_never_complete(data_dir: Path, spoken: Spoken) -> None:
    """I4, for a cut that shows (no end of the body) and one that does not (a proxy that ends it in good order)."""
    scripts: dict[str, list[Step]] = {}
    for name, recording in spoken.recordings.items():
        body = recording.read()
        cut = Send(cut_in_the_middle(body, spoken.ends(body)))
        scripts[f"{name} | cut"] = [Status(), cut, EndWithoutTerminator()]
        scripts[f"{name} | ended"] = [Status(), cut, EndCleanly()]
    script = by_prompt(scripts, named_in(scripts))
    async with ScriptedUpstream(script) as upstream, product_of(data_dir, upstream, spoken) as product:
        scene = Scene(product)

        async def one(prompt: str) -> None:
            text = spoken.text(spoken.recordings[prompt.partition(" | ")[0]])
            run = await scene.start(prompt, model=SCRIPTED)
            records = await scene.records(run)
            assert records[-1].type == "error", (prompt, records[-1])
            assert records[-1].data["code"] == "TRUNCATED", (prompt, records[-1])
            assert text.startswith(answer_text(records)), prompt
            scene.note_upstream(prompt, text, whole=False)

        await side_by_side(map(one, scripts), 12)
        await scene.judge()

"""A connection to the provider that is lost in the middle of an answer which goes on there: it is found again.

The upstream counts what it makes and bills; a cut never makes it work twice, and loses nothing that it said.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.scene import SCRIPTED, Scene, error_of, side_by_side, until
from tests.kit.answer import Record, answer_text
from tests.kit.product import Product, compatible_model
from tests.kit.responses import BackgroundAnswers, responses_events
from tests.kit.script import EndCleanly, EndWithoutTerminator, HalfClose, Reset, Stall, Status, Step
from tests.kit.upstream import Received, ScriptedUpstream

pytestmark = pytest.mark.slow

ITEMS = [["The ", "snow ", "melts "], ["on the ", "upper ", "fields."]]
ANSWER = "".join("".join(item) for item in ITEMS)
EVENTS = len(responses_events("resp_1", ITEMS))
WORDS = sum(map(len, ITEMS))
ENDS: dict[str, Step] = {
    "clean": EndCleanly(),
    "unterminated": EndWithoutTerminator(),
    "reset": Reset(),
    "half": HalfClose(),
    "stall": Stall(),
}
#: Requests for the rest come at once, so that a test takes no longer than it must.
SOON = {"backoff_s": 0.0}


def prompt_of(body: Any) -> str:
    return json.dumps(body["input"]).partition('"text": "')[2].partition('"')[0] or str(body["input"][-1]["content"])


def cuts_of(body: Any) -> list[tuple[int, Step]]:
    """A prompt says where each telling is cut, and how: `3 reset, 7 clean`."""
    pairs = [cut.split() for cut in prompt_of(body).split(",") if cut.strip() != "none"]
    return [(int(number), ENDS[how]) for number, how in pairs]


class Provider:
    """The upstream, and what it was asked for by prompt."""

    def __init__(self, answers: BackgroundAnswers) -> None:
        self.answers = answers
        self.upstream = ScriptedUpstream(self._script)

    def _script(self, received: Received) -> Iterator[Step]:
        return self.answers.script(received)

    @property
    def made(self) -> Counter[str]:
        return Counter(map(prompt_of, self.answers.made))


def product_of(data: Path, provider: Provider, **resilience: float) -> Product:
    row = compatible_model(SCRIPTED, provider.upstream.base_url) | {"provider": "openai_responses"}
    return Product(data, config={"resilience": {**SOON, **resilience}, "models": [row]})


async def told(scene: Scene, prompt: str, **asked: Any) -> list[Record]:
    run = await scene.start(prompt, model=SCRIPTED, on_crash="reattach", **asked)
    reader = scene.reader(run)
    await reader.read_on(scene.port)
    return await scene.records(run)


def check_once(records: list[Record]) -> None:
    """All of the answer is there, as one attempt, with the provider's own figures."""
    assert records[-1].type == "complete"
    assert answer_text(records) == records[-1].data["final_response"] == ANSWER
    assert "".join(record.data["content"] for record in records if record.type == "chunk") == ANSWER
    assert not any(record.type == "attempt" for record in records)
    usage = records[-1].data["usage"]
    assert (usage["output_tokens"], usage["source"]) == (WORDS, "provider")


@pytest.mark.parametrize("how", ["clean", "unterminated", "half", "stall"])
async def test_a_cut_at_each_event_costs_nothing_and_loses_nothing(data_dir: Path, how: str) -> None:
    """The first event names the answer; from there on it can be found."""
    provider = Provider(BackgroundAnswers(ITEMS, cuts=cuts_of))
    # a stall is noticed by the limit for silences, which counts from the first output on
    limits, first = ({"idle_s": 0.5}, 4) if how == "stall" else ({}, 0)
    async with provider.upstream, product_of(data_dir, provider) as product:
        scene = Scene(product)
        prompts = [f"{number} {how}" for number in range(first, EVENTS - 1)]

        async def cut(prompt: str) -> None:
            records = await told(scene, prompt, limits=limits)
            check_once(records)
            states = [record.data["state"] for record in records if record.type == "status"]
            assert states == ["connecting", "streaming", "reattaching", "streaming"]

        await side_by_side(map(cut, prompts), 10)
        assert provider.made == Counter(prompts)
        assert provider.upstream.tokens_billed == WORDS * len(prompts)
        assert provider.answers.stopped == []
        await scene.judge()


async def test_resets_and_several_cuts_of_one_answer(data_dir: Path) -> None:
    """A reset may take with it what was sent before it, and the answer's name: it is made again only then."""
    provider, chance = Provider(BackgroundAnswers(ITEMS, cuts=cuts_of)), random.Random(7)
    async with provider.upstream, product_of(data_dir, provider) as product:
        scene = Scene(product)
        prompts = [f"{number} reset" for number in range(EVENTS - 1)]
        for _ in range(20):
            places = sorted(chance.sample(range(1, EVENTS - 1), chance.randrange(2, 6)))
            prompts.append(
                ", ".join(f"{place} {chance.choice(['clean', 'unterminated', 'reset'])}" for place in places)
            )
        prompts = list(dict.fromkeys(prompts))

        async def cut(prompt: str) -> None:
            records = await told(scene, prompt)
            attempts = [record for record in records if record.type == "attempt"]
            assert records[-1].type == "complete"
            assert answer_text(records) == ANSWER
            assert provider.made[prompt] == 1 + len(attempts)
            assert all(attempt.data.get("supersedes_from") is None for attempt in attempts)
            if not attempts:
                check_once(records)

        await side_by_side(map(cut, prompts), 10)
        await scene.judge()


async def test_before_the_answer_has_a_name_the_call_is_made_again(data_dir: Path) -> None:
    provider = Provider(BackgroundAnswers(ITEMS))
    seen: list[int] = []

    def script(received: Received) -> Iterator[Step]:
        seen.append(received.number)
        return iter([Status(), EndCleanly()]) if len(seen) == 1 else provider.answers.script(received)

    provider.upstream = ScriptedUpstream(script)
    async with provider.upstream, product_of(data_dir, provider) as product:
        records = await told(Scene(product), "none")
        assert records[-1].type == "complete"
        assert [record.data["reason"] for record in records if record.type == "attempt"] == ["TRUNCATED"]
        assert provider.answers.asked_after == []


async def test_what_can_not_be_found_again_ends_as_it_was_cut_and_is_stopped(data_dir: Path) -> None:
    provider = Provider(BackgroundAnswers(ITEMS, cuts=lambda _: [(5, EndCleanly())]))

    def script(received: Received) -> Iterator[Step]:
        if received.method == "GET":
            provider.answers.asked_after.append(-1)
            return iter([Reset()])
        return provider.answers.script(received)

    provider.upstream = ScriptedUpstream(script)
    async with provider.upstream, product_of(data_dir, provider, tries_max=2) as product:
        scene = Scene(product)
        records = await told(scene, "none")
        assert error_of(records[-1]) == "TRUNCATED"
        assert answer_text(records) == "The snow "
        assert [record.data["state"] for record in records if record.type == "status"].count("reattaching") == 2
        assert len(provider.answers.made) == 1

        async def stopped() -> bool:
            return provider.answers.stopped == ["resp_1"]

        await until(stopped, "the answer was stopped")
        usage = (await scene.show(next(iter(scene.runs))))["snapshot"]["usage"]
        assert (usage["output_tokens"], usage["source"]) == (3, "estimated")


async def test_what_a_providers_own_field_put_into_the_background_is_stopped_by_a_cancel(data_dir: Path) -> None:
    """No policy asks for it, and nobody comes back for it: else it would go on, and be paid for."""
    provider = Provider(BackgroundAnswers(ITEMS, holds_at=2))
    extra = {"openai_responses": {"background": True}}
    async with provider.upstream, product_of(data_dir, provider) as product:
        scene = Scene(product)
        run = await scene.start("none", model=SCRIPTED, settings={"extra": extra})

        async def said() -> bool:
            text: str = (await scene.show(run))["snapshot"]["text"]
            return text == "The snow "

        async def stopped() -> bool:
            return provider.answers.stopped == ["resp_1"]

        await until(said, "the model has begun to answer")
        assert await scene.cancel(run) == 202
        await until(stopped, "the answer was stopped")
        assert (await scene.end(run)).type == "cancelled"

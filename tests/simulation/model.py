"""Models by script: what they say, at what pace, and how they end or fail to."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import ClassVar, Literal, NamedTuple

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest, Usage
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError, ErrorCode, ProviderError, Truncated
from headwater.providers.contract import Checkpoint, Finish, Item, Silence
from headwater.providers.cost import UNPRICED, Pricing
from headwater.workflows.contract import RunContext, Workflow
from tests.kit.history import History, UpstreamCalled, UpstreamEnded, UpstreamHeard, UpstreamSaid
from tests.simulation.virtual import pause

End = Literal["finish", "unfinished", "cut", "error", "hang", "bug"]
#: Most answers are whole; the rest share what is left.
ENDS: tuple[End, ...] = ("finish", "finish", "finish", "finish", "finish", "unfinished", "cut", "error", "hang", "bug")

_SYLLABLES = ("snow ", "melts ", "on ", "the ", "upper ", "fields ", "é ", "水 ", "\n", "🌊 ", "")


class Step(NamedTuple):
    gap_s: float
    words: list[str]


class Script(NamedTuple):
    """One call's answer."""

    steps: list[Step]
    end: End
    connect_s: float
    close_s: float
    #: the call from which on it reaches its end
    recovers_at: int = 99
    #: of an answer in the background: after how many steps there is a place to go on from each time, and after which
    #: steps its connection is lost
    mark: int = 2
    cuts: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return "".join(word for step in self.steps for word in step.words)


def script(chance: random.Random) -> Script:
    pace_s = chance.choice((0.001, 0.02, 0.05, 0.1))
    steps = [
        Step(chance.uniform(0, 2 * pace_s), [chance.choice(_SYLLABLES) for _ in range(chance.choice((1, 1, 1, 3)))])
        for _ in range(chance.randrange(25))
    ]
    if steps and chance.random() < 0.15:
        place = chance.randrange(len(steps))
        steps[place] = steps[place]._replace(gap_s=chance.uniform(1, 4))
    return Script(steps, chance.choice(ENDS), chance.uniform(0, 0.1), chance.choice((0.0, 0.0, 0.0, 0.1, 4.0)))


class LastingAnswer:
    """One that is made whether somebody listens or not."""

    def __init__(self, prompt: str, call: int, plan: Script, end: End, begun_at: float) -> None:
        self.id = f"resp_{call}"
        self.prompt = prompt
        self.call = call
        self.plan = plan
        self.end = end
        self.begun_at = begun_at
        #: how many of its steps somebody was told of
        self.said = 0
        self.whole = False
        self.cuts = set(plan.cuts)
        self.is_end_cut = end in ("cut", "unfinished")

    def place(self, number: int) -> ev.ProviderData:
        """Says that all up to this step has been told."""
        return ev.ProviderData("scripted", msgspec.to_builtins(Checkpoint(self.id, number)))


class ScriptedProvider:
    """The `Provider` that plays them; a prompt names its script. It goes on with what it is shown of an answer, and in
    the background with what nobody listens to."""

    name = "scripted"

    def __init__(self, history: History) -> None:
        self.scripts: dict[str, Script] = {}
        self.open = 0
        self._history = history
        self._calls = 0
        self._asked: Counter[str] = Counter()
        self._lasting: dict[str, LastingAnswer] = {}

    def silence(self, name: str) -> Silence:
        """As `Models.silence`: it may be silent for ever."""
        return Silence()

    def resolve(self, name: str) -> tuple[ScriptedProvider, str]:
        """As `Models.resolve`: it is behind every name."""
        return self, name

    def capabilities(self, name: str) -> tuple[str, ...]:
        """As `Models.capabilities`."""
        return ("text", "prefill", "background")

    def who_can(self, capability: str) -> tuple[str, ...]:
        """As `Models.who_can`."""
        return ()

    def pricing(self, name: str) -> Pricing:
        """As `Models.pricing`."""
        return UNPRICED

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        prompt = request.messages[0].content
        assert isinstance(prompt, str)
        plan, note = self._plan_after(request), self._history.note
        call, end = self._begin(prompt, plan)
        whole = False
        self.open += 1
        try:
            await pause(plan.connect_s)
            yield []
            for step in plan.steps:
                await pause(step.gap_s)
                note(UpstreamSaid(prompt, call, "".join(step.words)))
                yield [ev.Chunk(word, 0) for word in step.words]
                note(UpstreamHeard(prompt, call))
            await _end_otherwise(end)
            if end == "finish":
                whole = True
                yield [ev.UsageReport(Usage(3, 0, len(plan.steps))), Finish("stop")]
        finally:
            try:
                await pause(plan.close_s)
            finally:
                self.open -= 1
                note(UpstreamEnded(prompt, call, whole))

    def _begin(self, prompt: str, plan: Script) -> tuple[int, End]:
        """The number of a call that begins, and how it ends."""
        self._calls += 1
        self._asked[prompt] += 1
        self._history.note(UpstreamCalled(prompt, self._calls))
        return self._calls, "finish" if self._asked[prompt] >= plan.recovers_at else plan.end

    def _plan_after(self, request: GenerationRequest) -> Script:
        """The script without what the request shows of the answer already."""
        plan, last = self.scripts[str(request.messages[0].content)], request.messages[-1]
        begun = str(last.content) if last.role == "assistant" else ""
        assert plan.text.startswith(begun), "the model is shown an answer that it never began"
        skip, steps = len(begun), []
        for step in plan.steps:
            words = []
            for word in step.words:
                words.append(word[skip:])
                skip = max(0, skip - len(word))
            steps.append(Step(step.gap_s, words))
        return plan._replace(steps=steps)

    # As `BackgroundProvider`.

    async def stream_in_background(
        self, request: GenerationRequest, *, connect_s: float | None
    ) -> AsyncGenerator[list[Item], None]:
        prompt = str(request.messages[0].content)
        plan = self.scripts[prompt]
        call, end = self._begin(prompt, plan)
        answer = LastingAnswer(prompt, call, plan, end, asyncio.get_running_loop().time())
        self._lasting[answer.id] = answer
        async with aclosing(self._tell(answer, None)) as telling:
            async for items in telling:
                yield items

    def reattach(
        self, request: GenerationRequest, checkpoint: Checkpoint, *, connect_s: float | None
    ) -> AsyncGenerator[list[Item], None]:
        return self._tell(self._lasting[checkpoint.response_id], checkpoint.sequence_number)

    async def stop(self, checkpoint: Checkpoint) -> None:
        """What it would have said, nobody will hear."""

    async def _tell(self, answer: LastingAnswer, after: int | None) -> AsyncGenerator[list[Item], None]:
        """All of the answer, its name first, or what comes after a step."""
        plan, note, loop = answer.plan, self._history.note, asyncio.get_running_loop()
        self.open += 1
        try:
            await pause(plan.connect_s)
            yield [] if after is not None else [answer.place(0)]
            due = answer.begun_at
            for number, step in enumerate(plan.steps, 1):
                due += step.gap_s
                if number <= (after or 0):
                    continue
                await pause(max(0.0, due - loop.time()))
                if is_new := number > answer.said:
                    answer.said = number
                    note(UpstreamSaid(answer.prompt, answer.call, "".join(step.words)))
                items: list[Item] = [ev.Chunk(word, 0) for word in step.words]
                yield [*items, answer.place(number)] if number % plan.mark == 0 else items
                if is_new:
                    note(UpstreamHeard(answer.prompt, answer.call))
                if number in answer.cuts:
                    answer.cuts.remove(number)
                    await _end_otherwise("cut")
            if answer.is_end_cut:
                answer.is_end_cut = False
                await _end_otherwise(answer.end)
                return
            await _end_otherwise("finish" if answer.end in ("cut", "unfinished") else answer.end)
            answer.whole = True
            yield [ev.UsageReport(Usage(3, 0, len(plan.steps))), Finish("stop")]
        finally:
            try:
                await pause(plan.close_s)
            finally:
                self.open -= 1
                note(UpstreamEnded(answer.prompt, answer.call, answer.whole))

    async def close(self) -> None:
        """Nothing is kept open."""


async def _end_otherwise(end: End) -> None:
    match end:
        case "cut":
            raise Truncated("The stream was cut.", provider="scripted")
        case "error":
            raise ProviderError(ErrorCode.OVERLOADED, "Too busy.", provider="scripted")
        case "hang":
            await pause(1000)
        case "bug":
            raise RuntimeError("a model that nobody expected")
        case _:
            pass


class Superseding(NamedTuple):
    """What a run with attempts puts out, and the text that is left of it."""

    batches: list[tuple[float, list[ev.Event]]]
    text: str


def superseding(chance: random.Random, *, long: bool) -> Superseding:
    """Attempts that take back a part of what was said before, in batches in which all may come at once.

    Each event becomes a record, so the workflow knows its seqs; `long` makes a past that fits no snapshot record.
    """
    batches: list[tuple[float, list[ev.Event]]] = [(0.0, [ev.Call(1, "answer", "scripted", "scripted")])]
    if long:
        batches += [(0.0, [ev.Reasoning("hm" * 20_000, 0)]) for _ in range(4)]
    pieces: list[tuple[int, str]] = []
    seq = len(batches)
    for number in range(1, chance.randrange(2, 4) + 1):
        if number > 1:
            seq += 1
            start = chance.choice([place for place, _ in pieces])
            pieces = [piece for piece in pieces if piece[0] < start]
            attempt = ev.Attempt(1, number, "NETWORK", "scripted", "scripted", supersedes_from=start)
            if chance.random() < 0.5:
                batches[-1][1].append(attempt)
            else:
                batches.append((chance.uniform(0, 0.05), [attempt]))
        for count in range(chance.randrange(1, 8)):
            seq += 1
            text = f"{number}.{count} "
            pieces.append((seq, text))
            if count == 0 and number > 1 and chance.random() < 0.5:
                batches[-1][1].append(ev.Chunk(text, 0))
            else:
                batches.append((chance.uniform(0, 0.05), [ev.Chunk(text, 0)]))
    return Superseding(batches, "".join(text for _, text in pieces))


class AttemptsWorkflow(Workflow):
    """Puts out what was planned for its prompt."""

    name = "attempts"
    input_schema: ClassVar = {"type": "string"}

    def __init__(self) -> None:
        self.plans: dict[str, Superseding] = {}

    def check(self, request: RunRequest) -> None:
        if request.input not in self.plans:
            raise BadRequestError("There is no such plan.", pointer="/input")

    async def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        for gap_s, events in self.plans[context.request.input].batches:
            await pause(gap_s)
            yield events

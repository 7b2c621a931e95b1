"""The model that is always there: seeded words at a reading pace, without a key and without a network.

The same request gives the same answer at the same pace: the seed is `settings.seed`, else it is made from the
messages. What is said instead, and what goes wrong and when, is the request's own script (`Scenario`, in
`settings.extra["simulated"]`).
`compose` says what will be said, purely; `Simulated` only says it in time.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from headwater.domain.event import Chunk, FinishReason, Reasoning, ToolCall, UsageReport
from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    Part,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    Usage,
)
from headwater.errors import BadRequestError, ErrorCode, ProviderError, Truncated, UnsupportedError
from headwater.providers import estimate
from headwater.providers.contract import Finish, Item, ModelInfo
from headwater.providers.json_sample import sample

NAME = "simulated"
MODEL = ModelInfo(NAME, NAME, NAME, ("text", "reasoning", "tools", "json_schema", "images", "seed"))

_DELAY_MS_MAX = 60_000.0
_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
#: An answer is made as a whole before it is said, and may not hold up everybody else meanwhile.
_Words = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
_Said = Annotated[str, msgspec.Meta(max_length=200_000)]
#: From so many words on it is made in a thread: a few milliseconds' work.
_WORDS_IN_THREAD = 2_000
#: Of a text that the script brings; it is only cut.
_CHARS_IN_THREAD = 50_000
FailCode = Literal[
    "NETWORK",
    "TIMEOUT",
    "RATE_LIMIT",
    "OVERLOADED",
    "AUTH",
    "BAD_REQUEST",
    "UNSUPPORTED",
    "CONTEXT_LENGTH",
    "CONTENT_FILTER",
    "BUDGET",
    "PARSE",
    "SERVER",
]


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request may ask of the simulation. A count is of pieces of output: words, each with its blank before it.

    The counts of `*_after` include reasoning and pieces of tool calls; 0 is before the first.
    """

    #: seeded words after the opening; None is about sixty
    words: _Words | None = None
    #: the answer itself, in place of seeded words, whatever form was asked for; who writes it says that it is simulated
    says: _Said | None = None
    #: what is thought aloud before it, in place of seeded words; `reasoning` need not be set for it
    reasons: _Said | None = None
    #: between two pieces: one number, or the least and the most
    delay_ms: float | tuple[float, float] = (10.0, 30.0)
    #: silence before the first piece
    silent_s: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 0.0
    #: whether to think aloud first; None is as `settings.reasoning_effort` has it
    reasoning: bool | None = None
    format: Literal["markdown", "plain", "json"] = "markdown"
    #: answer with a tool call wherever tools are given
    tool_call: bool = False
    fail_after: _Count | None = None
    fail_code: FailCode = "SERVER"
    #: what a failure says about when to try again
    retry_after_ms: _Count | None = None
    #: never says anything again; like every count, one past the answer's end changes nothing
    stall_after: _Count | None = None
    #: ends like a stream that was cut
    truncate_after: _Count | None = None
    finish: FinishReason | None = None


class Answer(NamedTuple):
    """All that will be said, a piece an item, and how it ends."""

    pieces: list[Chunk | Reasoning | ToolCall]
    finish: FinishReason
    usage: Usage


class Simulated:
    """The provider `simulated`. Holds nothing between calls."""

    name = NAME

    def check(self, request: GenerationRequest) -> None:
        """Refuses what it can not do, as `stream` would. Raises `RefusedError`."""
        # How much will be said is of no matter to whether it can be.
        compose(request, msgspec.structs.replace(scenario_of(request), words=0))

    async def stream(self, request: GenerationRequest, *, connect_s: float | None) -> AsyncIterator[list[Item]]:
        """As `Provider.stream`. There is nothing to connect to, so `connect_s` never runs out."""
        scenario = scenario_of(request)
        said = len(scenario.says or "") + len(scenario.reasons or "")
        if (scenario.words or 0) < _WORDS_IN_THREAD and said < _CHARS_IN_THREAD:
            answer = compose(request, scenario)
        else:
            answer = await asyncio.to_thread(compose, request, scenario)
        pace = random.Random(_seed(request) ^ 0x5EED)
        yield []
        if scenario.silent_s:
            await asyncio.sleep(scenario.silent_s)
        pieces = 0
        for batch in _batches(answer.pieces, scenario):
            await asyncio.sleep(_delay_s(scenario, pace))
            yield batch
            pieces += len(batch)
            await _misbehave(scenario, pieces)
        yield [UsageReport(answer.usage), Finish(answer.finish, answer.finish)]

    async def close(self) -> None:
        """Nothing is open."""


def scenario_of(request: GenerationRequest) -> Scenario:
    """The script of a request. Raises `BadRequestError` naming the field that can not be understood."""
    try:
        scenario = msgspec.convert(request.settings.extra.get(NAME, {}), Scenario)
    except msgspec.ValidationError as exc:
        raise BadRequestError(f"`settings.extra.{NAME}`: {exc}", pointer=f"/settings/extra/{NAME}") from exc
    low, high = _span_ms(scenario)
    # Not by `Meta`: msgspec 0.22 mixes up the bounds in a union of a number and a tuple, and has crashed on it.
    if not 0 <= low <= high <= _DELAY_MS_MAX:
        raise BadRequestError(
            f"`delay_ms` is one number or two in order, from 0 to {_DELAY_MS_MAX:g}.",
            pointer=f"/settings/extra/{NAME}/delay_ms",
        )
    return scenario


def compose(request: GenerationRequest, scenario: Scenario | None = None) -> Answer:
    """What the simulated model says to a request. Pure: equal requests give equal answers.

    The scenario is the request's own unless another is given. Raises `BadRequestError` for a scenario or a tool that
    does not exist, `UnsupportedError` for logprobs and for schemas that it can not satisfy.
    """
    scenario = scenario or scenario_of(request)
    settings = request.settings
    if settings.logprobs is not None:
        raise UnsupportedError("The simulated model has no logprobs.", pointer="/settings/logprobs")
    rng = random.Random(_seed(request))
    reasoning: list[Reasoning] = []
    if _thinks(scenario, settings):
        thought = _reasoning(request, rng) if scenario.reasons is None else scenario.reasons
        reasoning = [Reasoning(piece, 0) for piece in _cut(thought)]
    output: list[Chunk | ToolCall]
    finish: FinishReason
    if (tool := _tool_asked_for(request, scenario)) is not None:
        output, finish = _tool_call(tool, rng), "tool_calls"
    else:
        text, finish = _stopped(_text(request, scenario, rng), settings.stop), "stop"
        output = [Chunk(piece, 0) for piece in _cut(text)]
    pieces: list[Chunk | Reasoning | ToolCall] = [*reasoning, *output]
    if settings.max_tokens is not None and len(pieces) > settings.max_tokens:
        pieces, finish = pieces[: settings.max_tokens], "length"
    # There is no tokenizer whose count could be right.
    thought_bytes = sum(_size(piece) for piece in pieces if isinstance(piece, Reasoning))
    usage = estimate.usage(estimate.input_bytes(request.messages), sum(map(_size, pieces)), thought_bytes)
    return Answer(pieces, scenario.finish or finish, usage)


def _thinks(scenario: Scenario, settings: Settings) -> bool:
    if scenario.reasoning is None:
        return scenario.reasons is not None or settings.reasoning_effort not in {None, "none"}
    return scenario.reasoning


def _size(piece: Chunk | Reasoning | ToolCall) -> int:
    return estimate.utf8_bytes(piece.arguments if isinstance(piece, ToolCall) else piece.content)


# In time.


def _batches(pieces: list[Chunk | Reasoning | ToolCall], scenario: Scenario) -> Iterator[list[Item]]:
    """The pieces as they leave together: one by one, or many where there is no delay. A fault begins a new batch."""
    size = 1 if _span_ms(scenario)[1] else 64
    edges = {scenario.fail_after, scenario.stall_after, scenario.truncate_after}
    batch: list[Item] = []
    if 0 in edges:
        yield []
    for number, piece in enumerate(pieces, 1):
        batch.append(piece)
        if len(batch) == size or number in edges:
            yield batch
            batch = []
    if batch:
        yield batch


async def _misbehave(scenario: Scenario, said: int) -> None:
    """Does what the script has for this place."""
    if scenario.fail_after == said:
        raise ProviderError(
            ErrorCode(scenario.fail_code),
            provider=NAME,
            detail=f"the scenario fails after {said} pieces",
            retry_after_ms=scenario.retry_after_ms,
        )
    if scenario.truncate_after == said:
        raise Truncated(provider=NAME, detail=f"the scenario is cut after {said} pieces")
    if scenario.stall_after == said:
        # Without a timer: whoever waits for this is woken by a limit or a cancel, never by us.
        await asyncio.get_running_loop().create_future()


def _span_ms(scenario: Scenario) -> tuple[float, float]:
    delay = scenario.delay_ms
    return delay if isinstance(delay, tuple) else (delay, delay)


def _delay_s(scenario: Scenario, pace: random.Random) -> float:
    return pace.uniform(*_span_ms(scenario)) / 1000


# What is said.


def _words(text: str) -> list[str]:
    return text.split()


_VOCABULARY = tuple(
    _words("""
    river stone light water cloud bridge morning garden window letter forest mountain silver quiet northern gentle
    early narrow distant open steady patient bright hollow carries follows gathers crosses remembers measures turns
    returns keeps finds leaves meets slowly often always never beyond between under across toward along after before
    """)
)

_PIECE = re.compile(r"\s*\S+|\s+\Z")


def _cut(text: str) -> list[str]:
    """Words, each with the blank before it, so that the pieces put together are the text."""
    return _PIECE.findall(text)


def _seed(request: GenerationRequest) -> int:
    if request.settings.seed is not None:
        return request.settings.seed
    digest = hashlib.sha256(msgspec.json.encode(request.messages)).digest()
    return int.from_bytes(digest[:8], "big")


def _sentences(rng: random.Random, words: int) -> Iterator[str]:
    """Sentences of 5 to 12 seeded words that have so many words in all."""
    while words > 0:
        length = min(words, rng.randint(5, 12))
        words -= length
        yield " ".join(rng.choice(_VOCABULARY) for _ in range(length)).capitalize() + "."


def _text_of(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return " ".join(filter(None, map(_part_text, message.content)))


def _part_text(part: Part) -> str:
    match part:
        case TextPart():
            return part.text
        case ToolResultPart():
            return part.content
        case ImagePart():
            return ""


def _said_by(request: GenerationRequest, role: str) -> str:
    """What the last message of a role says, or "" where there is none."""
    return next((_text_of(each) for each in reversed(request.messages) if each.role == role), "")


def _images(request: GenerationRequest) -> int:
    parts = (part for each in request.messages if not isinstance(each.content, str) for part in each.content)
    return sum(isinstance(part, ImagePart) for part in parts)


def _reasoning(request: GenerationRequest, rng: random.Random) -> str:
    asked = len(_words(_said_by(request, "user")))
    return f"The question has {asked} words. " + " ".join(_sentences(rng, 24))


def _text(request: GenerationRequest, scenario: Scenario, rng: random.Random) -> str:
    if scenario.says is not None:
        return scenario.says
    schema = request.settings.json_schema
    if schema is not None or request.settings.json_object or scenario.format == "json":
        return _json(schema, scenario, rng)
    opening = f"This is a simulated answer. You wrote: “{_shortened(_said_by(request, 'user'))}”."
    if result := _tool_result(request):
        opening += f" The tool said: “{_shortened(result)}”."
    if images := _images(request):
        opening += f" There were {images} images, which nobody has looked at."
    words = rng.randint(50, 70) if scenario.words is None else scenario.words
    sentences = list(_sentences(rng, words))
    if scenario.format == "plain":
        return " ".join([opening, *sentences])
    return _markdown(opening, sentences, rng)


def _json(schema: Mapping[str, Any] | None, scenario: Scenario, rng: random.Random) -> str:
    """JSON has no room for a first sentence; without a schema the label is a member."""
    if schema is not None:
        value = sample(schema, rng, _VOCABULARY)
    else:
        value = {"simulated": True, "text": " ".join(_sentences(rng, 12 if scenario.words is None else scenario.words))}
    # Over several lines, so that it arrives in pieces.
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _markdown(opening: str, sentences: list[str], rng: random.Random) -> str:
    """The sentences as a text with a heading, a list, emphasis and a block of code; every word stays as it is."""
    third = max(1, len(sentences) // 3)
    paragraph, listed, rest = sentences[:third], sentences[third : 2 * third], sentences[2 * third :]
    blocks = [opening]
    if paragraph:
        blocks += ["## " + rng.choice(_VOCABULARY).capitalize(), " ".join(paragraph)]
    if listed:
        blocks.append("\n".join(f"- **{line.split()[0]}** {line.partition(' ')[2]}" for line in listed))
    if rest:
        blocks += ["```python\nprint(" + repr(rng.choice(_VOCABULARY)) + ")\n```", " ".join(rest)]
    return "\n\n".join(blocks)


def _shortened(text: str) -> str:
    return text if len(text) <= 500 else text[:499] + "…"


def _stopped(text: str, stops: list[str]) -> str:
    """The text before the first stop sequence in it."""
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


# Tools.


def _tool_result(request: GenerationRequest) -> str:
    """The result that this turn is to answer, if the last message is one."""
    if not request.messages:
        return ""
    last = request.messages[-1]
    is_result = last.role == "tool" or (
        not isinstance(last.content, str) and any(isinstance(part, ToolResultPart) for part in last.content)
    )
    return _text_of(last) if is_result else ""


def _tool_asked_for(request: GenerationRequest, scenario: Scenario) -> Tool | None:
    """The tool to call: the one that was demanded, or the first that the user speaks of."""
    tools, choice = request.settings.tools, request.settings.tool_choice
    if isinstance(choice, NamedTool):
        for tool in tools:
            if tool.name == choice.name:
                return tool
        raise BadRequestError(f"`tool_choice` names `{choice.name}`, which is not in `tools`.", pointer="/settings")
    if choice == "required" and not tools:
        raise BadRequestError("`tool_choice` is `required`, but there are no `tools`.", pointer="/settings/tools")
    if not tools or choice == "none":
        return None
    # An answered call is not made again, or a loop around this model would never end.
    if choice == "required" or (scenario.tool_call and not _tool_result(request)):
        return tools[0]
    if _tool_result(request):
        return None
    asked = _said_by(request, "user")
    return next((tool for tool in tools if tool.name in asked), None)


def _tool_call(tool: Tool, rng: random.Random) -> list[Chunk | ToolCall]:
    """One call in pieces: its name first, its arguments in between, `done` last."""
    arguments = sample(tool.parameters or {"type": "object"}, rng, _VOCABULARY)
    text = msgspec.json.format(msgspec.json.encode(arguments), indent=1).decode()
    call_id = f"call_{rng.getrandbits(64):016x}"
    pieces = [ToolCall(call_id, tool.name, "")]
    pieces += [ToolCall(call_id, "", piece) for piece in _cut(text)]
    return [*pieces, ToolCall(call_id, "", "", done=True)]

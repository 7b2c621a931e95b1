"""A puzzle shown as pictures, phase by phase: what is shown and asked in each, and what came of it. Pure.

The way is that of somebody who is taught: look at an example, predict the next, see what was wrong, look at the rest,
and only then answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import ImagePart, Message, Part, TextPart
from headwater.domain.surrogates import replace_surrogates
from headwater.workflows.arc.answer import Answer, read_answer
from headwater.workflows.arc.prompt import form
from headwater.workflows.arc.reading import grids_in
from headwater.workflows.arc.render import COLOUR_NAMES, images
from headwater.workflows.arc.schema import answer_schema
from headwater.workflows.arc.score import cell_share, is_right
from headwater.workflows.arc.task import Grid, Task
from headwater.workflows.structured import StructuredAnswer

PhaseName = Literal["first_example", "prediction", "correction", "example", "test"]

#: Of what a model said in a phase, so much is kept, and told to it again in the later ones. JSON escapes make at most
#: six bytes of a character, so its record is never too large.
TEXT_CHARS_MAX: Final = 40_000
_FLAWS_MAX: Final = 3
_FLAW_CHARS_MAX: Final = 200

_LOOK: Final = (
    "You solve puzzles of the Abstraction and Reasoning Corpus by looking at them. Each pair of pictures shows how an "
    "input grid becomes an output grid; all pairs follow one rule. Find the rule, and apply it to the tests."
)
_LEGEND: Final = (
    "A picture shows a grid of square cells with grey lines between them. Each colour stands for a whole number: "
    + ", ".join(f"{name} is {number}" for number, name in enumerate(COLOUR_NAMES))
    + ". Where a grid is written down it is a list of rows, from the top, each a list of numbers: [[0, 1], [2, 3]]."
)
_ASKED: Final[dict[PhaseName, str]] = {
    "first_example": "Describe the shapes in both pictures, and what rule may lead from the input to the output.",
    "prediction": "Predict its output by the rule that you have in mind. Give your reasons in a few sentences; then "
    "write the grid down.",
    "correction": "Say where your prediction and the rule behind it were wrong, if they were, and put the rule into "
    "words as you see it now.",
    "example": "Does your rule hold for this pair too? Where it does not, put a better one into words.",
    "test": "Apply the rule to this input.",
}


class Phase(NamedTuple):
    """`pair` is the number of the training pair, or of the test, from 1."""

    name: PhaseName
    pair: int

    @property
    def is_answer(self) -> bool:
        """Whether what is said in it is the run's answer."""
        return self.name == "test"


def phases_of(task: Task) -> list[Phase]:
    """The phases of a puzzle, in order. One with a single training pair has nothing to be predicted."""
    phases = [Phase("first_example", 1)]
    if len(task.train) > 1:
        phases += [Phase("prediction", 2), Phase("correction", 2)]
    phases += [Phase("example", number) for number in range(3, len(task.train) + 1)]
    return phases + [Phase("test", number) for number in range(1, len(task.test) + 1)]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a phase. `predicted`, `correct` and `cell_share` are None where nothing was to be predicted."""

    phase: PhaseName
    pair: int
    #: the number of its model call
    call: int
    text: str
    predicted: Grid | None = None
    correct: bool | None = None
    cell_share: float | None = None


class Asked(msgspec.Struct, frozen=True):
    """What the `iteration` record of a phase holds beside its outcome."""

    state: Literal["asking", "done"]
    phase: PhaseName
    pair: int
    of: int


class Said:
    """The text of one call, as its events come."""

    def __init__(self) -> None:
        self.call = 1
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        # it is sent to the model again, as UTF-8
        return replace_surrogates("".join(self._pieces))

    def take(self, events: Iterable[ev.Event]) -> None:
        for event in events:
            match event:
                case ev.Call():
                    self.call = event.call
                case ev.Attempt(supersedes_from=seq) if seq is not None:
                    self._pieces.clear()
                case ev.Chunk():
                    self._pieces.append(event.content)


def outcome_of(phase: Phase, task: Task, said: Said) -> Outcome:
    """What came of a phase by what was said in it."""
    text = said.text[:TEXT_CHARS_MAX]
    if phase.name != "prediction":
        return Outcome(phase=phase.name, pair=phase.pair, call=said.call, text=text)
    truth = task.train[phase.pair - 1].output
    # what is repeated of the question comes first
    grids = grids_in(text)
    predicted = grids[-1] if grids else None
    share = round(cell_share(predicted, truth), 4)
    return Outcome(
        phase=phase.name,
        pair=phase.pair,
        call=said.call,
        text=text,
        predicted=predicted,
        correct=is_right(predicted, truth),
        cell_share=share,
    )


def read_of(outcome: Outcome) -> Answer:
    """What the answer to one test amounts to, read with good will: its JSON, or the grid in its prose."""
    answer = StructuredAnswer(answer_schema(1))
    answer.take([ev.Chunk(outcome.text, 0)])
    verdict = answer.verdict()
    read = read_answer(verdict.value, verdict.text, 1)
    mended = [f"The JSON was mended ({', '.join(verdict.repairs)})."] if verdict.repairs else []
    flaws = [flaw.message[:_FLAW_CHARS_MAX] for flaw in verdict.errors[:_FLAWS_MAX]]
    return read._replace(notes=[*mended, *flaws, *read.notes])


# What the log holds of it.


def begun(number: int, phase: Phase, of: int) -> ev.Iteration:
    return ev.Iteration(number, msgspec.to_builtins(Asked("asking", phase.name, phase.pair, of)))


def done(number: int, outcome: Outcome, of: int) -> ev.Iteration:
    data: dict[str, Any] = msgspec.to_builtins(outcome)
    return ev.Iteration(number, {"state": "done", "of": of, **data})


def finished(before: Sequence[ev.Event]) -> tuple[list[Outcome], int]:
    """The phases that a log says were finished, and how many of its events that takes."""
    outcomes: list[Outcome] = []
    kept = 0
    for place, event in enumerate(before, 1):
        if isinstance(event, ev.Iteration) and event.data.get("state") == "done":
            outcomes.append(msgspec.convert(event.data, Outcome))
            kept = place
    return outcomes, kept


# What is shown and asked.


class Pictures(NamedTuple):
    """The parts of messages that show a puzzle's grids; of the tests, the inputs alone."""

    train: list[tuple[ImagePart, ImagePart]]
    tests: list[ImagePart]


async def pictures_of(task: Task) -> Pictures:
    """All that is shown of a puzzle, drawn once."""
    train = [grid for pair in task.train for grid in pair]
    drawn = await images([*train, *(pair.input for pair in task.test)])
    pairs = list(zip(drawn[: len(train) : 2], drawn[1 : len(train) : 2], strict=True))
    return Pictures(pairs, drawn[len(train) :])


def system(instructions: str | None) -> Message:
    """`instructions` take the place of the built-in ones; how pictures are to be read is said in any case."""
    return Message("system", f"{instructions or _LOOK}\n\n{_LEGEND}")


def conversation(
    task: Task, pictures: Pictures, outcomes: Sequence[Outcome], instructions: str | None
) -> list[Message]:
    """The messages of the phase that follows these outcomes: all that was shown and said, and the next question."""
    messages = [system(instructions)]
    plan = phases_of(task)
    for place, phase in enumerate(plan[: len(outcomes) + 1]):
        messages.append(_question(phase, task, pictures, outcomes[:place]))
        if place < len(outcomes):
            # an answer without words can not be sent to every provider
            messages.append(Message("assistant", outcomes[place].text or "(no answer)"))
    return messages


def _question(phase: Phase, task: Task, pictures: Pictures, outcomes: Sequence[Outcome]) -> Message:
    parts: list[Part] = []
    what = f"{'Test' if phase.is_answer else 'Training pair'} {phase.pair}"
    if phase.is_answer:
        parts += _shown(f"{what}, input", task.test[phase.pair - 1].input, pictures.tests[phase.pair - 1])
    else:
        pair, (shown_input, shown_output) = task.train[phase.pair - 1], pictures.train[phase.pair - 1]
        if phase.name != "correction":
            parts += _shown(f"{what}, input", pair.input, shown_input)
        if phase.name != "prediction":
            parts += _shown(f"{what}, output", pair.output, shown_output)
    words = _ASKED[phase.name]
    if phase.name == "correction":
        words = f"{_judgement(outcomes[-1])} {words}"
    if phase.is_answer:
        words = f"{words} {form(1)}"
    return Message("user", [*parts, TextPart(words)])


def _shown(what: str, grid: Grid, picture: ImagePart) -> list[Part]:
    return [TextPart(f"{what} ({len(grid)} rows, {len(grid[0])} columns):"), picture]


def _judgement(predicted: Outcome) -> str:
    if predicted.predicted is None:
        return "There was no grid in your prediction."
    if predicted.correct:
        return "Your prediction was right in every cell."
    rows, columns = len(predicted.predicted), len(predicted.predicted[0])
    share = predicted.cell_share or 0.0
    return f"Your prediction had {rows} rows and {columns} columns; {share:.0%} of the cells were right."

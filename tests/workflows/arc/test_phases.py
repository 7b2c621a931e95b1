"""What a model is shown and asked, phase by phase, and how a log says what came of it."""

from __future__ import annotations

import base64

import pytest

from headwater.domain import event as ev
from headwater.domain.message import ImagePart, Message, TextPart
from headwater.workflows.arc import phases as ph
from headwater.workflows.arc.task import Grid, Pair, Task
from tests.workflows.arc.pictures import read_png

TASK = Task(
    "00000001",
    "arc2-training",
    (Pair([[1]], [[2]]), Pair([[1, 1]], [[2, 2]]), Pair([[0], [1]], [[0], [2]])),
    (Pair([[1, 0]], [[2, 0]]), Pair([[3]], [[3]])),
)
PLAN = [
    ph.Phase("first_example", 1),
    ph.Phase("prediction", 2),
    ph.Phase("correction", 2),
    ph.Phase("example", 3),
    ph.Phase("test", 1),
    ph.Phase("test", 2),
]


def outcome(phase: ph.Phase, text: str = "Aha.") -> ph.Outcome:
    said = ph.Said()
    said.take([ev.Call(4, "internal", "p", "m"), ev.Chunk(text, 0, 4)])
    return ph.outcome_of(phase, TASK, said)


def grids_of(message: Message) -> list[Grid]:
    assert not isinstance(message.content, str)
    images = [part.data for part in message.content if isinstance(part, ImagePart)]
    return [read_png(base64.b64decode(data or "")) for data in images]


def words_of(message: Message) -> str:
    assert not isinstance(message.content, str)
    return "\n".join(part.text for part in message.content if isinstance(part, TextPart))


def test_every_pair_has_its_phase() -> None:
    assert ph.phases_of(TASK) == PLAN
    assert [phase.is_answer for phase in PLAN] == [False] * 4 + [True] * 2


def test_a_single_pair_leaves_nothing_to_predict() -> None:
    assert ph.phases_of(TASK._replace(train=TASK.train[:1])) == [PLAN[0], *PLAN[-2:]]


async def test_each_phase_shows_its_own_grids_and_repeats_what_was_said() -> None:
    pictures = await ph.pictures_of(TASK)
    outcomes = [outcome(phase, f"Said in {place}.") for place, phase in enumerate(PLAN)]
    first, second, third = TASK.train
    shown = [[*first], [second.input], [second.output], [*third], [TASK.test[0].input], [TASK.test[1].input]]
    for place in range(len(PLAN)):
        system, *talk = ph.conversation(TASK, pictures, outcomes[:place], None)
        assert system.role == "system"
        assert [message.role for message in talk] == ["user", "assistant"] * place + ["user"]
        assert [grids_of(message) for message in talk[::2]] == shown[: place + 1]
        assert [message.content for message in talk[1::2]] == [f"Said in {number}." for number in range(place)]


async def test_the_question_names_sizes_and_the_form_of_the_answer() -> None:
    pictures = await ph.pictures_of(TASK)
    asked = ph.conversation(TASK, pictures, [outcome(phase) for phase in PLAN[:4]], None)[-1]
    assert "Test 1, input (1 rows, 2 columns):" in words_of(asked)
    assert "`predictedOutput`" in words_of(asked)
    assert "2 0" not in words_of(asked)


async def test_an_answer_without_words_is_told_as_such() -> None:
    talk = ph.conversation(TASK, await ph.pictures_of(TASK), [outcome(PLAN[0], "")], None)
    assert talk[2] == Message("assistant", "(no answer)")


def test_own_instructions_take_the_place_of_ours_but_for_the_legend() -> None:
    ours, theirs = ph.system(None).content, ph.system("Look twice.").content
    assert isinstance(ours, str)
    assert isinstance(theirs, str)
    assert theirs.startswith("Look twice.\n\n")
    assert "light blue is 8" in theirs
    assert ours.partition("\n\n")[2] == theirs.partition("\n\n")[2]


@pytest.mark.parametrize(
    ("text", "predicted", "correct", "share", "told"),
    [
        ("It was 1 1 1, so:\n\n2 2\n\n[[2, 2]]", [[2, 2]], True, 1.0, "right in every cell"),
        ("[[2, 1]]", [[2, 1]], False, 0.5, "1 rows and 2 columns; 50% of the cells"),
        ("I can not tell.", None, False, 0.0, "no grid in your prediction"),
    ],
)
async def test_a_prediction_is_judged_and_told_so(
    text: str, predicted: Grid | None, correct: bool, share: float, told: str
) -> None:
    came = outcome(PLAN[1], text)
    assert (came.predicted, came.correct, came.cell_share) == (predicted, correct, share)
    asked = ph.conversation(TASK, await ph.pictures_of(TASK), [outcome(PLAN[0]), came], None)[-1]
    assert told in words_of(asked)


def test_what_an_attempt_takes_back_was_not_said() -> None:
    said = ph.Said()
    said.take([ev.Call(3, "internal", "p", "m"), ev.Chunk("Wro", 0, 3)])
    said.take([ev.Attempt(3, 2, "NETWORK", "p", "m", supersedes_from=9), ev.Chunk("Right", 0, 3)])
    assert (said.call, said.text) == (3, "Right")


def test_whatever_is_said_fits_the_record_of_its_phase() -> None:
    grid = str([[1] * 30] * 30)
    for character in ("\x01", "🙂", '"'):
        whole = outcome(PLAN[1], grid + character * 100_000)
        assert whole.predicted is not None
        assert len(ev.encode_record(10**6, 10**9, ph.done(2, whole, 6))) <= ev.RECORD_BYTES_MAX


async def test_half_a_surrogate_pair_is_never_sent_back_to_the_model() -> None:
    said = ph.Said()
    said.take([ev.Call(2, "internal", "p", "m"), ev.Chunk("\ud83d", 0, 2), ev.Chunk("\ude00 \ud800", 0, 2)])
    first = ph.outcome_of(PLAN[0], TASK, said)
    assert first.text == "😀 \ufffd"
    messages = ph.conversation(TASK, await ph.pictures_of(TASK), [first], None)
    assert messages[2] == Message("assistant", "😀 \ufffd")


def test_a_log_tells_what_was_finished() -> None:
    outcomes = [outcome(PLAN[0]), outcome(PLAN[1], "[[2, 2]]")]
    log: list[ev.Event] = [ev.Status("connecting")]
    for number, came in enumerate(outcomes, 1):
        log += [ph.begun(number, PLAN[number - 1], 6), ev.Chunk("x", 0, 4), ph.done(number, came, 6)]
    cut = [*log, ph.begun(3, PLAN[2], 6), ev.Chunk("half", 0, 5)]
    # as it is after the log's own codec
    decoded = [ev.decode_record(ev.encode_record(seq, 0, event)).event for seq, event in enumerate(cut, 1)]
    assert ph.finished(decoded) == (outcomes, len(log))
    assert ph.finished([]) == ([], 0)


def test_an_answer_is_read_with_good_will() -> None:
    text = '{"patternDescription": "Add one.", "solvingStrategy": "", "hints": [], "predictedOutput": [[2, 0]], '
    whole = ph.read_of(outcome(PLAN[4], text + '"confidence": 80}'))
    assert (whole.predicted[0].grid, whole.pattern, whole.confidence.percent, whole.notes) == (
        [[2, 0]],
        "Add one.",
        80,
        [],
    )
    fenced = ph.read_of(outcome(PLAN[4], 'So:\n```json\n{"output": [[2, 0]], "confidence": "0.8"}\n```'))
    assert (fenced.predicted[0].grid, fenced.confidence.percent) == ([[2, 0]], 80)
    assert fenced.notes
    nothing = ph.read_of(outcome(PLAN[4], ""))
    assert nothing.predicted[0].grid is None

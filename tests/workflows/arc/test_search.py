"""Where a search stands, and that its records are all that it needs."""

from __future__ import annotations

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.workflows.arc.programs import Program, judged
from headwater.workflows.arc.sandbox import Outcome
from headwater.workflows.arc.search import ITERATION_BYTES_MAX, Search
from headwater.workflows.arc.solution import SolverResult
from headwater.workflows.arc.task import Pair, Task

TASK = Task(
    "0" * 8,
    "arc2-training",
    (Pair([[1, 2]], [[2, 1]]), Pair([[3, 4]], [[4, 3]])),
    (Pair([[5, 6]], [[6, 5]]), Pair([[7, 8]], [[8, 7]])),
)
WRONG = judged("wrong", TASK.train, [Outcome([[0, 0]]), Outcome(None, "IndexError: no")])
NEAR = judged("near", TASK.train, [Outcome([[2, 0]]), Outcome([[4, 0]])])
HALF = judged("half", TASK.train, [Outcome([[2, 1]]), Outcome([[4, 4]])])
FITS = judged("fits", TASK.train, [Outcome([[2, 1]]), Outcome([[4, 3]])])


def search_of(*iterations: list[Program], of: int = 5) -> Search:
    search = Search(TASK, of)
    for programs in iterations:
        search.finish(programs)
    return search


def as_stored(event: ev.Event) -> ev.Event:
    """The event as it is read from a log."""
    return ev.decode_record(ev.encode_record(1, 0, event)).event


def test_it_goes_on_until_a_program_fits_or_there_were_enough() -> None:
    assert not search_of().is_over
    assert not search_of([WRONG], [HALF]).is_over
    assert search_of([WRONG], [FITS]).is_over
    assert search_of([WRONG], [HALF], of=2).is_over
    assert search_of([], [], of=2).is_over


def test_the_best_of_all_iterations_are_shown_best_first_and_none_twice() -> None:
    search = search_of([HALF, WRONG], [HALF, NEAR], [WRONG])
    assert [program.code for program in search.shown] == ["half", "near", "wrong"]
    best = search.best
    assert best is not None
    assert (best.iteration, best.program.code) == (1, "half")
    assert search.tried == 5


def test_an_iteration_says_all_that_the_next_one_needs() -> None:
    search = Search(TASK, 5)
    before: list[ev.Event] = [ev.Status("connecting"), search.begun(), search.finish([WRONG, HALF], 1), ev.Status("x")]
    before += [search.begun(), search.finish([NEAR]), search.begun(), ev.Chunk("half an answer", 0, call=3)]
    taken = Search(TASK, 5)
    assert taken.take_up([as_stored(event) for event in before]) == 6
    assert taken.finished == search.finished == 2
    assert taken.shown == search.shown
    assert taken.scores == search.scores
    assert taken.context() == search.context()


def test_what_it_takes_up_after_an_answer_without_programs_is_known_too() -> None:
    search = Search(TASK, 5)
    event = search.finish([])
    assert event.data["notes"] == ["The answer has no program in it."]
    taken = Search(TASK, 5)
    assert taken.take_up([as_stored(event)]) == 1
    assert taken.last_had_none
    assert not search_of([], [WRONG]).last_had_none


def test_nothing_is_taken_up_of_a_run_that_had_not_begun() -> None:
    search = Search(TASK, 5)
    assert search.take_up([]) == 0
    assert search.take_up([ev.Status("queued", position=1), search.begun()]) == 0
    assert search.finished == 0


def test_the_events_have_the_shapes_of_the_reference() -> None:
    search = Search(TASK, 5)
    assert search.begun() == ev.Iteration(1, {"state": "asking", "of": 5, "pairs": 2})
    event = search.finish([WRONG, HALF], 2)
    assert event.number == 1
    assert set(event.data) == {"state", "of", "pairs", "programs", "left_out", "notes"}
    best, other = event.data["programs"]
    assert best == {
        "code": "half",
        "correct_pairs": 1,
        "pairs": 2,
        "cell_share": 0.75,
        "error": None,
        "results": [
            {"correct": True, "cell_share": 1.0, "output": [[2, 1]], "error": None},
            {"correct": False, "cell_share": 0.5, "output": [[4, 4]], "error": None},
        ],
    }
    assert other["results"][1] == {"correct": False, "cell_share": 0.0, "output": None, "error": "IndexError: no"}
    assert search.context().context == {
        "task": {"id": TASK.id, "set": TASK.set, "train_pairs": 2, "tests": 2},
        "search": {
            "iterations": 1,
            "of": 5,
            "programs": 2,
            "fits": False,
            "best": {"iteration": 1, "code": "half", "correct_pairs": 1, "pairs": 2, "cell_share": 0.75},
            "scores": [{"iteration": 1, "programs": 2, "correct_pairs": 1, "cell_share": 0.75}],
        },
        "result": None,
    }
    result = search.result([], model="m", is_simulated=False, is_cut=True)
    assert search.context(result).context["result"] == msgspec.to_builtins(result)


def test_an_iteration_fits_into_a_record_whatever_its_programs_did() -> None:
    large = [[9] * 30 for _ in range(30)]
    task = TASK._replace(train=(Pair(large, large),) * 14)
    code = "\x01" * 2_500
    programs = [judged(f"{code}{number}", task.train, [Outcome([[8] * 30] * 30)] * 14) for number in range(5)]
    search = Search(task, 20)
    event = search.finish(programs)
    assert event.data["notes"] == ["The programs' outputs are left out: with them the record would be too large."]
    assert len(ev.encode_record(10**6, 10**9, event)) < ITERATION_BYTES_MAX + 200 < ev.RECORD_BYTES_MAX
    assert all(program.results[0].output is None for program in search.shown)


@pytest.mark.parametrize(
    ("programs", "outcomes", "verdict", "correct"),
    [
        ([FITS], [Outcome([[6, 5]]), Outcome([[8, 7]])], "solved", 2),
        ([FITS], [Outcome([[6, 5]]), Outcome([[0, 7]])], "fits", 1),
        ([HALF], [Outcome([[6, 6]]), Outcome(None, "IndexError")], "partial", 0),
        ([HALF], [Outcome([[6, 5]]), Outcome([[8, 7]])], "solved", 2),
        ([], [], "none", 0),
    ],
)
def test_the_verdict_is_of_the_tests_and_of_the_pairs(
    programs: list[Program], outcomes: list[Outcome], verdict: str, correct: int
) -> None:
    search = search_of(programs, of=1)
    result = search.result(outcomes, model="m", is_simulated=False)
    assert (result.verdict, result.correct_tests, result.correct) == (verdict, correct, correct == 2)
    assert [test.truth for test in result.tests] == [[[6, 5]], [[8, 7]]]
    assert result.stopped == ("perfect" if programs == [FITS] else "iterations")
    assert (result.best is None) == (not programs)
    assert msgspec.json.decode(msgspec.json.encode(result), type=SolverResult) == result

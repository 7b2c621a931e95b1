"""What a model is told in each iteration."""

from __future__ import annotations

from headwater.workflows.arc.programs import judged
from headwater.workflows.arc.sandbox import Outcome
from headwater.workflows.arc.solver_prompt import CODE_CHARS_MAX, PAIRS_SHOWN, PROGRAMS_SHOWN, messages_of
from headwater.workflows.arc.task import Pair, Task

TASK = Task(
    "0" * 8,
    "arc2-training",
    (Pair([[1, 2]], [[2, 1]]), Pair([[3, 4]], [[4, 3]])),
    (Pair([[5, 6]], [[6, 5]]),),
)
CODE = "def transform(grid):\n    return grid"


def user_of(*args: object, **kwargs: object) -> str:
    _, user = messages_of(TASK, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they come
    assert isinstance(user.content, str)
    return user.content


def test_the_first_prompt_has_the_puzzle_and_not_its_answer() -> None:
    system, user = messages_of(TASK, 3)
    assert (system.role, user.role) == ("system", "user")
    assert "Write 3 programs" in str(system.content)
    assert "Training pair 2, input:\n3 4" in str(user.content)
    assert "Training pair 2, output:\n4 3" in str(user.content)
    assert "Test 1, input:\n5 6" in str(user.content)
    assert "6 5" not in f"{system.content}{user.content}"
    assert "have been tried" not in str(user.content)


def test_the_best_programs_are_shown_with_what_they_got_wrong() -> None:
    half = judged(CODE, TASK.train, [Outcome([[2, 1]]), Outcome([[4, 4]])])
    size = judged(CODE + "  # size", TASK.train, [Outcome([[2], [1]]), Outcome(None, "IndexError: no such row")])
    told = user_of(1, [half, size])
    assert told.endswith("Write one program. Mend the best of these, or find another rule.")
    assert "Program 1: 1 of 2 training pairs are right, 75% of the cells." in told
    assert f"```python\n{CODE}\n```" in told
    assert "On training pair 2 these cells are wrong. It makes:\n4 4" in told
    assert "On training pair 1 it makes 2 × 1 cells in place of 1 × 2. It makes:\n2\n1" in told
    assert "On training pair 2 it fails: IndexError: no such row" in told
    assert told.index("Program 1") < told.index("Program 2")


def test_an_output_that_was_left_out_is_not_missed() -> None:
    known = judged(CODE, TASK.train, [Outcome([[2, 1]]), Outcome([[4, 4]])])
    assert "these cells are wrong" in user_of(2, [known])
    blind = known.__class__(CODE, 1, 2, 0.75, None, [known.results[0], type(known.results[1])(False, 0.5)])
    assert "On training pair 2, 50% of the cells are right." in user_of(2, [blind])


def test_who_forgot_the_program_is_told() -> None:
    assert "had no program in it" in user_of(2, last_had_none=True)
    assert "had no program in it" not in user_of(2)


def test_its_length_is_bounded() -> None:
    many = Task("0" * 8, "arc2-training", TASK.train * 5, TASK.test)
    long = judged("#" * 3 * CODE_CHARS_MAX, many.train, [Outcome(None, "x" * 300)] * 10)
    _, user = messages_of(many, 3, [long] * 9)
    told = str(user.content)
    assert told.count("Program ") == PROGRAMS_SHOWN
    assert told.count("it fails") == PROGRAMS_SHOWN * PAIRS_SHOWN
    assert len(told) < PROGRAMS_SHOWN * (CODE_CHARS_MAX + PAIRS_SHOWN * 400) + 3_000

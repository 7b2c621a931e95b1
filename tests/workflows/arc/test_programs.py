"""Programs in answers, and what they are worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.workflows.arc.programs import (
    CODE_BYTES_MAX,
    PairResult,
    Written,
    judged,
    percent,
    programs_in,
    ranked,
    tried,
    without_outputs,
)
from headwater.workflows.arc.sandbox import Outcome, Sandbox
from headwater.workflows.arc.task import Pair

ONE = "def transform(grid):\n    return grid"
TWO = "def transform(grid):\n    return grid[::-1]"


def fenced(code: str, fence: str = "```", info: str = "python") -> str:
    return f"{fence}{info}\n{code}\n{fence}"


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (fenced(ONE), [ONE]),
        (f"First:\n\n{fenced(ONE)}\n\nThen:\n{fenced(TWO, info='py')}\nDone.", [ONE, TWO]),
        (fenced(ONE, "~~~~") + "\n" + fenced(TWO, info=""), [ONE, TWO]),
        (fenced(ONE).replace("\n", "\r\n"), [ONE]),
        ("  " + fenced(ONE), [ONE]),
        ("1. " + "First:\n\n" + "\n".join(f"   {line}" for line in fenced(ONE).split("\n")), [ONE]),
        # a fence inside a string does not close a longer one
        (fenced('def transform(grid):\n    """\n```\n    """\n    return grid', "````"), [None]),
        # helpers and imports before it belong to it
        (
            fenced("import math\n\ndef shift(g):\n    return g\n\n" + ONE),
            ["import math\n\ndef shift(g):\n    return g\n\n" + ONE],
        ),
        # a block of something else
        (fenced("1 2\n3 4", info="") + "\n" + fenced(ONE), [ONE]),
        (fenced("def other(grid):\n    return grid"), []),
        # cut off: nobody knows what was still to come
        ("```python\n" + ONE, []),
        (fenced(ONE) + "\n```python\n" + TWO, [ONE]),
        # no block at all
        (ONE, [ONE]),
        ("Here it is.\nimport math\n\n" + ONE, ["import math\n\n" + ONE]),
        ("I would define transform(grid) so that it turns the grid.", []),
        ("", []),
    ],
)
def test_programs_are_found(answer: str, codes: list[str | None]) -> None:
    found = programs_in(answer, 5).codes
    assert len(found) == len(codes)
    assert all(expected is None or code == expected for code, expected in zip(found, codes, strict=True))


def test_no_more_than_were_asked_for_none_twice_and_none_too_long() -> None:
    others = [f"{ONE}  # {number}" for number in range(3)]
    long = ONE + "\n" + "#" * CODE_BYTES_MAX
    answer = "\n".join(map(fenced, [ONE, ONE, long, *others]))
    assert programs_in(answer, 3) == Written([ONE, *others[:2]], 3)


@given(st.text(), st.text("`~ \n\rdeftransform(:)python", max_size=300))
def test_no_answer_is_a_fault(one: str, two: str) -> None:
    written = programs_in(one + two, 3)
    assert len(written.codes) <= 3
    assert all("transform" in code for code in written.codes)


@pytest.mark.parametrize("piece", ["```\n", "`" * 50_000 + "\n", "~~~ \n", "def transform\n", "import x\n", " ", "\n"])
def test_an_answer_of_one_thing_again_and_again_is_read(piece: str) -> None:
    """In linear time: where it were not, this would not come to its end."""
    assert len(programs_in(piece * (400_000 // len(piece)), 5).codes) <= 5


PAIRS = [Pair([[1, 2]], [[2, 1]]), Pair([[3, 3, 4]], [[4, 3, 3]]), Pair([[5]], [[5]])]


def test_a_program_is_worth_what_it_got_right() -> None:
    program = judged(ONE, PAIRS, [Outcome([[2, 1]]), Outcome([[4, 3, 0]]), Outcome(None, "IndexError: no")])
    assert program.results == [
        PairResult(correct=True, cell_share=1.0, output=[[2, 1]]),
        PairResult(correct=False, cell_share=0.6667, output=[[4, 3, 0]]),
        PairResult(correct=False, cell_share=0.0, error="IndexError: no"),
    ]
    assert (program.correct_pairs, program.pairs, program.cell_share) == (1, 3, 0.5556)
    assert program.error is None
    assert not program.fits


def test_one_that_gave_no_grid_at_all_says_why() -> None:
    program = judged(ONE, PAIRS, [Outcome(None, "TimeoutError: slow"), *[Outcome(None, "Not run")] * 2])
    assert (program.error, program.rank) == ("TimeoutError: slow", (0, 0.0))


def test_exact_pairs_count_before_cells_and_the_order_is_kept() -> None:
    near = judged("near", PAIRS, [Outcome([[2, 0]]), Outcome([[4, 3, 0]]), Outcome([[0]])])
    right = judged("right", PAIRS, [Outcome(None, "x"), Outcome(None, "x"), Outcome([[5]])])
    same = judged("same", PAIRS, [Outcome(None, "x"), Outcome(None, "x"), Outcome([[5]])])
    assert near.cell_share > right.cell_share
    assert [program.code for program in ranked([near, right, same])] == ["right", "same", "near"]


def test_the_outputs_can_be_left_out() -> None:
    program = judged(ONE, PAIRS, [Outcome([[2, 1]]), Outcome([[4, 3, 3]]), Outcome([[5]])])
    (short,) = without_outputs([program])
    assert short.fits
    assert [result.output for result in short.results] == [None, None, None]


async def test_a_program_is_tried_on_every_pair() -> None:
    sandbox = Sandbox(processes=1)
    program = await tried(sandbox, "def transform(grid):\n    return [row[::-1] for row in grid]", PAIRS)
    await sandbox.close()
    assert program.fits
    assert program.cell_share == 1.0


@pytest.mark.parametrize(("share", "said"), [(0.0, "0%"), (0.29, "29%"), (0.9999, "99%"), (1.0, "100%")])
def test_only_what_is_whole_is_a_hundred_percent(share: float, said: str) -> None:
    assert percent(share) == said

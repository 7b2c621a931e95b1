"""Small puzzles for tests."""

from headwater.workflows.arc.task import Pair, Task

ONE_TEST = Task(
    "0000000a",
    "toy",
    (Pair([[1, 0], [1, 1]], [[0, 1], [1, 1]]), Pair([[2, 0], [2, 2]], [[0, 2], [2, 2]])),
    (Pair([[3, 0], [3, 3]], [[0, 3], [3, 3]]),),
)
TWO_TESTS = ONE_TEST._replace(
    id="0000000b", test=(*ONE_TEST.test, Pair([[4, 0, 0], [4, 4, 4]], [[0, 4, 0], [4, 4, 4]]))
)

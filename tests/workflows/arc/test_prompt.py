"""What a model is told of a puzzle."""

from headwater.workflows.arc.prompt import prompt_of, rows
from tests.workflows.arc.puzzles import ONE_TEST, TWO_TESTS


def test_the_pairs_and_the_test_are_told_and_its_output_is_not() -> None:
    prompt = prompt_of(ONE_TEST)
    for pair in ONE_TEST.train:
        assert rows(pair.input) in prompt.user
        assert rows(pair.output) in prompt.user
    assert prompt.user.endswith("Test 1, input (2 rows, 2 columns):\n3 0\n3 3")
    assert rows(ONE_TEST.test[0].output) not in prompt.user + prompt.system
    assert [message.role for message in prompt.messages] == ["system", "user"]


def test_the_answer_is_shown_only_where_it_is_to_be_explained() -> None:
    prompt = prompt_of(ONE_TEST, include_answer=True)
    assert prompt.user.endswith("Test 1, output (2 rows, 2 columns):\n0 3\n3 3")
    assert "explain" in prompt.system


def test_instructions_take_the_place_of_ours_but_not_of_the_form() -> None:
    prompt = prompt_of(TWO_TESTS, "Answer like a pirate.")
    assert prompt.system.startswith("Answer like a pirate.\n\n")
    assert "`predictedOutput1` to `predictedOutput2`" in prompt.system
    assert "You solve puzzles" not in prompt.system
    assert "`predictedOutput` (the output grid of the test:" in prompt_of(ONE_TEST).system

"""The forms of what asks for an analysis and of what a model answers."""

from typing import Any

import jsonschema
import msgspec
import pytest

from headwater.workflows.arc.schema import INPUT_SCHEMA, AnalysisInput, answer_schema, grid_names


@pytest.mark.parametrize(
    "value",
    [
        {"task_id": "007bbfb7"},
        {
            "task_id": "007bbfb7",
            "prompt": "Why?",
            "include_answer": True,
            "structured": False,
            "simulated": "malformed",
        },
    ],
)
def test_what_the_schema_takes_is_what_the_struct_takes(value: dict[str, Any]) -> None:
    jsonschema.validate(value, INPUT_SCHEMA)
    assert msgspec.to_builtins(msgspec.convert(value, AnalysisInput)) == value
    assert set(INPUT_SCHEMA["properties"]) == set(AnalysisInput.__struct_fields__)


@pytest.mark.parametrize(
    "value",
    [
        *[{}, [], "007bbfb7", {"task_id": "007BBFB7"}, {"task_id": "007bbfb"}, {"task_id": 7}],
        *[{"task_id": "007bbfb7", "prompt": ""}, {"task_id": "007bbfb7", "prompt": "x" * 20_001}],
        *[{"task_id": "007bbfb7", "simulated": "maybe"}, {"task_id": "007bbfb7", "unknown": 1}],
    ],
)
def test_what_it_does_not_take(value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, INPUT_SCHEMA)


@pytest.mark.parametrize(("tests", "names"), [(1, ["predictedOutput"]), (2, ["predictedOutput1", "predictedOutput2"])])
def test_an_answer_has_a_grid_for_each_test(tests: int, names: list[str]) -> None:
    assert grid_names(tests) == names
    schema = answer_schema(tests)
    # the rule is put into words before the grids, and the grids before how sure it is
    order = ["patternDescription", "solvingStrategy", "hints", *names, "confidence"]
    assert list(schema["properties"]) == schema["required"] == order
    answer = {**dict.fromkeys(order, ""), "hints": ["a"], **{name: [[0, 9]] for name in names}, "confidence": 80}
    jsonschema.validate(answer, schema)
    faults: list[dict[str, Any]] = [{names[-1]: [[10]]}, {names[-1]: []}, {"confidence": 101}, {"more": 1}]
    for fault in faults:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**answer, **fault}, schema)

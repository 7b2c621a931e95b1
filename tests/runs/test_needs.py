"""Models that can not do what a workflow's calls take."""

from __future__ import annotations

import pytest

from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.catalog import Catalog, ModelRow
from headwater.runs.needs import check_needs

CATALOG = Catalog.from_rows(
    [
        ModelRow(name="eyes", api_key_env="NONE", base_url="https://a.example/v1", capabilities=("text", "images")),
        ModelRow(name="blind", api_key_env="NONE", base_url="https://b.example/v1", capabilities=("text",)),
    ],
    {},
)


def request(model: str, *fallback: str) -> RunRequest:
    return RunRequest(workflow="visual_solver", model=model, fallback=list(fallback))


def test_models_that_can_are_taken() -> None:
    check_needs(request("eyes", "simulated"), ("images",), CATALOG)
    check_needs(request("blind"), (), CATALOG)


@pytest.mark.parametrize(
    ("asked", "pointer"), [(request("blind"), "/model"), (request("eyes", "simulated", "blind"), "/fallback/1")]
)
def test_one_that_can_not_is_refused_by_its_place(asked: RunRequest, pointer: str) -> None:
    with pytest.raises(UnsupportedError, match=r"`images`.*`blind` has not.*`eyes`") as refused:
        check_needs(asked, ("images",), CATALOG)
    assert refused.value.extra["pointer"] == pointer


def test_where_no_model_can_none_is_named() -> None:
    with pytest.raises(UnsupportedError, match=r"which `blind` has not\.$"):
        check_needs(request("blind"), ("background",), CATALOG)


def test_a_name_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(BadRequestError):
        check_needs(request("nobody"), ("images",), CATALOG)

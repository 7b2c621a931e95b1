"""Refusals that a page can show as they are: the client's error has the body for its message."""

import pytest

from headwater import errors
from headwater.api.ai_sdk_error import ai_sdk_error
from headwater.api.problem import DETAIL_CHARS_MAX
from headwater.errors import BadRequestError, QueueFullError
from tests.api.test_problem import headers_of, raised


@pytest.mark.parametrize("error", raised(), ids=lambda error: type(error).__name__)
def test_every_error_is_one_sentence_with_its_code(error: errors.HeadwaterError) -> None:
    answer = ai_sdk_error(error)
    assert answer.body
    assert 400 <= answer.status <= 599
    headers = headers_of(answer)
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["headwater-error"] in set(errors.ErrorCode)


def test_it_says_when_to_come_back_and_stays_short() -> None:
    assert headers_of(ai_sdk_error(QueueFullError("Full.", retry_after_s=1.2)))["retry-after"] == "2"
    assert len(ai_sdk_error(BadRequestError("x" * 1000)).body) == DETAIL_CHARS_MAX
    assert ai_sdk_error(BadRequestError("x"), status=431, headers=[(b"a", b"b")]).status == 431

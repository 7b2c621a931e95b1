"""Refusals that a page can show as they are: the client's error has the body for its message."""

import pytest

from headwater import errors
from headwater.api.ai_sdk_error import ai_sdk_error
from headwater.api.faces import refuse_for
from headwater.api.problem import DETAIL_CHARS_MAX, problem_of
from headwater.errors import BadRequestError, QueueFullError
from tests.api.composed import RunningApi
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
    assert len(ai_sdk_error(BadRequestError("x" * 1000)).body.decode()) == DETAIL_CHARS_MAX
    assert ai_sdk_error(BadRequestError("x"), status=431, headers=[(b"a", b"b")]).status == 431


@pytest.mark.parametrize(
    ("path", "theirs"),
    [("/api/chat", True), ("/api/chat/c/stream", True), ("/api/chats", False), ("/api/ag-ui", False)],
)
def test_whose_shape(path: str, theirs: bool) -> None:
    assert refuse_for(path) is (ai_sdk_error if theirs else problem_of)


async def test_a_wrong_method_and_a_wrong_path_are_sentences_too(api: RunningApi) -> None:
    for method, path, status in (("GET", "/api/chat", 405), ("GET", "/api/chat/c/other", 404)):
        response = await api.client.request(method, path)
        assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert response.text.endswith(".")

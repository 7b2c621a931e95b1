"""What tells a client whether and when to try again."""

import pytest

from headwater.delivery.formats.refusal_headers import refusal_headers


@pytest.mark.parametrize(("after_s", "header"), [(None, None), (0.2, b"1"), (3, b"3"), (-1, b"0")])
def test_when_to_come_back_is_in_whole_seconds(after_s: float | None, header: bytes | None) -> None:
    assert dict(refusal_headers(retryable=True, retry_after_s=after_s)).get(b"retry-after") == header


@pytest.mark.parametrize("retryable", [True, False])
def test_whether_to_come_back_is_said(retryable: bool) -> None:
    said = dict(refusal_headers(retryable=retryable))
    assert said == {b"content-type": b"application/json", b"x-should-retry": b"true" if retryable else b"false"}

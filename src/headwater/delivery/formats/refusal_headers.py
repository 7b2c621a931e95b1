"""The headers of an answer that says no, as the SDKs that Stainless generates (OpenAI, Anthropic) read them. Pure."""

from __future__ import annotations

import math

from headwater.delivery.held import Headers


def refusal_headers(*, retryable: bool, retry_after_s: float | None = None) -> Headers:
    """Those SDKs repeat 408, 409, 429 and 5xx unless `x-should-retry` tells them what to do."""
    headers = [
        (b"content-type", b"application/json"),
        (b"x-should-retry", b"true" if retryable else b"false"),
    ]
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(0, math.ceil(retry_after_s))))
    return tuple(headers)

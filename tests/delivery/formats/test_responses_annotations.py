"""What providers say about text: kept where this API has words for it, else left out."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.delivery.formats.responses_annotations import citation, logprobs_of, without_bytes

URL = {"url": "https://e.org", "title": "t", "start_index": 0, "end_index": 2}
FILE = {"type": "file_citation", "file_id": "f", "filename": "n", "index": 1}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"type": "url_citation", **URL}, {"type": "url_citation", **URL}),
        ({"type": "url_citation", "url_citation": URL}, {"type": "url_citation", **URL}),
        ({"type": "url_citation", **URL, "more": 1}, {"type": "url_citation", **URL}),
        (FILE, FILE),
        ({"type": "file_path", "file_id": "f", "index": 1}, {"type": "file_path", "file_id": "f", "index": 1}),
        ({"type": "url_citation", "url": "https://e.org"}, None),
        ({"type": "web_search_call"}, None),
        ({}, None),
        ("text", None),
        (None, None),
    ],
)
def test_citations(value: Any, wanted: Any) -> None:
    assert citation(value) == wanted


TOKEN = {"token": "é", "logprob": -1.0}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"content": [{**TOKEN, "bytes": [1]}]}, [{**TOKEN, "bytes": [1], "top_logprobs": []}]),
        (
            {"content": [{**TOKEN, "bytes": None, "top_logprobs": [TOKEN]}], "refusal": None},
            [{**TOKEN, "bytes": [195, 169], "top_logprobs": [{**TOKEN, "bytes": [195, 169]}]}],
        ),
        ({"content": None}, []),
        ({"content": [{"token": 3}]}, []),
        ([], []),
        ("odd", []),
    ],
)
def test_probabilities_of_tokens(value: Any, wanted: Any) -> None:
    assert logprobs_of(value) == wanted


def test_events_have_no_bytes() -> None:
    (token,) = logprobs_of({"content": [{**TOKEN, "top_logprobs": [TOKEN]}]})
    assert without_bytes(token) == {**TOKEN, "top_logprobs": [TOKEN]}

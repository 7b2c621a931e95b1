"""Gemini's logprobs in the form of Chat Completions."""

from typing import Any

import pytest

from headwater.providers.gemini_logprobs import token_logprobs


def test_tokens() -> None:
    result = {
        "chosenCandidates": [{"token": "Hel", "tokenId": 7, "logProbability": -0.5}, {"token": "lo"}],
        "topCandidates": [{"candidates": [{"token": "Hel", "logProbability": -0.5}, {"token": "By"}]}],
    }
    assert token_logprobs(result) == {
        "content": [
            {
                "token": "Hel",
                "logprob": -0.5,
                "bytes": None,
                "top_logprobs": [
                    {"token": "Hel", "logprob": -0.5, "bytes": None},
                    {"token": "By", "logprob": 0.0, "bytes": None},
                ],
            },
            {"token": "lo", "logprob": 0.0, "bytes": None, "top_logprobs": []},
        ]
    }


@pytest.mark.parametrize("result", [None, [], {}, {"chosenCandidates": 1}, {"topCandidates": [{"candidates": []}]}])
def test_nothing_that_could_be_told(result: Any) -> None:
    assert token_logprobs(result) is None


def test_values_of_another_type() -> None:
    result = {"chosenCandidates": [{"token": 1, "logProbability": True}, 3], "topCandidates": ["x"] * 9}
    assert token_logprobs(result) == {"content": [{"token": "", "logprob": 0.0, "bytes": None, "top_logprobs": []}]}

"""How likely each token was, from Gemini's form to that of Chat Completions, which is what a run's log holds."""

from __future__ import annotations

from typing import Any


def token_logprobs(result: Any) -> dict[str, Any] | None:
    """`{"content": [{token, logprob, bytes, top_logprobs}]}` of a `logprobsResult`
    (https://ai.google.dev/api/generate-content#LogprobsResult); None where it holds no token.
    """
    if not isinstance(result, dict):
        return None
    chosen, tops = _dicts(result.get("chosenCandidates")), _dicts(result.get("topCandidates"))
    tops += [{}] * (len(chosen) - len(tops))
    content = [
        {**_token(token), "top_logprobs": [_token(each) for each in _dicts(top.get("candidates"))]}
        for token, top in zip(chosen, tops, strict=False)
    ]
    return {"content": content} if content else None


def _token(candidate: dict[str, Any]) -> dict[str, Any]:
    text, logprob = candidate.get("token"), candidate.get("logProbability")
    return {
        "token": text if isinstance(text, str) else "",
        # A proto's zero is left out of its JSON.
        "logprob": logprob if isinstance(logprob, int | float) and not isinstance(logprob, bool) else 0.0,
        "bytes": None,
    }


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

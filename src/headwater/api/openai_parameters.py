"""What `POST /v1/chat/completions` does with each parameter: takes it, ignores it, or refuses it. Pure.

One row a parameter of OpenAI's reference; docs/reference/openai-api.md is made from it, and a parameter that is not
here is refused. Nothing that would change the answer is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from headwater.errors import UnsupportedError


class Use(StrEnum):
    TAKEN = "taken"
    IGNORED = "ignored"
    REFUSED = "refused"


class Parameter(NamedTuple):
    """`harmless` are the values of a refused parameter that ask for what happens anyway; null always does."""

    use: Use
    about: str
    harmless: tuple[object, ...] = ()


_TAKEN, _IGNORED, _REFUSED = Use.TAKEN, Use.IGNORED, Use.REFUSED

PARAMETERS: Final[dict[str, Parameter]] = {
    "model": Parameter(_TAKEN, "a name of `GET /v1/models`; another one is 404 `model_not_found`"),
    "messages": Parameter(
        _TAKEN,
        "roles `system`, `developer`, `user`, `assistant`, `tool`; content as text or as parts `text`, `image_url`"
        " (`https:` or `data:`), `refusal`. Audio and files are refused",
    ),
    "stream": Parameter(_TAKEN, "the answer as chunks, else whole"),
    "stream_options": Parameter(_TAKEN, "`include_usage`; `include_obfuscation` is ignored: nothing is padded"),
    "temperature": Parameter(_TAKEN, ""),
    "top_p": Parameter(_TAKEN, ""),
    "max_completion_tokens": Parameter(_TAKEN, ""),
    "max_tokens": Parameter(_TAKEN, "the older name; `max_completion_tokens` wins"),
    "stop": Parameter(_TAKEN, "one string or a list"),
    "seed": Parameter(_TAKEN, ""),
    "reasoning_effort": Parameter(_TAKEN, ""),
    "verbosity": Parameter(_TAKEN, "`medium` is what servers do that do not know it"),
    "response_format": Parameter(
        _TAKEN,
        "`text`, `json_object`, `json_schema`. The schema is sent as `strict` where it can be (every object closed,"
        " every property required), whatever `strict` says",
    ),
    "tools": Parameter(_TAKEN, "functions; `custom` tools are refused"),
    "tool_choice": Parameter(_TAKEN, "`auto`, `none`, `required` or one function; `allowed_tools` is refused"),
    "parallel_tool_calls": Parameter(_TAKEN, ""),
    "frequency_penalty": Parameter(_TAKEN, ""),
    "presence_penalty": Parameter(_TAKEN, ""),
    "logprobs": Parameter(_TAKEN, "passed by as the provider gives them"),
    "top_logprobs": Parameter(_TAKEN, "with `logprobs: true` only"),
    "metadata": Parameter(_TAKEN, "kept with the run; at most 16 pairs"),
    "user": Parameter(_IGNORED, "there are no accounts to set it against"),
    "safety_identifier": Parameter(_IGNORED, "as `user`"),
    "store": Parameter(_IGNORED, "every run is stored, and can be deleted under `/api/v1/runs/{id}`"),
    "prompt_cache_key": Parameter(_IGNORED, "a hint about cost, not about the answer"),
    "prompt_cache_options": Parameter(_IGNORED, "as `prompt_cache_key`"),
    "prompt_cache_retention": Parameter(_IGNORED, "as `prompt_cache_key`"),
    "n": Parameter(_REFUSED, "one answer to a request", (1,)),
    "audio": Parameter(_REFUSED, "text only"),
    "modalities": Parameter(_REFUSED, "text only", (["text"],)),
    "function_call": Parameter(_REFUSED, "replaced by `tool_choice`"),
    "functions": Parameter(_REFUSED, "replaced by `tools`"),
    "logit_bias": Parameter(_REFUSED, "tokens are each model's own", ({},)),
    "moderation": Parameter(_REFUSED, "no moderation beside the model's own"),
    "prediction": Parameter(_REFUSED, "no predicted outputs"),
    "service_tier": Parameter(_REFUSED, "no tiers", ("auto", "default")),
    "web_search_options": Parameter(_REFUSED, "no search of its own"),
}


def check_refused(body: msgspec.Struct, parameters: Mapping[str, Parameter] = PARAMETERS) -> None:
    """Raises `UnsupportedError` with a `pointer` for the first parameter of the table that can not be done."""
    for name, row in parameters.items():
        if row.use is Use.REFUSED:
            value = getattr(body, name)
            if value is not None and not any(type(value) is type(same) and value == same for same in row.harmless):
                raise UnsupportedError(f"`{name}` is not supported: {row.about}.", pointer=f"/{name}")

"""What the models at Groq do not take, by their names there.

From https://console.groq.com/docs/openai (no `logprobs`), the API's reference (no model knows penalties), and the pages
of https://console.groq.com/docs/reasoning, /structured-outputs, /vision and /compound.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

_ALL: Final = Limits(fixed=(("logprobs", None), ("frequency_penalty", 0.0), ("presence_penalty", 0.0)))
_OLDER_LLAMA: Final = _ALL._replace(lacks=frozenset({"reasoning", "json_schema", "images"}))

MODELS: Final = Models(
    (r"openai/gpt-oss", _ALL._replace(lacks=frozenset({"images"}), efforts=frozenset({"low", "medium", "high"}))),
    # Those of Qwen reason or do not; only a newer one can be told how much.
    (r"qwen/qwen3-", _ALL._replace(lacks=frozenset({"json_schema", "images"}), efforts=frozenset({"none"}))),
    (r"qwen/qwen3\.6", _ALL._replace(efforts=frozenset({"none"}))),
    (r"qwen/qwen3\.8", _ALL._replace(efforts=frozenset({"none", "low", "medium", "high"}))),
    (r"llama-?3(?!.*vision)|gemma2", _OLDER_LLAMA),
    (r"meta-llama/llama-4", _ALL._replace(lacks=frozenset({"reasoning"}))),
    # It has tools of its own, and takes no others.
    (r"groq/compound|compound-beta", _ALL._replace(lacks=frozenset({"tools"}))),
    (r"", _ALL),
)

"""What OpenAI's models do not take, by their names (https://platform.openai.com/docs/models).

A fine-tuned model, a deployment, or one that is newer than this table is asked for anything.
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

#: What models that reason take of each setting, which is its default
#: (https://platform.openai.com/docs/guides/reasoning).
_FIXED: Final = (
    ("temperature", 1.0),
    ("top_p", 1.0),
    ("frequency_penalty", 0.0),
    ("presence_penalty", 0.0),
    ("logprobs", None),
)
#: What models before GPT-5 take of it, as seen at the API (https://github.com/enricoros/big-AGI/issues/947).
_VERBOSITY: Final = (("verbosity", "medium"),)
#: Those that reason whatever is asked for. Later ones can be kept from it, and then take what these do not.
_O: Final = Limits(fixed=(*_FIXED, *_VERBOSITY), efforts=frozenset({"low", "medium", "high"}))
_GPT_5: Final = Limits(fixed=_FIXED, efforts=frozenset({"minimal", "low", "medium", "high"}))
#: Reason only where they are asked to, and then take as little
#: (https://platform.openai.com/docs/guides/latest-model, "parameter compatibility").
_LATER: Final = Limits(efforts=frozenset({"none", "low", "medium", "high"}))
#: From 5.2 on they can be told to reason longer than they did ("xhigh is supported for all models after
#: gpt-5.1-codex-max", the API's own reference), and from 5.6 on longer still.
_XHIGH: Final = Limits(efforts=frozenset({"none", "low", "medium", "high", "xhigh"}))
_MAX: Final = Limits(efforts=frozenset({"none", "low", "medium", "high", "xhigh", "max"}))
_FIXED_WHILE_REASONING: Final = (("temperature", 1.0), ("top_p", 1.0), ("logprobs", None))

_TEXT_ONLY: Final = Limits(lacks=frozenset({"reasoning", "json_schema", "images"}), fixed=_VERBOSITY)
_NO_SCHEMA: Final = Limits(lacks=frozenset({"reasoning", "json_schema"}), fixed=_VERBOSITY)
_NO_REASONING: Final = Limits(lacks=frozenset({"reasoning"}))

#: A date, or nothing, is what a name may end with and still be that model.
_END: Final = r"(?:-\d{4}.*)?$"

MODELS: Final = Models(
    (r"gpt-3\.5|gpt-4(?:-\d{4}|-32k|$)", _TEXT_ONLY),
    (r"gpt-4-turbo|gpt-4-(?:1106|0125|vision)|gpt-4o-2024-05-13|chatgpt-4o", _NO_SCHEMA),
    (r"gpt-4", _NO_REASONING._replace(fixed=_VERBOSITY)),
    (r"gpt-5-chat", _NO_REASONING),
    (r"o1-(?:mini|preview)", _O._replace(lacks=frozenset({"tools", "json_schema", "images"}))),
    (r"o3-mini", _O._replace(lacks=frozenset({"images"}))),
    (rf"o[134](?:-mini|-pro)?{_END}", _O),
    (rf"gpt-5(?:-mini|-nano)?{_END}", _GPT_5),
    (rf"gpt-5-pro{_END}", Limits(efforts=frozenset({"high"}))),
    (r"gpt-5\.1-codex-max", _XHIGH._replace(fixed=_FIXED_WHILE_REASONING, fixed_when="if_asked")),
    (r"gpt-5\.1(?!\d)", _LATER._replace(fixed=_FIXED_WHILE_REASONING, fixed_when="if_asked")),
    (r"gpt-5\.[2-4](?!\d)", _XHIGH._replace(fixed=_FIXED_WHILE_REASONING, fixed_when="if_asked")),
    (r"gpt-5\.5(?!\d)", _XHIGH),
    (r"gpt-5\.\d", _MAX),
)

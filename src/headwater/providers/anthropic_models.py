"""What each generation of Claude takes in a request: the API is one, and its models are not.

From the migration guides (https://platform.claude.com/docs/en/about-claude/models/migration-guide) and the pages of
thinking, effort, structured outputs and prefill beside them. The rules are by version and not by name, so that a model
that came after this was written is taken for one like the newest. Of a name without a version nothing is refused.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from headwater.domain.message import ReasoningEffort

#: What the models together can be asked for.
CAPABILITIES: Final = ("text", "reasoning", "tools", "json_schema", "images", "prefill")

#: `claude-opus-4-5-20251101`, `anthropic/claude-opus-4.5`, `us.anthropic.claude-opus-4-6-v1:0`: a date is no version.
_LINE_FIRST: Final = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
#: `claude-3-7-sonnet-20250219`
_VERSION_FIRST: Final = re.compile(r"claude-(\d)(?:[-.](\d))?-([a-z]+)")

#: Lines whose thinking can not be turned off in any version.
_ALWAYS_THINKING: Final = frozenset({"fable", "mythos"})


class Traits(NamedTuple):
    """What a model takes."""

    #: how reasoning is asked for: by a budget of tokens, or left to the model
    thinking: Literal["none", "budget", "adaptive"] = "adaptive"
    #: how it is turned off: it is off already, by a type of `thinking`, or not at all
    thinking_off: Literal["is_off", "disabled", "between_tools", "never"] = "never"
    #: whether `output_config.effort` says how hard the model tries
    effort: bool = True
    #: whether `temperature` and `top_p` may differ from what they are anyway
    sampling: bool = False
    #: whether a last message of the assistant is gone on with
    prefill: bool = False
    #: whether an answer can be held to a JSON schema, and the input of a tool with it (`strict`)
    json_schema: bool = True
    #: whether a tool, or any tool, can be made a must
    forced_tools: bool = False
    #: whether `temperature` and `top_p` may differ at once
    both_samplers: bool = True
    #: the efforts above `high` that it knows; there is no budget for any
    beyond_high: frozenset[ReasoningEffort] = frozenset()


#: A name that says nothing: the server will say what its model does not take.
UNKNOWN: Final = Traits(
    thinking_off="disabled",
    beyond_high=frozenset({"xhigh", "max"}),
    sampling=True,
    prefill=True,
    forced_tools=True,
)


def traits_of(model: str) -> Traits:
    """What this model takes, by its name in any provider's spelling."""
    name = model.lower()
    if "claude-mythos-preview" in name:
        return Traits(forced_tools=True, beyond_high=frozenset({"max"}))
    if (found := _LINE_FIRST.search(name)) is not None:
        line, major, minor = found.groups()
    elif (found := _VERSION_FIRST.search(name)) is not None:
        major, minor, line = found.groups()
    else:
        return UNKNOWN
    version = (int(major), int(minor or 0))
    return Traits(
        thinking=_thinking(version),
        thinking_off=_thinking_off(line, version),
        effort=version >= (4, 6) or (line == "opus" and version == (4, 5)),
        beyond_high=_beyond_high(version),
        sampling=version < (4, 7),
        both_samplers=not (4, 1) <= version < (4, 7),
        prefill=version < (4, 6),
        json_schema=version >= (4, 5) or (line == "opus" and version == (4, 1)),
        forced_tools=version < ((5, 1) if line in _ALWAYS_THINKING else (5, 5)) or line == "haiku",
    )


def _thinking(version: tuple[int, int]) -> Literal["none", "budget", "adaptive"]:
    if version < (3, 7):
        return "none"
    return "budget" if version < (4, 6) else "adaptive"


def _beyond_high(version: tuple[int, int]) -> frozenset[ReasoningEffort]:
    """The first column of the table at https://platform.claude.com/docs/en/build-with-claude/effort."""
    if version < (4, 6):
        return frozenset()
    return frozenset({"max"}) if version < (4, 7) else frozenset({"xhigh", "max"})


def _thinking_off(line: str, version: tuple[int, int]) -> Literal["is_off", "disabled", "between_tools", "never"]:
    if version < (5, 0):
        return "is_off"
    if line in _ALWAYS_THINKING or (line == "opus" and version >= (5, 5)):
        return "never"
    return "between_tools" if line == "sonnet" and version >= (5, 5) else "disabled"


def capabilities_of(model: str) -> tuple[str, ...]:
    """What this model can be asked for. One whose name says nothing is not counted on to go on with an answer."""
    traits = traits_of(model)
    able = {
        "reasoning": traits.thinking != "none",
        "json_schema": traits.json_schema,
        "prefill": traits.prefill and traits is not UNKNOWN,
    }
    return tuple(each for each in CAPABILITIES if able.get(each, True))

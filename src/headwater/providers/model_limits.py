"""What single models do not take of what their server's dialect can say, by the server's own names for them.

A server refuses what a model does not take, or worse, takes it and does nothing. So it is refused before the call,
where a provider's documentation is sure of it; of a name that says nothing nothing is refused, and the server will say
it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from headwater.domain.message import ReasoningEffort, Settings
from headwater.errors import UnsupportedError


class Limits(NamedTuple):
    """What a model does not take. Equal for models that take the same."""

    #: capabilities that its server's dialect has words for, and the model has not
    lacks: frozenset[str] = frozenset()
    #: settings that it takes at one value only, which they have anyway; None for those that it takes at none
    fixed: tuple[tuple[str, float | str | None], ...] = ()
    #: when that is so: always, unless reasoning is turned off, or where reasoning is asked for
    fixed_when: Literal["always", "unless_off", "if_asked"] = "always"
    #: the efforts that it knows; None for all, or where that is not known
    efforts: frozenset[ReasoningEffort] | None = None


NO_LIMITS: Final = Limits()


class Models:
    """A server's models. The first row whose pattern matches the beginning of a name counts."""

    def __init__(self, *rows: tuple[str, Limits]) -> None:
        self._rows = [(re.compile(pattern), limits) for pattern, limits in rows]

    def limits_of(self, model: str) -> Limits:
        name = model.lower()
        return next((limits for pattern, limits in self._rows if pattern.match(name)), NO_LIMITS)

    def able(self, model: str, capabilities: Iterable[str]) -> tuple[str, ...]:
        """Which of these a model has."""
        lacks = self.limits_of(model).lacks
        return tuple(each for each in capabilities if each not in lacks)

    def fit(self, model: str, settings: Settings) -> Settings:
        """The settings as a model takes them: without what asks for no more than what happens anyway.

        Raises `UnsupportedError` for what it is known to refuse, or to pass over.
        """
        limits = self.limits_of(model)
        unsaid = dict.fromkeys(_refused_or_idle(model, limits, settings))
        return msgspec.structs.replace(settings, **unsaid) if unsaid else settings


def _refused_or_idle(model: str, limits: Limits, settings: Settings) -> Iterator[str]:
    """The settings that need not be said. Raises for the first that can not be."""
    effort = settings.reasoning_effort
    active = {
        "always": True,
        "unless_off": effort != "none",
        "if_asked": effort not in (None, "none"),
    }[limits.fixed_when]
    for name, only in limits.fixed if active else ():
        value = getattr(settings, name)
        if value is None or value == []:
            continue
        if value != only:
            but = "" if only is None else f" but {only_value(only)}"
            when = "" if limits.fixed_when == "always" else " while it reasons"
            raise UnsupportedError(f"The model `{model}` takes no `{name}`{but}{when}.", pointer=f"/settings/{name}")
        yield name
    if effort == "none" and "reasoning" in limits.lacks:
        yield "reasoning_effort"
    elif effort is not None and limits.efforts is not None and effort not in limits.efforts:
        raise UnsupportedError(_unknown_effort(model, effort, limits.efforts), pointer="/settings/reasoning_effort")


def only_value(value: float | str) -> str:
    """The one value that a setting may have, in words."""
    return value if isinstance(value, str) else f"{value:g}"


def _unknown_effort(model: str, effort: ReasoningEffort, known: Collection[ReasoningEffort]) -> str:
    if not known:
        return f"The model `{model}` takes no `reasoning_effort`."
    words = ", ".join(f"`{each}`" for each in get_args(ReasoningEffort) if each in known)
    return f"The model `{model}` does not know the effort `{effort}`, but {words}."

"""Which efforts a server's table knows of a model."""

from typing import get_args

from headwater.domain.message import ReasoningEffort, Settings
from headwater.errors import UnsupportedError
from headwater.providers.model_limits import Models

EFFORTS: tuple[ReasoningEffort, ...] = get_args(ReasoningEffort)


def known_efforts(models: Models, model: str) -> set[str]:
    """Those that are not refused."""
    known: set[str] = set()
    for effort in EFFORTS:
        try:
            models.fit(model, Settings(reasoning_effort=effort))
        except UnsupportedError:
            continue
        known.add(effort)
    return known

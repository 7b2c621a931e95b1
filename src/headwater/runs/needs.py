"""What a workflow's calls take of a model, looked at before there is a run that would only fail of it. Pure."""

from __future__ import annotations

from collections.abc import Collection

from headwater.domain.run import RunRequest
from headwater.errors import UnsupportedError
from headwater.runs.attempt import Models


def check_needs(request: RunRequest, needs: Collection[str], models: Models) -> None:
    """Refuses a model, or one that may answer in its place, that has not all of these among its capabilities.

    Raises `UnsupportedError` with a pointer to the model's name, and what `models` raises for a name that is none.
    """
    for place, model in enumerate([request.model, *request.fallback]):
        for capability in needs:
            if capability not in models.capabilities(model):
                able = " or ".join(f"`{name}`" for name in models.who_can(capability))
                others = f" {able} has." if able else ""
                raise UnsupportedError(
                    f"The workflow `{request.workflow}` needs a model with `{capability}` among its capabilities, "
                    f"which `{model}` has not.{others}",
                    pointer="/model" if place == 0 else f"/fallback/{place - 1}",
                )

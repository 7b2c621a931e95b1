"""Answers that go on at their provider's: where a run's log says that they are, and how they are stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import structlog

from headwater.domain import event as ev
from headwater.domain.run import RunRequest
from headwater.errors import LogCorrupt, ProviderError, RefusedError, StorageError
from headwater.providers.contract import BackgroundProvider, Checkpoint, Provider
from headwater.providers.cost import UNPRICED, Pricing
from headwater.runs.attempt import Models
from headwater.runs.takeover import CallTrace
from headwater.storage.contract import EventLog

_log = structlog.get_logger(__name__)

#: How long a provider has to stop an answer that nobody will read.
STOP_S = 5.0


async def trace_of(log: EventLog, run: str) -> CallTrace:
    """What the run's log says of its calls. Raises `StorageError`, and `LogCorrupt` for what is no record."""
    trace, after = CallTrace(), 0
    while True:
        page = await log.read(run, after)
        try:
            trace.apply_all(map(ev.decode_record, page.payloads))
        except ValueError as error:
            raise LogCorrupt(f"what follows record {after} is no record") from error
        if page.last == page.tail or not page.payloads:
            return trace
        after = page.last


def models_of(request: RunRequest, models: Models) -> dict[tuple[str, str], tuple[str, Provider]]:
    """The models that a request names: by their provider's name and its own name for them, callers' name first."""
    known: dict[tuple[str, str], tuple[str, Provider]] = {}
    for name in [request.model, *request.fallback]:
        try:
            provider, model = models.resolve(name)
        except RefusedError:
            continue  # it was in the configuration when the run was asked for
        known.setdefault((provider.name, model), (name, provider))
    return known


def pricing_of(request: RunRequest, models: Models) -> Callable[[str, str], Pricing]:
    """How a model is paid for that the run may have called, by its provider's name and the provider's name for it."""
    known = models_of(request, models)

    def pricing(provider: str, model: str) -> Pricing:
        found = known.get((provider, model))
        # where it is not known, it was in the configuration when the run was asked for
        return UNPRICED if found is None else models.pricing(found[0])

    return pricing


def outlives(request: RunRequest) -> bool:
    """Whether an answer to the request may go on when nobody listens: by its policy, or by a provider's own field."""
    fields = request.settings.extra.values()
    return request.on_crash == "reattach" or any(own.get("background") is True for own in fields)


async def stop_answers(
    run: str, request: RunRequest, log: EventLog, models: Models, *, but: Collection[str] = ()
) -> None:
    """Stops what the run's calls have left going at their providers, each within `STOP_S`. Never raises.

    `but` are the answers that were stopped already, by their providers' names for them.
    """
    try:
        places = (await trace_of(log, run)).places
    except StorageError as error:
        _log.warning("answers not stopped", run=run, error=type(error).__name__)
        return
    known = models_of(request, models)
    # there are several only where an earlier try was given up in the middle
    for place in places:
        _, provider = known.get((place.provider, place.model), ("", None))
        if isinstance(provider, BackgroundProvider) and place.checkpoint.response_id not in but:
            await stop_answer(run, provider, place.checkpoint)


async def stop_answer(run: str, provider: BackgroundProvider, checkpoint: Checkpoint) -> bool:
    """Stops one answer, within `STOP_S`; whether that was done, which is told where it was not. Never raises."""
    try:
        async with asyncio.timeout(STOP_S):
            await provider.stop(checkpoint)
    except (ProviderError, TimeoutError) as error:
        # It is paid for until its provider ends it.
        _log.warning("answer not stopped", run=run, provider=provider.name, error=type(error).__name__)
        return False
    return True

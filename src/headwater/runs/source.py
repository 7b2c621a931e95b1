"""The run that another one plays again: it has to be the caller's own, and over.

A provider knows no owners, so this is asked before there is a run. Whatever model is named first: a model that is
fallen back to is called with the same settings.
"""

from __future__ import annotations

from headwater.domain.run import Owner, RunRequest
from headwater.errors import BadRequestError, ErrorCode, LogMissing, StorageError, UnavailableError
from headwater.providers.replay import NAME, POINTER
from headwater.storage.contract import Storage


def source_of(request: RunRequest) -> str | None:
    """The run that this one is to play, if it names one. What else the play says is the model's to check."""
    run = request.settings.extra.get(NAME, {}).get("run")
    return run if isinstance(run, str) else None


async def check_source(run: str, owner: Owner, storage: Storage) -> None:
    """Raises `BadRequestError`, the same for another's run as for one that never was; `UnavailableError`."""
    try:
        found = await storage.runs.get(run)
        if found is None or found.owner != owner:
            raise LogMissing
        state = await storage.log.state(run)
    except LogMissing:
        raise _refused("There is no such run to replay.") from None
    except StorageError as error:
        raise UnavailableError("The storage can not be read.", code=ErrorCode.STORAGE) from error
    if not state.closed:
        raise _refused("The run to replay goes on; it can be played once it has ended.")
    if state.first > 1:
        raise _refused("The beginning of the run to replay has been trimmed.")


def _refused(message: str) -> BadRequestError:
    return BadRequestError(message, pointer=f"{POINTER}/run")

"""A workflow as its host keeps it: whatever its code does, what comes of it is a typed error or a failed run.

Nothing of what a foreign exception says is repeated, to anybody: where it was raised is in the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import structlog

from headwater.domain.document import Document, sealed
from headwater.domain.event import Event
from headwater.domain.run import METADATA_PAIRS_MAX, Run, RunRequest
from headwater.domain.snapshot import Snapshot
from headwater.errors import (
    BadRequestError,
    ErrorCode,
    RefusedError,
    StorageError,
    UnavailableError,
    WorkflowFault,
)
from headwater.runs.ending import sealed_result
from headwater.storage.contract import OwnDocuments
from headwater.telemetry import frames
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from headwater.workflows.guarded import guarded
from headwater.workflows.input_schema import InputSchema

#: Of a title that a workflow gives: it is for lists.
TITLE_CHARS_MAX: Final = 200

_log = structlog.get_logger(__name__)


class Hosted:
    """Asks a workflow; of one that `is_foreign` less is believed. Raises `ConfigError` for a schema that is none."""

    def __init__(self, workflow: Workflow, *, is_foreign: bool = False) -> None:
        self.workflow = workflow
        self._is_foreign = is_foreign
        self._schema = None if workflow.input_schema is None else InputSchema(workflow.input_schema)

    @property
    def takes_up(self) -> bool:
        """Whether its runs go on by themselves after a crash."""
        return self.workflow.takes_up

    @property
    def keeps(self) -> bool:
        """Whether there is anything to be asked about an ended run: what it amounts to is not put together else."""
        return type(self.workflow).documents is not Workflow.documents

    @property
    def tells_so_far(self) -> bool:
        """The same about a run that a crash has ended."""
        return type(self.workflow).result_so_far is not Workflow.result_so_far

    def check(self, request: RunRequest) -> None:
        """Refuses what the workflow does not take. Raises `RefusedError`."""
        if self._schema is not None:
            self._schema.check(request.input)
        elif request.input is not None:
            words = f"The workflow `{request.workflow}` takes `messages`, not `input`."
            raise BadRequestError(words, pointer="/input")
        try:
            self.workflow.check(request)
        except RefusedError:
            raise
        except (Exception, SystemExit) as error:
            raise self._fault("check", request.workflow, error) from None

    async def check_kept(self, request: RunRequest, kept: OwnDocuments) -> None:
        """The same by what the owner has kept. Raises `RefusedError`."""
        if type(self.workflow).check_kept is Workflow.check_kept:
            return
        try:
            await self.workflow.check_kept(request, kept)
        except RefusedError:
            raise
        except StorageError as error:
            raise UnavailableError("The storage can not be read.", code=ErrorCode.STORAGE) from error
        except (Exception, SystemExit) as error:
            raise self._fault("check_kept", request.workflow, error) from None

    def titled(self, request: RunRequest) -> RunRequest:
        """The request, with a title if the workflow has one for it and its caller has none. Raises `WorkflowFault`."""
        metadata = request.metadata
        if "title" in metadata or len(metadata) >= METADATA_PAIRS_MAX:
            return request
        try:
            title = self.workflow.title_of(request)
            if title is None:
                return request
            return msgspec.structs.replace(request, metadata={**metadata, "title": title[:TITLE_CHARS_MAX]})
        except (Exception, SystemExit) as error:
            raise self._fault("title_of", request.workflow, error) from None

    def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        """What happens in a run. Raises whatever the workflow's code does."""
        stream = self.workflow.run(context)
        # ours are read as they are: a generator around them would cost every token a step more
        return guarded(stream) if self._is_foreign else stream

    def documents_begun(self, run: Run) -> tuple[Document, ...]:
        """What is stored with the run's row. Raises `WorkflowFault`."""
        try:
            return sealed(self.workflow.documents_begun(run))
        except (Exception, SystemExit) as error:
            raise self._fault("documents_begun", run.request.workflow, error) from None

    def documents(self, ended: EndedRun) -> tuple[Document, ...]:
        """What is stored with the run's end. Raises `WorkflowFault`."""
        try:
            return sealed(self.workflow.documents(ended))
        except (Exception, SystemExit) as error:
            raise self._fault("documents", ended.request.workflow, error) from None

    def result_so_far(self, request: RunRequest, snapshot: Snapshot) -> Any:
        """What a run had come to that a crash has ended. Raises `WorkflowFault`."""
        try:
            return sealed_result(self.workflow.result_so_far(request, snapshot))
        except (Exception, SystemExit) as error:
            raise self._fault("result_so_far", request.workflow, error) from None

    def _fault(self, what: str, name: str, error: BaseException) -> WorkflowFault:
        _log.error("workflow failed", workflow=name, what=what, error=type(error).__name__, where=frames(error))
        return WorkflowFault(f"The workflow `{name}` has failed.")

"""The response itself: https://platform.openai.com/docs/api-reference/responses/object. Pure.

Everything in it is from the run's row and a prefix of its log, so that it is the same each time.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from headwater.delivery.formats.openai_error import fault_of
from headwater.delivery.formats.responses_items import ItemStatus, Said
from headwater.delivery.formats.responses_output import NOTHING, Change, ResponseOutput
from headwater.domain import event as ev
from headwater.domain.message import NamedTool, Settings, Tool, Usage
from headwater.domain.run import FaceTerms, Run
from headwater.errors import ErrorCode
from headwater.providers.openai_parts import named_schema

PREFIX: Final = "resp_"

ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

#: Why an answer ended before it was whole, in the words of `incomplete_details`.
INCOMPLETE_REASONS: Final[dict[str, str]] = {"length": "max_output_tokens", "content_filter": "content_filter"}

#: The words of `error.code` in a response, which are fewer than those of a refused request; the rest is the server's.
ERROR_CODES: Final[dict[str, str]] = {
    ErrorCode.RATE_LIMIT: "rate_limit_exceeded",
    ErrorCode.BAD_REQUEST: "invalid_prompt",
    ErrorCode.CONTEXT_LENGTH: "invalid_prompt",
    ErrorCode.CONTENT_FILTER: "invalid_prompt",
    ErrorCode.UNSUPPORTED: "invalid_prompt",
}


def response_id(run: str) -> str:
    return PREFIX + run.removeprefix("run_")


def run_id(response: str) -> str:
    """The run behind a response. Text that is no id of a response becomes an id that no run has."""
    return "run_" + response.removeprefix(PREFIX) if response.startswith(PREFIX) else ""


class ResponseState:
    """What a run's records amount to as a response: take them in order; `json` says how it stands."""

    def __init__(self, run: Run) -> None:
        terms = run.request.face or FaceTerms()
        self.output = ResponseOutput(run.id.removeprefix("run_"), sealed=terms.sealed)
        #: whether it goes on when nobody reads it
        self.background = run.request.on_disconnect == "continue"
        #: the seq of the last record that was taken
        self.seq = 0
        #: whether a model was called
        self.begun = False
        self.final: ev.Complete | ev.Error | ev.Cancelled | None = None
        self._completed_at: int | None = None
        self._run = run
        self._same = _same(run, terms)

    @property
    def status(self) -> ResponseStatus:
        match self.final:
            case ev.Complete(finish_reason=reason):
                return "incomplete" if reason in INCOMPLETE_REASONS else "completed"
            case ev.Error():
                return "failed"
            case ev.Cancelled():
                return "cancelled"
        return "in_progress" if self.begun else "queued"

    def take(self, record: ev.Record) -> Change:
        """What the record does to the output; its end, where this is the run's."""
        event = record.event
        self.seq = record.seq
        if isinstance(event, ev.Call):
            self.begun = True
        if isinstance(event, ev.Complete | ev.Error | ev.Cancelled):
            self.final = event
            ended: ItemStatus = "completed" if self.status == "completed" else "incomplete"
            if self.status == "completed":
                self._completed_at = (self._run.created_at_ms + record.t) // 1000
            return Change(self.output.end(ended))
        change = self.output.take(record.seq, event)
        if change is not NOTHING:
            self.begun = True
        return change

    def json(self) -> dict[str, Any]:
        final = self.final
        reason = INCOMPLETE_REASONS.get(final.finish_reason) if isinstance(final, ev.Complete) else None
        return {
            **self._same,
            "status": self.status,
            "completed_at": self._completed_at,
            "error": _error(final) if isinstance(final, ev.Error) else None,
            "incomplete_details": None if reason is None else {"reason": reason},
            "output": self.output.json(),
            "usage": usage_object(final.usage) if isinstance(final, ev.Complete) else None,
        }

    def first(self, status: ResponseStatus) -> dict[str, Any]:
        """The response before anything was put out."""
        nothing: dict[str, Any] = {"completed_at": None, "error": None, "incomplete_details": None, "usage": None}
        return {**self._same, **nothing, "status": status, "output": []}

    def end(self) -> Said:
        """The event that says how it ended. A cancel has no event of its own: the status says it."""
        types = {"completed": "response.completed", "failed": "response.failed"}
        return Said(types.get(self.status, "response.incomplete"), lambda: {"response": self.json()})


def usage_object(usage: Usage) -> dict[str, Any]:
    """`usage` as OpenAI counts: output tokens include those of reasoning. An estimate says so."""
    counted: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_writes[0],
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.source == "estimated":
        counted["estimated"] = True
    return counted


def _error(event: ev.Error) -> dict[str, Any]:
    """`type` is the more exact word: that of a refused request."""
    code = ERROR_CODES.get(event.code, "server_error")
    return {"code": code, "message": event.message, "type": fault_of(event.code).code, "param": None}


def _same(run: Run, terms: FaceTerms) -> dict[str, Any]:
    """What a response says whatever has happened: who it is, and what was asked."""
    request, settings = run.request, run.request.settings
    first = request.messages[0].content if terms.instructions and request.messages else None
    choice = settings.tool_choice
    return {
        "id": response_id(run.id),
        "object": "response",
        "created_at": run.created_at_ms // 1000,
        "background": request.on_disconnect == "continue",
        "instructions": first if isinstance(first, str) else None,
        "max_output_tokens": settings.max_tokens,
        "metadata": request.metadata,
        "model": request.model,
        "parallel_tool_calls": settings.parallel_tool_calls is not False,
        "previous_response_id": terms.previous_response_id,
        "reasoning": {"effort": settings.reasoning_effort, "summary": terms.summary},
        "store": terms.stored,
        "temperature": settings.temperature,
        "text": _text(settings),
        "tool_choice": {"type": "function", "name": choice.name} if isinstance(choice, NamedTool) else choice or "auto",
        "tools": [_tool(tool) for tool in settings.tools],
        "top_logprobs": settings.logprobs or 0,
        "top_p": settings.top_p,
        "truncation": "disabled",
    }


def _text(settings: Settings) -> dict[str, Any]:
    answer: dict[str, Any] = {"type": "json_object" if settings.json_object else "text"}
    if settings.json_schema is not None:
        answer = {"type": "json_schema", **named_schema(settings.json_schema)}
    return {"format": answer, **({"verbosity": settings.verbosity} if settings.verbosity else {})}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }

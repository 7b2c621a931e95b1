"""A run: one piece of work asked for by an owner, with a state and a log.

The states are a table; the documentation's diagram is made from it (`state_diagram`).
"""

from __future__ import annotations

import re
import secrets
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from headwater.domain.message import Message, Settings
from headwater.domain.snapshot import Snapshot


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: Where a run begins, and when there.
BEGINNINGS: dict[RunState, str] = {RunState.QUEUED: "every slot is taken", RunState.RUNNING: "a slot is free"}

#: From each state, where it can go and what moves it there.
TRANSITIONS: dict[RunState, dict[RunState, str]] = {
    RunState.QUEUED: {
        RunState.RUNNING: "a slot is free",
        RunState.CANCELLED: "cancelled while it waits",
        RunState.FAILED: "queue limit, drain or crash",
    },
    RunState.RUNNING: {
        RunState.COMPLETED: "complete",
        RunState.FAILED: "error",
        RunState.CANCELLED: "cancelled",
    },
    RunState.COMPLETED: {},
    RunState.FAILED: {},
    RunState.CANCELLED: {},
}

#: The state that each final record's type leads to.
STATE_BY_FINAL_TYPE: dict[str, RunState] = {
    "complete": RunState.COMPLETED,
    "error": RunState.FAILED,
    "cancelled": RunState.CANCELLED,
}


def is_ended(state: RunState) -> bool:
    """Whether nothing leads out of this state."""
    return not TRANSITIONS[state]


def state_diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}: {when}" for state, when in BEGINNINGS.items())]
    for state, exits in TRANSITIONS.items():
        lines += [f"    {state} --> {target}: {why}" for target, why in exits.items()]
        if not exits:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines) + "\n"


#: What every run's id is.
RUN_ID: Final = re.compile(r"run_[0-9a-f]{32}")


def new_run_id() -> str:
    """An id of 128 random bits. Being hard to guess is never the authorisation."""
    return "run_" + secrets.token_hex(16)


class Owner(msgspec.Struct, frozen=True):
    """Whom a run belongs to; another owner's run looks like one that never was."""

    org: str
    user: str


#: What may be the name of either.
OWNER_NAME: Final = re.compile(r"[!-~]{1,200}")

#: The one owner of a server without keys, which listens on loopback only.
LOCAL_OWNER = Owner("local", "local")

#: Of a run's metadata.
METADATA_PAIRS_MAX = 16


class CancelAfter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cancel when there has been no reader for so many seconds."""

    cancel_after_s: float


OnDisconnect = Literal["continue", "cancel"] | CancelAfter
#: What becomes of the run where the server was killed in the middle of it (PROTOCOL, "After a crash").
OnCrash = Literal["interrupt", "rerun", "continue", "reattach"]
Priority = Literal["interactive", "normal", "batch"]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time limits of a run in seconds; `None` is off.

    First-token and idle limits are off by default: a reasoning model may be silent for minutes,
    and a dead peer is found by the socket.
    """

    queue_s: float | None = 60.0
    connect_s: float | None = 10.0
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float = 300.0


class FaceTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the face of another API was asked that the run itself has no use for, kept so that it can be said again."""

    #: whether the first message was given apart from the others
    instructions: bool = False
    #: the answer that this one follows; what was said until then is among the messages
    previous_response_id: str | None = None
    #: whether the face may be asked for the answer again
    stored: bool = True
    #: whether what a provider sealed is given to the caller, to be sent back in a later turn
    sealed: bool = False
    #: how long a summary of the reasoning was asked for
    summary: Literal["auto", "concise", "detailed"] | None = None


class RunRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a run was asked to do: the body of `POST /api/v1/runs`."""

    model: str
    workflow: str = "chat"
    messages: list[Message] = []
    #: for workflows that take something else than messages; each has a schema of its own
    input: Any = None
    settings: Settings = Settings()
    on_disconnect: OnDisconnect = "continue"
    on_crash: OnCrash = "interrupt"
    after_output: Literal["fail", "new_attempt"] = "fail"
    limits: Limits = Limits()
    priority: Priority = "interactive"
    fallback: list[str] = []
    metadata: dict[str, str] = {}
    #: of runs that were asked for through the face of another API, which sets it
    face: FaceTerms | None = None


class RunMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a run went, measured on the server; times in milliseconds since it was created."""

    queued_ms: int | None = None
    first_token_ms: int | None = None
    duration_ms: int | None = None
    chunks: int = 0
    tokens_per_s: float | None = None
    #: silences of the provider longer than the stall threshold, and the longest one
    stalls: int = 0
    longest_gap_ms: int = 0
    #: how many connections read the run before it ended, for how long in all, and how many left before its end
    readers: int = 0
    reader_ms: int = 0
    interruptions: int = 0


class Run(msgspec.Struct, frozen=True):
    """A run's row: identity, owner, input, and where it stands. What happened in it is in its log.

    Times are milliseconds since 1970 (UTC). `snapshot` is stored at the end; of a live run it is
    folded from the log. `epoch` is the number of the claim in force, 0 before the first.
    """

    id: str
    owner: Owner
    request: RunRequest
    created_at_ms: int
    state: RunState = RunState.QUEUED
    ended_at_ms: int | None = None
    retry_of: str | None = None
    epoch: int = 0
    cancel_requested_by: str | None = None
    snapshot: Snapshot | None = None
    metrics: RunMetrics | None = None

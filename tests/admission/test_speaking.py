"""Who speaks to the assistant is counted; nobody else is."""

from __future__ import annotations

import pytest

from headwater.admission.speaking import Speaking
from headwater.domain.message import Message
from headwater.domain.run import LOCAL_OWNER, Owner, Run, RunRequest
from headwater.errors import RateLimitError


def said_by(user: str, owner: Owner = LOCAL_OWNER) -> Run:
    return Run("run_1", owner, RunRequest("m", "conversation", input={"user_id": user, "message": "Hi"}), 0)


def test_each_user_of_each_owner_has_a_rate_of_its_own() -> None:
    speaking = Speaking(1, lambda: 0)
    for run in (said_by("ann"), said_by("bob"), said_by("ann", Owner("o", "u"))):
        speaking.admit(run)
        with pytest.raises(RateLimitError):
            speaking.admit(run)


def test_time_gives_back_what_was_taken() -> None:
    now_ms = 0
    speaking = Speaking(1, lambda: now_ms)
    speaking.admit(said_by("ann"))
    now_ms = 60_000
    speaking.admit(said_by("ann"))


def test_other_runs_are_not_counted() -> None:
    speaking = Speaking(1, lambda: 0)
    for _ in range(3):
        speaking.admit(Run("run_1", LOCAL_OWNER, RunRequest("m", "chat", [Message("user", "Hi")]), 0))

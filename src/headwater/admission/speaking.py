"""How often a person may speak to the assistant, over whichever address the run is asked for."""

from __future__ import annotations

from collections.abc import Callable

from headwater.admission.rate import RateLimit
from headwater.domain.run import Run
from headwater.workflows.conversation import Conversation, asked_of


class Speaking:
    """Messages of one user of one owner; `per_minute` as in `RateLimit`."""

    def __init__(self, per_minute: int, now_ms: Callable[[], int]) -> None:
        self._rate = RateLimit(per_minute)
        self._now_ms = now_ms

    def admit(self, run: Run) -> None:
        """Counts a run that is about to be stored. Raises `RateLimitError`."""
        if run.request.workflow == Conversation.name:
            self._rate.take((run.owner, asked_of(run.request).user_id), self._now_ms() / 1000)

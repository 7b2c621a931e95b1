"""The Python client: start runs, and read them exactly once over connections that break.

`HeadwaterClient` is async, `BlockingClient` the same for programs without an event loop, `SSEStreamReader` reads a
single response that is at hand already. What they raise is in `headwater.client.errors`.
"""

from headwater.client.backoff import RetryPolicy
from headwater.client.blocking import BlockingClient, BlockingSubscription
from headwater.client.cursors import CursorStore, FileCursorStore
from headwater.client.errors import (
    Cancelled,
    ClientError,
    Conflict,
    CursorAhead,
    CursorTrimmed,
    MaxRetriesExceeded,
    NetworkError,
    NotFound,
    ParseError,
    RunFailed,
    ServerError,
    TimedOut,
)
from headwater.client.reader import Callbacks, NDJSONStreamReader, SSEStreamReader, StreamReader
from headwater.client.resources import Model, RunPage, RunResource
from headwater.client.service import HeadwaterClient, new_idempotency_key
from headwater.client.subscription import FollowStatus, Subscription, Timing
from headwater.domain.event import Record
from headwater.domain.message import Message, Settings
from headwater.domain.run import Limits, RunRequest, RunState

__all__ = [
    "BlockingClient",
    "BlockingSubscription",
    "Callbacks",
    "Cancelled",
    "ClientError",
    "Conflict",
    "CursorAhead",
    "CursorStore",
    "CursorTrimmed",
    "FileCursorStore",
    "FollowStatus",
    "HeadwaterClient",
    "Limits",
    "MaxRetriesExceeded",
    "Message",
    "Model",
    "NDJSONStreamReader",
    "NetworkError",
    "NotFound",
    "ParseError",
    "Record",
    "RetryPolicy",
    "RunFailed",
    "RunPage",
    "RunRequest",
    "RunResource",
    "RunState",
    "SSEStreamReader",
    "ServerError",
    "Settings",
    "StreamReader",
    "Subscription",
    "TimedOut",
    "Timing",
    "new_idempotency_key",
]

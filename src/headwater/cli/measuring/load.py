"""Runs that are started to be measured, and their readers. Only the simulated model is asked: it costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from headwater.client import (
    ClientError,
    HeadwaterClient,
    Message,
    NetworkError,
    RunFailed,
    RunRequest,
    RunResource,
    Settings,
    TimedOut,
)
from headwater.domain.event import Chunk, Error
from headwater.wire.sse import MEDIA_TYPE

R = TypeVar("R")

MODEL: Final = "simulated"
#: A person who comes across such a run sees what it was.
_ABOUT: Final = {"title": "headwater bench"}
_OPENING: Final = "This is a simulated answer of the benchmark:"
#: A token of most models is four or five bytes of English; this is one, and so is its blank.
_WORDS: Final = ("stone", "river", "light", "water", "cloud")
#: How much is said at once, before the next run begins; and at most, where there is a pace: what a request may bring.
_WORDS_AT_ONCE: Final = 5_000
WORDS_MAX: Final = 30_000
#: How long the streams have to begin; what they do meanwhile is not measured.
BEGIN_LIMIT_S: Final = 20.0
#: So many readers wait, to be weighed; as many as this come first, for what is needed once.
WAITING: Final = 500
WARM: Final = 100
JOIN_LIMIT_S: Final = 3.0
FIRST_TOKENS: Final = 30
_FIRST_TOKENS_LIMIT_S: Final = 3.0


class Load(NamedTuple):
    """So many runs at once, each with so many readers; `pace` in tokens a second of each run, None at once."""

    runs: int
    readers: int
    pace: float | None
    seconds: float


class Arrivals(NamedTuple):
    """What came in a time: tokens, each counted once whatever the readers, and how late each record came to each of
    them, in ms after it was made, by a clock that is the server's too; `cpu_s` is what the readers took."""

    seconds: float
    tokens: int
    lags_ms: list[float]
    cpu_s: float


class Streams:
    """The runs of one load, each with its readers, while `begun` lasts; `measured` says what came.

    `started` gets the id of each run, whatever becomes of its reading.
    """

    def __init__(self, client: HeadwaterClient, load: Load, started: set[str]) -> None:
        self._client, self._load, self._started = client, load, started
        self._request = _request(load)
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers = load.runs * load.readers
        #: how many of them have had a token
        self._begun = 0
        self._all_begun = asyncio.Event()
        self._counting = False
        self._tokens = 0
        self._lags_ms: list[float] = []

    @contextlib.asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """While in it every run is being read. Raises `ClientError`."""
        with _first_error():
            async with asyncio.TaskGroup() as self._group:
                for _ in range(self._load.runs):
                    self._spawn(self._stream())
                try:
                    await self._wait()
                    yield
                finally:
                    for task in self._tasks:
                        task.cancel()

    async def measured(self) -> Arrivals:
        """Counts for as long as the load says."""
        began, cpu = time.perf_counter(), time.process_time()
        self._counting = True
        await asyncio.sleep(self._load.seconds)
        self._counting = False
        return Arrivals(time.perf_counter() - began, self._tokens, self._lags_ms, time.process_time() - cpu)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(BEGIN_LIMIT_S):
                await self._all_begun.wait()
        except TimeoutError:
            raise TimedOut(f"Within {BEGIN_LIMIT_S:g} s {self._begun} of {self._readers} readers got a token") from None

    async def _stream(self) -> None:
        """One run after another, each to its end."""
        is_first = True
        while True:
            run = await _unbroken(self._start())
            for _ in range(self._load.readers - 1):
                self._spawn(self._read(run, is_first))
            async for content in self._contents(run, is_first):
                if self._counting:
                    self._tokens += len(content.split())
            is_first = False

    async def _start(self) -> RunResource:
        run = await self._client.start(self._request)
        self._started.add(run.id)
        return run

    async def _read(self, run: RunResource, is_first: bool) -> None:
        async for _ in self._contents(run, is_first):
            pass

    async def _contents(self, run: RunResource, is_first: bool) -> AsyncIterator[str]:
        """The answer's text. A record that was made before we came is not late for that."""
        created_ms = run.created_at.timestamp() * 1000
        joined_ms = time.time() * 1000
        async with self._client.follow(run.id) as subscription:
            async for record in subscription:
                made_ms = created_ms + record.t
                if isinstance(record.event, Error):
                    raise RunFailed(record.event)
                if isinstance(record.event, Chunk):
                    if is_first:
                        is_first = False
                        self._note_begun()
                    if self._counting and made_ms >= joined_ms:
                        self._lags_ms.append(max(0.0, time.time() * 1000 - made_ms))
                    yield record.event.content

    def _note_begun(self) -> None:
        self._begun += 1
        if self._begun == self._readers:
            self._all_begun.set()


async def first_tokens_ms(client: HeadwaterClient, started: set[str]) -> list[float]:
    """From before a run is asked for until its first token is here, for runs one after another."""
    taken: list[float] = []
    ends_at = time.perf_counter() + _FIRST_TOKENS_LIMIT_S
    while len(taken) < FIRST_TOKENS and time.perf_counter() < ends_at:
        taken.append(await _unbroken(_first_token_ms(client, started)))
    return taken


async def _first_token_ms(client: HeadwaterClient, started: set[str]) -> float:
    request = _simulated({"says": f"{_OPENING} {' '.join(_WORDS)}", "delay_ms": 0})
    began, taken = time.perf_counter(), 0.0
    async with client.start_and_follow(request) as subscription:
        async for record in subscription:
            if subscription.run is not None:
                started.add(subscription.run)
            if isinstance(record.event, Error):
                raise RunFailed(record.event)
            if not taken and isinstance(record.event, Chunk):
                taken = (time.perf_counter() - began) * 1000
    return taken


class Waiting:
    """Readers of one run that says nothing, on connections of plain HTTP: they take next to nothing themselves.

    Raises `ClientError` where a connection can not be made or breaks.
    """

    def __init__(self, client: HeadwaterClient, url: str) -> None:
        self._client = client
        self._place = urlsplit(url)
        self._open: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Waiting:
        self._run = (await self._client.start(_simulated({"says": _OPENING, "silent_s": 600}))).id
        await self.join(WARM)
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self._open:
            writer.close()
        await self._client.cancel(self._run)

    async def join(self, count: int) -> int:
        """So many more, or as many as come in time and at least one, each of which has had a record; how many."""
        ends_at = time.perf_counter() + JOIN_LIMIT_S
        joined = 0
        while joined < count and (joined == 0 or time.perf_counter() < ends_at):
            await self._connect()
            joined += 1
        return joined

    async def _connect(self) -> None:
        try:
            reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port)
            self._open.append(writer)
            head = f"GET /api/v1/runs/{self._run}/events HTTP/1.1\r\nHost: {self._place.netloc}\r\n"
            writer.write(f"{head}Accept: {MEDIA_TYPE}\r\n\r\n".encode())
            await reader.readuntil(b"\ndata: ")
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise NetworkError(f"A reader could not join after {len(self._open)}") from error


def _request(load: Load) -> RunRequest:
    words, delay_ms = _WORDS_AT_ONCE, 0.0
    if load.pace is not None:
        words = min(WORDS_MAX, math.ceil(load.pace * (load.seconds + BEGIN_LIMIT_S)))
        delay_ms = 1000 / load.pace
    said = " ".join(_WORDS[at % len(_WORDS)] for at in range(words))
    return _simulated({"says": f"{_OPENING} {said}", "delay_ms": delay_ms})


def _simulated(script: dict[str, object]) -> RunRequest:
    settings = Settings(extra={MODEL: script})
    return RunRequest(
        MODEL, messages=[Message("user", "headwater bench")], settings=settings, metadata=_ABOUT, on_disconnect="cancel"
    )


async def _unbroken(work: Coroutine[Any, Any, R]) -> R:
    """Awaits it to its end, also where we are cancelled meanwhile: whether a run was started has to be known."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # A group cancels its tasks when one has failed, and whoever leaves it once more.
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise


@contextlib.contextmanager
def _first_error() -> Iterator[None]:
    """What failed first, in place of a group of all that did."""
    try:
        yield
    except BaseExceptionGroup as group:
        failures = [error for error in group.exceptions if isinstance(error, ClientError)]
        if not failures:
            raise
        raise failures[0] from None

"""Users who keep a server busy through all its crashes: they start runs, read them, cancel some, and come back."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from typing import Literal

from tests.acceptance.scene import prompt_of
from tests.kit.client import Reader, call, start_run
from tests.kit.history import CancelAsked, Cancelled, History, Submitted, UpstreamCalled, UpstreamEnded, UpstreamSaid
from tests.kit.upstream import DONE, Pause, Received, Send, Step, chat_chunk, usage_chunk

#: What a user's run is doing, as its upstream and its reader see it.
Phase = Literal["idle", "queued", "before the first token", "mid-stream", "ending"]

MODEL = "scripted"
CANCELLED_SHARE = 0.25
#: Of the runs, those that ask to be made anew after a crash.
RERUN_SHARE = 0.4


class Work:
    """One run that a user wants, and what its model will say."""

    def __init__(self, prompt: str) -> None:
        dice = random.Random(prompt)
        self.prompt = prompt
        self.phase: Phase = "idle"
        self.tokens = [f"{prompt}.{n} " for n in range(dice.randint(30, 160))]
        self.first_s = dice.uniform(0.02, 0.2)
        self.delay_s = dice.uniform(0.015, 0.035)
        self.readers = dice.choice((1, 1, 2))
        self.on_crash = "rerun" if dice.random() < RERUN_SHARE else "interrupt"
        #: how long after the start its user cancels it
        self.cancel_s = dice.uniform(0.0, 1.5) if dice.random() < CANCELLED_SHARE else None

    @property
    def answer(self) -> str:
        return "".join(self.tokens)


class Load:
    """So many users of one server, on `port` while `up` is set. What they see is noted in `history`."""

    def __init__(self, users: int, seed: int) -> None:
        self.port = 0
        self.history = History()
        self.up = asyncio.Event()
        #: how many runs have been started, in all
        self.started = 0
        self._seed = seed
        self._users = users
        self._ending = False
        self._works: dict[str, Work] = {}
        self._now: dict[int, Work] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._rounds = itertools.count()

    def begin(self) -> None:
        """A new history, and all users at work."""
        self.history = History()
        self._works.clear()
        self._ending = False
        number = next(self._rounds)
        self._tasks = [asyncio.create_task(self._use(number, user)) for user in range(self._users)]

    async def end(self) -> None:
        """Returns when every user has read its last run to the end; raises what went wrong for any of them."""
        self._ending = True
        await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        """Stops all users where they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raises what went wrong for a user, if something did."""
        for task in self._tasks:
            if task.done():
                task.result()

    def struck(self) -> Counter[Phase]:
        """The server is gone: what each user's run was doing then. None of them does anything any more."""
        self.up.clear()
        phases = Counter(work.phase for work in self._now.values())
        for work in self._now.values():
            work.phase = "idle"
        self._now.clear()
        return phases

    # What the model does.

    def script(self, received: Received) -> Iterator[Step]:
        """The upstream's answer to each request; what it has said is noted no later than it is sent."""
        prompt, call_number = prompt_of(received), received.number
        work, history = self._works[prompt], self.history
        history.note(UpstreamCalled(prompt, call_number))
        work.phase = "before the first token"
        yield Send(chat_chunk("", role="assistant"))
        yield Pause(seconds=work.first_s)
        for token in work.tokens:
            history.note(UpstreamSaid(prompt, call_number, token))
            work.phase = "mid-stream"
            yield Send(chat_chunk(token), tokens=1)
            yield Pause(seconds=work.delay_s)
        work.phase = "ending"
        yield Send(chat_chunk(finish="stop"))
        yield Send(usage_chunk(7, len(work.tokens)))
        yield Send(DONE)
        history.note(UpstreamEnded(prompt, call_number, True))

    # What a user does.

    async def _use(self, round_number: int, user: int) -> None:
        dice = random.Random(f"{self._seed}:{round_number}:{user}")
        for number in itertools.count():
            if self._ending:
                return
            prompt = f"p{round_number}-{user}-{number}"
            work = self._works[prompt] = Work(prompt)
            run = await self._start(user, work)
            async with asyncio.TaskGroup() as group:
                for reader in range(work.readers):
                    group.create_task(self._follow(Reader(run, self.history, name=f"{prompt}-{reader}")))
                if work.cancel_s is not None:
                    group.create_task(self._cancel(run, work.cancel_s))
            work.phase = "idle"
            await asyncio.sleep(dice.uniform(0, 0.1))  # paces: a user reads and thinks

    async def _start(self, user: int, work: Work) -> str:
        """Asks until there is an answer; the key makes it one run, however often it was asked for."""
        while True:
            await self.up.wait()
            self._now[user] = work
            work.phase = "queued"
            try:
                answer = await start_run(self.port, work.prompt, key=work.prompt, model=MODEL, on_crash=work.on_crash)
            except (OSError, EOFError):
                await asyncio.sleep(0.01)  # paces: the server has gone, and that will be known in a moment
                continue
            assert answer.status in (200, 201), (answer.status, answer.body)
            run = str(answer.json()["id"])
            self.history.note(Submitted(run, work.prompt, work.prompt, answer=work.answer, on_crash=work.on_crash))
            self.started += 1
            if answer.json()["ended_at"] is not None:
                work.phase = "idle"  # it was cut before its user knew of it
            return run

    async def _follow(self, reader: Reader) -> None:
        """Reads to the end, over any number of servers."""
        while True:
            await self.up.wait()
            had = len(reader.payloads)
            how = await reader.read(self.port)
            if how in ("none", "refused", "stuck") or (how == "end" and reader.ended):
                return
            if len(reader.payloads) == had:
                await asyncio.sleep(0.01)  # paces: the server has gone, and that will be known in a moment

    async def _cancel(self, run: str, after_s: float) -> None:
        """Asks once. Without an answer nothing is promised."""
        await asyncio.sleep(after_s)  # paces: a user who has seen enough
        await self.up.wait()
        self.history.note(CancelAsked(run))
        try:
            answer = await call(self.port, "POST", f"/api/v1/runs/{run}/cancel")
        except (OSError, EOFError):
            return
        assert answer.status in (200, 202), (answer.status, answer.body)
        if answer.status == 202:
            self.history.note(Cancelled(run))

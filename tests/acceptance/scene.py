"""A product with its users: runs that are started, readers that follow them, and the judgement at the end."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.kit.answer import Record, parse
from tests.kit.checker import check, report
from tests.kit.client import Answer, Reader, call, start_run
from tests.kit.history import (
    Cancelled,
    History,
    LogFound,
    RowFound,
    Submitted,
    UpstreamCalled,
    UpstreamEnded,
    UpstreamSaid,
)
from tests.kit.product import Product, compatible_model
from tests.kit.upstream import Received, Script, ScriptedUpstream, Step

#: The name under which callers reach the scripted upstream.
SCRIPTED = "scripted"
#: For tests of what one try comes to.
CALLED_ONCE = {"tries_max": 1, "breaker_failures": 0}


class Scene:
    """Everything that clients do to one product, noted in one history. `judge` ends it."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.history = History()
        #: prompts by run, in the order in which the runs were started
        self.runs: dict[str, str] = {}

    @property
    def port(self) -> int:
        return self.product.port

    async def start(self, prompt: str = "Hello", *, answer: str | None = None, **request: Any) -> str:
        """A new run's id. `answer` is the text that it has if it completes."""
        started, on_crash = await start_run(self.port, prompt, **request), request.get("on_crash", "interrupt")
        return self.note_start(prompt, started, answer=answer, on_crash=on_crash)

    def note_start(
        self,
        prompt: str,
        started: Answer,
        *,
        key: str | None = None,
        answer: str | None = None,
        on_crash: str = "interrupt",
    ) -> str:
        assert started.status in (200, 201), (started.status, started.body)
        run = str(started.json()["id"])
        self.runs[run] = prompt
        self.history.note(Submitted(run, prompt, key, answer=answer, on_crash=on_crash))
        return run

    def reader(self, run: str, name: str = "") -> Reader:
        return Reader(run, self.history, name=name)

    async def cancel(self, run: str) -> int:
        """The answer's status: 202 where there was something to cancel, 200 where not."""
        answer = await call(self.port, "POST", f"/api/v1/runs/{run}/cancel")
        assert answer.status in (200, 202), (answer.status, answer.body)
        if answer.status == 202:
            self.history.note(Cancelled(run))
        return answer.status

    async def payloads(self, run: str) -> list[bytes]:
        """The run's records as they are stored, read to its end over a form that no `Reader` uses."""
        path, accept = f"/api/v1/runs/{run}/events", {"accept": "application/x-ndjson"}
        answer = await call(self.port, "GET", path, headers=accept)
        assert answer.status == 200, (answer.status, answer.body)
        # An empty line is a heartbeat: the model may have been silent for long.
        return [line for line in answer.body.splitlines() if line]

    async def records(self, run: str) -> list[Record]:
        return [parse(payload) for payload in await self.payloads(run)]

    async def end(self, run: str) -> Record:
        """The run's final record, when it has come."""
        return (await self.records(run))[-1]

    async def show(self, run: str) -> Any:
        answer = await call(self.port, "GET", f"/api/v1/runs/{run}")
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json()

    def note_upstream(self, prompt: str, text: str, *, whole: bool, number: int = 1) -> None:
        """What the scripted model said to a prompt, and whether it reached its end."""
        self.history.note(UpstreamCalled(prompt, number))
        self.history.note(UpstreamSaid(prompt, number, text))
        self.history.note(UpstreamEnded(prompt, number, whole))

    async def judge(self) -> None:
        """Reads every run's log and row, and lets the checker judge all that was seen. Every run must have ended."""
        for run, prompt in self.runs.items():
            payloads = await self.payloads(run)
            row = await self.show(run)
            self.history.note(LogFound(run, payloads, closed=parse(payloads[-1]).is_final))
            self.history.note(RowFound(run, row["state"], prompt, row["snapshot"]["text"]))
        violations = check(self.history)
        assert not violations, report(violations)


def prompt_of(received: Received) -> str:
    """The prompt that a request to the upstream carries."""
    return str(received.json["messages"][-1]["content"])


def by_prompt(
    scripts: Mapping[str, Script], prompt: Callable[[Received], str] = prompt_of
) -> Callable[[Received], Iterable[Step]]:
    """A script that answers each prompt with its own; `prompt` finds it in a request."""

    def script(received: Received) -> Iterable[Step]:
        chosen = scripts[prompt(received)]
        return chosen(received) if callable(chosen) else chosen

    return script


def with_upstream(data: Path, upstream: ScriptedUpstream, **more: Any) -> Product:
    """A product that knows the scripted upstream as the model `scripted`."""
    config = {"resilience": CALLED_ONCE, "models": [compatible_model(SCRIPTED, upstream.base_url)]}
    return Product(data, config=config, **more)


async def received_for(upstream: ScriptedUpstream, prompt: str) -> Received:
    """The request with this prompt, as soon as it has come."""
    number = 1
    while prompt_of(received := await upstream.request(number)) != prompt:
        number += 1
    return received


async def figure(port: int, name: str, labels: str = "") -> float:
    """One figure of `/metrics`; 0 where there is none yet. `labels` as `code="409",…`, a part of them is enough."""
    text = (await call(port, "GET", "/metrics")).body.decode()
    rows = re.findall(rf"^{re.escape(name)}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for have, value in rows if labels in have)


async def until(condition: Callable[[], Awaitable[bool]], what: str, limit_s: float = 30.0) -> None:
    """Asks until it is so; AssertionError with `what` was waited for where it never is."""
    try:
        async with asyncio.timeout(limit_s):
            while not await condition():  # noqa: ASYNC110  # the server has no event to wait for here
                await asyncio.sleep(0.005)  # paces: asks again over a socket
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


async def side_by_side(works: Iterable[Awaitable[None]], at_once: int) -> None:
    """All of these, so many at a time; the first failure is raised."""
    places = asyncio.Semaphore(at_once)

    async def one(work: Awaitable[None]) -> None:
        async with places:
            await work

    await asyncio.gather(*map(one, works))


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


def error_of(record: Record) -> str:
    """The code of a run that failed."""
    assert record.type == "error", record
    return str(record.data["code"])


def json_line(value: object) -> bytes:
    """A JSON event for an upstream to send."""
    return b"data: %b\n\n" % json.dumps(value, ensure_ascii=False).encode()

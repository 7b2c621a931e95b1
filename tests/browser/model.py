"""The kit's scripted upstream for tests that block: a model whose words wait at gates that a test opens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from types import TracebackType
from typing import Any

from headwater.client.blocking import Portal
from tests.kit.product import compatible_model
from tests.kit.script import Pause, Stall, Step, chat_stream
from tests.kit.upstream import Received, ScriptedUpstream

Gate = asyncio.Event

#: What most rows are called at their provider: which of them is asked makes no difference then.
SCRIPTED = "scripted"
#: Between two tokens: the page then draws many states of an answer, and not only its beginning and its end.
TOKEN_DELAY_S = 0.004


class ScriptedModel:
    """Answers each question with the script that it was given for it; the models' names are the test's choice."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._scripts: dict[tuple[str, str], list[Sequence[Step]]] = {}
        #: what it says to a question that `answers` said nothing of
        self.otherwise: Callable[[str], Sequence[Step]] = lambda question: [Stall()]
        self._upstream = ScriptedUpstream(self._script)

    def answers(self, question: str, *scripts: Sequence[Step], name: str = SCRIPTED) -> None:
        """What it says to a question, the first time and after; the last script is for all further times.

        `name` is one of `named_rows`.
        """
        self._scripts[name, question] = list(scripts)

    def gate(self) -> Gate:
        return asyncio.Event()

    def open(self, gate: Gate) -> None:
        async def opened() -> None:
            gate.set()

        self._portal.call(opened())

    def request(self, number: int) -> Received:
        """The n-th call of the model, as soon as it has come."""
        return self._portal.call(self._upstream.request(number))

    def closed(self, received: Received) -> None:
        """Returns once the call's connection is gone."""
        self._portal.call(received.closed.wait())

    def rows(self, *names: str) -> list[dict[str, Any]]:
        """The configuration that makes a server know it by these names."""
        return [compatible_model(name, self._upstream.base_url, model=SCRIPTED) for name in names]

    def named_rows(self, *names: str, **more: Any) -> list[dict[str, Any]]:
        """The same, and it knows by which name it is called. `more` is in each row."""
        return [compatible_model(name, self._upstream.base_url, **more) for name in names]

    def _script(self, received: Received) -> Iterable[Step]:
        question = str(received.json["messages"][-1]["content"])
        scripts = self._scripts.get((str(received.json["model"]), question))
        if scripts is None:
            return self.otherwise(question)
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]

    def __enter__(self) -> ScriptedModel:
        self._portal.call(self._upstream.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._portal.call(self._upstream.__aexit__(kind, error, at))


def told_in_parts(parts: Sequence[Sequence[str]], gates: Sequence[Gate], *, end: bool = True) -> list[Step]:
    """A whole answer with a gate behind each part, as far as there are gates.

    Without `end` it is a stream that was cut: nothing says that it is whole.
    """
    tokens = [token for part in parts for token in part]
    steps = chat_stream(tokens, finish="stop")
    head, said, tail = steps[:1], steps[1 : 1 + len(tokens)], steps[1 + len(tokens) :]
    paced: list[Step] = list(head)
    pending = iter(said)
    for part, gate in zip_longest(parts, gates):
        for _ in part:
            paced += [Pause(seconds=TOKEN_DELAY_S), next(pending)]
        if gate is not None:
            paced.append(Pause(until=gate))
    return [*paced, *tail] if end else paced

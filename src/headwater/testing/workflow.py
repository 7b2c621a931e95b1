"""The laws that every workflow must keep, on one request and the answers that models give to it.

1. Its `input_schema`, if it has one, takes the input, and `check` does not refuse the request.
2. It yields lists of events that can be stored, and none that are the server's to say. Every `answer` call is read to
   its end, or ends in a failure that is passed on.
3. Text and result are the same however models cut their answers into pieces.
4. It can be stopped after every list, and lets go at once.
5. Where a call fails, before its first word or in its middle, it ends whole or passes the `ProviderError` on; nothing
   else is raised.
6. What it keeps of a run, of a cut or failed one too, can be stored, and is the same whenever it is asked.
7. One that `takes_up` comes to the same end from wherever it was cut, and its text holds nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, NamedTuple

import jsonschema_rs
import msgspec

from headwater.clock import Clock, SystemClock
from headwater.domain import event as ev
from headwater.domain.document import Document, opened, sealed
from headwater.domain.message import NOTHING_USED, GenerationRequest, Message, Settings, Usage
from headwater.domain.run import LOCAL_OWNER, STATE_BY_FINAL_TYPE, Owner, Run, RunRequest
from headwater.domain.snapshot import Fold, Snapshot
from headwater.errors import ErrorCode, ProviderError
from headwater.storage.contract import DocumentPage
from headwater.workflows.contract import EndedRun, Workflow

#: How long a workflow has to let go of what it does, in seconds.
CLOSE_S: Final = 2.0
RUN: Final = "run_" + "0" * 32
_BORN_MS: Final = 1_795_000_000_000
#: Nobody cuts what is longer than this many characters by each of them.
_LETTERS_MAX: Final = 2000

#: What models say: in the order of what they are asked, or by what they are asked. The same question has one answer.
Answers = Sequence[str] | Callable[[GenerationRequest], str]


class Played(NamedTuple):
    """A run of a workflow as it ended: what its log would hold, what that amounts to, and what is kept of it."""

    events: Sequence[ev.Event]
    snapshot: Snapshot
    result: Any
    documents: Sequence[Document]
    #: what models were asked, in the order of the calls
    requests: Sequence[GenerationRequest]


async def check_workflow(
    workflow: Workflow,
    *,
    input: Any = None,
    messages: Sequence[Message] = (),
    answers: Answers = ("An answer.",),
    settings: Settings | None = None,
    kept: Sequence[Document] = (),
) -> Played:
    """The workflow's run on these answers, once all of the laws are kept.

    Raises AssertionError with the law that was broken, and whatever else the workflow raises.

    `kept` is what its owner has kept before, for a workflow that reads it.
    """
    request = RunRequest("model", workflow.name, messages=list(messages), input=input, settings=settings or Settings())
    _check_taken(workflow, request)
    await workflow.check_kept(request, _Kept(kept))
    stage = _Stage(workflow, request, _Script(answers), kept)
    whole = await stage.play()
    for pieces in (3, None):
        other = await stage.play(pieces=pieces)
        assert (other.snapshot.text, other.result) == (whole.snapshot.text, whole.result), (
            "law 3: what comes of the answers depends on how they are cut into pieces"
        )
    lists = (await stage.play(pieces=2)).lists
    for stop_after in range(lists):
        await stage.play(pieces=2, stop_after=stop_after)
    for call in range(len(whole.requests)):
        for words in (0, 1):
            await stage.play(pieces=2, fails=(call, words))
    if workflow.takes_up:
        await _check_taking_up(stage, whole, lists)
    return Played(whole.events, whole.snapshot, whole.result, whole.documents, whole.requests)


def _check_taken(workflow: Workflow, request: RunRequest) -> None:
    if workflow.input_schema is None:
        assert request.input is None, "law 1: a workflow without an `input_schema` takes `messages`"
    else:
        error = next(jsonschema_rs.validator_for(dict(workflow.input_schema)).iter_errors(request.input), None)
        assert error is None, f"law 1: the `input_schema` refuses the input: {error}"
    workflow.check(request)


async def _check_taking_up(stage: _Stage, whole: _End, lists: int) -> None:
    for stop_after in range(lists):
        cut = await stage.play(pieces=2, stop_after=stop_after)
        went_on = await stage.play(pieces=2, before=cut.events)
        where = f"law 7: cut after {stop_after} lists, "
        assert went_on.snapshot.text == whole.snapshot.text, f"{where}the text is {went_on.snapshot.text!r}"
        assert went_on.result == whole.result, f"{where}the result is {went_on.result!r}"


class _Script:
    """Answers each question, and the same one in the same way."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._known: dict[bytes, str] = {}

    def answer(self, request: GenerationRequest) -> str:
        if callable(self._answers):
            return self._answers(request)
        asked = msgspec.json.encode(request)
        if asked not in self._known:
            left = len(self._answers) - len(self._known)
            assert left, f"there are {len(self._answers)} answers, and one more is asked for"
            self._known[asked] = self._answers[len(self._known)]
        return self._known[asked]


class _End(NamedTuple):
    """A run that was played to its end, or to where it was stopped; without the final record."""

    events: Sequence[ev.Event]
    lists: int
    snapshot: Snapshot
    result: Any
    documents: Sequence[Document]
    requests: Sequence[GenerationRequest]


class _Kept:
    """The owner's documents: those that there were before."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    async def get(self, collection: str, key: str) -> Document | None:
        return next((each for each in self._documents if (each.collection, each.key) == (collection, key)), None)

    async def list(
        self, collection: str, *, where: Mapping[str, str] = {}, limit: int = 50, cursor: str | None = None
    ) -> DocumentPage:
        found = [each for each in reversed(self._documents) if each.collection == collection]
        found = [each for each in found if where.items() <= each.words.items()]
        start = int(cursor or 0)
        more = str(start + limit) if len(found) > start + limit else None
        return DocumentPage(found[start : start + limit], more)


class _Context:
    """A `RunContext` whose models say what the script has for them, in so many pieces; None: letter by letter."""

    def __init__(self, stage: _Stage, pieces: int | None, fails: tuple[int, int] | None) -> None:
        self.run = RUN
        self.owner: Owner = LOCAL_OWNER
        self.request = stage.request
        self.clock: Clock = SystemClock()
        self.before: Sequence[ev.Event] = ()
        self.documents = _Kept(stage.kept)
        self.result: Any = None
        self.requests: list[GenerationRequest] = []
        self.numbers: set[int] = set()
        self.open: dict[int, AsyncGenerator[list[ev.Event], None]] = {}
        #: the numbers of `answer` calls that were begun, and not read to their end
        self.unread: set[int] = set()
        self._script, self._pieces, self._fails = stage.script, pieces, fails

    def set_result(self, value: object) -> None:
        self.result = msgspec.json.decode(msgspec.json.encode(value))

    def can(self, capability: str) -> bool:
        return True

    def generate(self, request: GenerationRequest, *, role: ev.Role = "answer") -> AsyncIterator[list[ev.Event]]:
        place = len(self.open)
        events = self.open[place] = self._call(request, role)
        return events

    async def _call(self, request: GenerationRequest, role: ev.Role) -> AsyncGenerator[list[ev.Event], None]:
        number = 1 if role == "answer" and 1 not in self.numbers else max(self.numbers, default=1) + 1
        self.numbers.add(number)
        at = len(self.requests)
        self.requests.append(request)
        if role == "answer":
            self.unread.add(number)
        tag = None if number == 1 else number
        yield [ev.Status("connecting"), ev.Call(number, role, "scripted", request.model)]
        pieces = _cut(self._script.answer(request), self._pieces)
        for said, piece in enumerate(pieces):
            self._fail_at(at, said)
            yield [ev.Chunk(piece, 0, tag)]
        self._fail_at(at, len(pieces))
        yield [ev.UsageReport(Usage(1, 0, 1), tag)]
        self.unread.discard(number)

    def _fail_at(self, call: int, said: int) -> None:
        if self._fails == (call, said):
            raise ProviderError(ErrorCode.OVERLOADED, provider="scripted")


def _cut(answer: str, pieces: int | None) -> list[str]:
    size = 1 if pieces is None and len(answer) <= _LETTERS_MAX else -(-len(answer) // (pieces or 50)) or 1
    return [answer[start : start + size] for start in range(0, len(answer), size)]


class _Stage:
    """Plays one request, as often as it is asked to."""

    def __init__(self, workflow: Workflow, request: RunRequest, script: _Script, kept: Sequence[Document]) -> None:
        self.workflow = workflow
        self.request = request
        self.script = script
        self.kept = kept

    async def play(
        self,
        *,
        pieces: int | None = 1,
        stop_after: int | None = None,
        fails: tuple[int, int] | None = None,
        before: Sequence[ev.Event] = (),
    ) -> _End:
        """A run from its beginning or from what went `before`, to its end or to its n-th list."""
        context = _Context(self, pieces, fails)
        context.before = before
        context.numbers = {event.call for event in before if isinstance(event, ev.Call)}
        log = _Log(before)
        lists = 0
        final: ev.Event | None = ev.Cancelled("user", 0) if stop_after == 0 else None
        if final is None:
            try:
                async with aclosing(_closable(self.workflow.run(context))) as stream:
                    async for events in stream:
                        log.take(events)
                        lists += 1
                        if lists == stop_after:
                            final = ev.Cancelled("user", 0)
                            break
            except ProviderError as error:
                if fails is None:
                    raise AssertionError(f"law 2: {error.code} is raised where every call has succeeded") from error
                final = ev.Error(error.code, error.message, error.retryable)
        for call in context.open.values():
            await call.aclose()
        if isinstance(final, ev.Cancelled | ev.Error):
            final = msgspec.structs.replace(final, result=context.result)
        if final is None:
            assert fails is not None or not context.unread, "law 2: an `answer` call was not read to its end"
            final = ev.Complete("stop", log.fold.usage or NOTHING_USED, result=context.result)
        return self._end(context, log, lists, final)

    def _end(self, context: _Context, log: _Log, lists: int, final: ev.Event) -> _End:
        fold = log.fold.ended_with([final], log.fold.t)
        snapshot, state = fold.snapshot(), STATE_BY_FINAL_TYPE[final.type]
        result = final.result if isinstance(final, ev.Complete) else None
        ended = EndedRun(RUN, LOCAL_OWNER, self.request, state, snapshot, result, _BORN_MS, _BORN_MS + fold.t)
        once, again = (sealed(self.workflow.documents(ended)) for _ in range(2))
        documents = [opened(document) for document in once]
        assert documents == [opened(document) for document in again], (
            "law 6: what is kept of a run is another thing each time it is asked"
        )
        sealed(self.workflow.documents_begun(Run(RUN, LOCAL_OWNER, self.request, _BORN_MS)))
        return _End(log.events, lists, snapshot, context.result, documents, context.requests)


class _Log:
    """What a run has put out, as it would be stored."""

    def __init__(self, before: Sequence[ev.Event]) -> None:
        self.fold = Fold()
        self.events: list[ev.Event] = []
        self.take([*before])

    def take(self, events: Any) -> None:
        assert isinstance(events, list), f"law 2: a `{type(events).__name__}` is yielded in place of a list of events"
        for event in events:
            is_ours = getattr(event, "type", None) in {*ev.FINAL_TYPES, ev.SnapshotEvent.type}
            assert not is_ours, f"law 2: {event} is not for a workflow to say"
            try:
                payload = ev.encode_record(self.fold.seq + 1, self.fold.t, event)
                stored = ev.decode_record(payload)
            except Exception as error:
                raise AssertionError(f"law 2: {event!r} is no event that can be stored") from error
            assert len(payload) <= ev.RECORD_BYTES_MAX, f"law 2: a {event.type} has {len(payload)} bytes"
            self.fold.apply(stored)
            self.events.append(stored.event)


async def _closable(stream: AsyncIterator[list[ev.Event]]) -> AsyncGenerator[list[ev.Event], None]:
    """The stream, which is closed with it, and in time."""
    try:
        async for events in stream:
            yield events
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await close()
            except TimeoutError:
                raise AssertionError(f"law 4: it does not let go within {CLOSE_S:g} s") from None

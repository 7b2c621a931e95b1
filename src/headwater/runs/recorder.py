"""Events of one run → records in its log: coalesced, split, encoded once, numbered, appended.

`shape` is the pure part: what arrived together becomes as few records as it can, none too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from headwater.domain import event as ev
from headwater.domain.nesting import is_too_deep
from headwater.domain.snapshot import Fold
from headwater.domain.surrogates import replace_surrogates
from headwater.errors import ErrorCode, LogCorrupt, ProviderError
from headwater.storage.contract import Commit, EventLog, Haste, LogState

#: JSON escapes make at most six bytes of a character, so this many always fit a record.
TEXT_CHARS_MAX = (ev.RECORD_BYTES_MAX - 4096) // 6
#: How far a run may be ahead of the disk before it waits for it.
BEHIND_BYTES_MAX = 1 << 20
#: A run's whole log; far above what a model puts out, so only a provider gone mad meets it.
LOG_BYTES_MAX = 256 << 20

#: What a fold keeps the text of; these are folded as they are, the rest as the log has them.
_TEXTS = (ev.Chunk, ev.Reasoning, ev.Refusal)


def shape(events: Sequence[ev.Event]) -> list[ev.Event]:
    """What arrived together, as events that fit a record each: neighbours of one part joined, long text cut.

    Text with log probabilities stays as it came, since those belong to its tokens; where it is too
    long for a record they are left out. Text is made whole characters, and no text gives no event.
    """
    shaped: list[ev.Event] = []
    gathered: list[str] = []
    last: ev.Chunk | ev.Reasoning | ev.Refusal | None = None

    def flush() -> None:
        if last is not None:
            shaped.extend(_cut(type(last), "".join(gathered), last))
        gathered.clear()

    for event in events:
        if isinstance(event, _TEXTS) and getattr(event, "logprobs", None) is None:
            if last is None or (type(last), last.index, last.call) != (type(event), event.index, event.call):
                flush()
                last = event
            gathered.append(event.content)
            continue
        flush()
        last = None
        if isinstance(event, ev.ToolCall) and len(event.arguments) > TEXT_CHARS_MAX:
            shaped.extend(_cut_tool_call(event))
        elif isinstance(event, ev.Chunk) and len(event.content) > TEXT_CHARS_MAX:
            shaped.extend(_cut(ev.Chunk, event.content, event))
        elif isinstance(event, ev.Chunk):
            shaped.append(ev.Chunk(replace_surrogates(event.content), event.index, event.call, event.logprobs))
        else:
            shaped.append(event)
    flush()
    return shaped


def _pieces(text: str) -> Iterator[str]:
    text = replace_surrogates(text)
    return (text[start : start + TEXT_CHARS_MAX] for start in range(0, len(text), TEXT_CHARS_MAX))


def _cut(
    cls: type[ev.Chunk | ev.Reasoning | ev.Refusal], text: str, like: ev.Chunk | ev.Reasoning | ev.Refusal
) -> Iterator[ev.Event]:
    return (cls(piece, like.index, like.call) for piece in _pieces(text))


def _cut_tool_call(event: ev.ToolCall) -> Iterator[ev.Event]:
    pieces = list(_pieces(event.arguments))
    for number, piece in enumerate(pieces, 1):
        done = event.done and number == len(pieces)
        yield ev.ToolCall(event.id, event.name, piece, done, event.index, event.call)


class Recorder:
    """Writes one run's log under one epoch. Runs ahead of the disk by at most `BEHIND_BYTES_MAX`.

    `fold` has taken every record that was appended. `elapsed_ms` is the time since the run was created.
    """

    def __init__(self, log: EventLog, run: str, epoch: int, elapsed_ms: Callable[[], int]) -> None:
        self.fold = Fold()
        self.closed = False
        self._log = log
        self._run = run
        self._epoch = epoch
        self._elapsed_ms = elapsed_ms
        self._commit: Commit | None = None
        self._unsettled_bytes = 0
        self._log_bytes = 0
        #: whether the disk has to catch up (`settled`) before more may be added, as of the newest `add`
        self.behind = False

    async def resume(self, state: LogState, each: Callable[[ev.Record], object] | None = None) -> None:
        """Takes in what the log holds already, so that the next record follows it; `each` is shown every record.

        Raises what `EventLog.read` raises, and `LogCorrupt` for what is no record. Then `fold` has what
        could be read, and nothing may be added.
        """
        self.fold = Fold()
        self.closed = state.closed
        self._commit = None
        self._unsettled_bytes = 0
        self.behind = False
        while self.fold.seq < state.tail:
            page = await self._log.read(self._run, self.fold.seq)
            if not page.payloads:
                raise LogCorrupt(f"records are missing after {self.fold.seq}")
            try:
                records = [ev.decode_record(payload) for payload in page.payloads]
                self.fold.apply_all(records)
            except (msgspec.MsgspecError, ValueError) as error:
                raise LogCorrupt(f"what follows record {self.fold.seq} is no record") from error
            if each is not None:
                for record in records:
                    each(record)
        if self.closed and self.fold.final is None:
            raise LogCorrupt("the log is closed, but its last record is no final one")

    def add(
        self,
        events: Sequence[ev.Event],
        *,
        final: bool = False,
        haste: Haste = Haste.SOON,
        at_ms: int | None = None,
    ) -> None:
        """Appends events that happened together; with `final` the last of them closes the log.

        `at_ms` is when, in the run's time, where that was looked at before. Raises what `EventLog.append` raises, and
        `ProviderError` for an event that fits no record.
        """
        fold = self.fold
        after = seq = fold.seq
        t = max(fold.t, self._elapsed_ms() if at_ms is None else at_ms)
        if (
            len(events) == 1
            and type(only := events[0]) is ev.Chunk
            and only.logprobs is None
            and 0 < len(only.content) <= TEXT_CHARS_MAX
            and only.content.isascii()
            and not final
        ):
            # Nearly everything that is added is this; it does no more than it must.
            payload = ev.encode_record(after + 1, t, only)
            self._append(after, (payload,), len(payload), False, haste)
            fold.apply_text(after + 1, t, only)
            return
        records: list[ev.Record] = []
        payloads: list[bytes] = []
        size = 0
        for event in shape(events):
            seq += 1
            payload = ev.encode_record(seq, t, event)
            if len(payload) > ev.RECORD_BYTES_MAX:
                event, payload = _smaller(seq, t, event)
            if is_too_deep(payload):
                raise ProviderError(ErrorCode.PARSE, "The provider sent a value that is nested too deeply.")
            size += len(payload)
            payloads.append(payload)
            # what is not plain text is folded as a reader will have it
            records.append(ev.Record(seq, t, event) if isinstance(event, _TEXTS) else ev.decode_record(payload))
        if payloads:
            self._append(after, payloads, size, final, haste)
            fold.apply_all(records)
            self.closed = final

    def _append(self, after: int, payloads: Sequence[bytes], size: int, final: bool, haste: Haste) -> None:
        if self._log_bytes + size > LOG_BYTES_MAX and not final:
            raise ProviderError(ErrorCode.PARSE, "The answer is larger than a run may hold.")
        commit = self._log.append(self._run, after, payloads, self._epoch, final, haste)
        # the receipt of a later commit answers for all before it
        self._unsettled_bytes = size if self._commit is None or self._commit.done else self._unsettled_bytes + size
        self.behind = self._unsettled_bytes > BEHIND_BYTES_MAX
        self._commit = commit
        self._log_bytes += size

    async def settled(self) -> None:
        """Returns once all that was added is durable; raises what kept it from being so."""
        if self._commit is not None:
            await self._commit
            self._commit, self._unsettled_bytes, self.behind = None, 0, False


def _smaller(seq: int, t: int, event: ev.Event) -> tuple[ev.Event, bytes]:
    if isinstance(event, ev.Chunk) and event.logprobs is not None:
        event = ev.Chunk(event.content, event.index, event.call)
        return event, ev.encode_record(seq, t, event)
    raise ProviderError(ErrorCode.PARSE, "The provider sent one piece that is larger than a record may be.")

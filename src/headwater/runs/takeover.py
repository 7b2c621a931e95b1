"""Whether a run that was cut by a crash is taken up again, and how. Pure.

A run asks for it by `on_crash`. What stands against it is a table (`AGAINST`): where any row of it holds, the run ends
as interrupted, its partial kept. Only a run of one model call can be taken up so: what a workflow knew between two
calls died with the process. A workflow that `takes_up` goes on by itself from its log, whatever `on_crash` says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import Message, Usage
from headwater.domain.run import OnCrash, Run, RunRequest
from headwater.errors import ErrorCode, UnsupportedError
from headwater.providers import estimate
from headwater.providers.contract import Checkpoint
from headwater.providers.cost import UNPRICED, Pricing, priced

#: A run is taken up so many times at most: one that brings the server down each time must not do it for ever.
TAKEOVERS_MAX = 3
#: What a model must be able to do for a policy, by its name in the model's capabilities.
NEEDED: dict[OnCrash, str] = {"continue": "prefill", "reattach": "background"}

#: `fresh`: no model was called yet.
Mode = Literal["fresh", "rerun", "continue", "reattach"]

#: What a person would lose or see twice; the rest of a call's records is about the call.
_SAID = (ev.Chunk, ev.Reasoning, ev.Refusal, ev.ToolCall, ev.Annotation, ev.ProviderData)


class Resumption(NamedTuple):
    """How a run that was cut goes on. All of it is about call 1, but for `fresh`, where there is none yet."""

    mode: Mode
    #: the name, as callers say it, of the model that the call was made to last
    model: str = ""
    #: the attempt that was cut
    attempt: int = 1
    #: the seq of the call's first output that still counts; None where it has put out nothing
    first_output: int | None = None
    #: the answer's text so far, and the part in which it ends
    partial: str = ""
    part: int = 0
    #: what the cut attempt used, as far as it was reported, and bytes that it put out, for an estimate of the rest
    reported: Usage | None = None
    said_bytes: int = 0
    reasoning_bytes: int = 0
    #: it had come to its end before the crash, and what it used was told
    is_settled: bool = False
    #: `rerun`, `continue`: not before so many ms after the run's creation, for the provider had asked for a pause
    due_ms: int = 0
    #: `reattach`: the newest place from which the provider can be asked on, and what the log has after it
    checkpoint: Checkpoint | None = None
    said: tuple[ev.Event, ...] = ()


class Place(NamedTuple):
    """Where a model's answer goes on when nobody listens."""

    provider: str
    model: str
    checkpoint: Checkpoint


class _Stretch(NamedTuple):
    """Output of one kind, and of one part where it is text, from a seq on."""

    seq: int
    kind: str
    part: int


class CallTrace:
    """What a log says of its run's calls, record by record: where the current attempt of call 1 stands."""

    def __init__(self) -> None:
        self.calls = 0
        self.attempt = 0
        self.provider = ""
        self.model = ""
        #: the output that still counts
        self._output: list[_Stretch] = []
        #: of the current attempt
        self.bytes = 0
        self.reasoning_bytes = 0
        self.reported: Usage | None = None
        self.is_settled = False
        #: until when the next attempt was to wait, in ms since the run's creation; 0 for no wait
        self.due_ms = 0
        self.checkpoint: Checkpoint | None = None
        self.said: list[ev.Event] = []
        #: where earlier attempts may still go on, by the provider's name for their answers
        self._left: dict[str, Place] = {}
        self._is_complete = False

    @property
    def first_output(self) -> int | None:
        """The seq of the first output that still counts."""
        return self._output[0].seq if self._output else None

    @property
    def kinds(self) -> set[str]:
        """The kinds of the output that still counts."""
        return {stretch.kind for stretch in self._output}

    @property
    def part(self) -> int:
        """The part in which the text that still counts ends."""
        return next((each.part for each in reversed(self._output) if each.kind == ev.Chunk.type), 0)

    @property
    def places(self) -> list[Place]:
        """Where answers may go on that the run has no use for once it has ended: each once."""
        places = dict(self._left)
        if not self._is_complete:
            self._leave(places)
        return list(places.values())

    def _leave(self, places: dict[str, Place]) -> None:
        if self.checkpoint is not None:
            places[self.checkpoint.response_id] = Place(self.provider, self.model, self.checkpoint)

    def apply_all(self, records: Iterable[ev.Record]) -> None:
        for record in records:
            self.apply(record)

    def apply(self, record: ev.Record) -> None:
        event = record.event
        match event:
            case ev.Call():
                self.calls += 1
                self._begin(1, event.provider, event.model)
            case ev.Attempt():
                self._begin(event.number, event.provider, event.model)
                if event.supersedes_from is not None:
                    # a rest that is made again leaves what stands before it
                    self._output = [each for each in self._output if each.seq < event.supersedes_from]
            case ev.ProviderData() if (checkpoint := checkpoint_of(event)) is not None:
                self.checkpoint = checkpoint
                self.said.clear()
            case ev.Complete():
                self._is_complete = True
            case ev.Status(state="retrying" | "falling_back"):
                self.is_settled = True
                self.due_ms = record.t + (event.wait_ms or 0)
            case ev.UsageReport():
                self.reported = event.usage
                self._say(event)
            case _ if isinstance(event, _SAID):
                self._put_out(record.seq, event)
                size = _text_bytes(event)
                self.bytes += size
                self.reasoning_bytes += size if isinstance(event, ev.Reasoning) else 0
                self._say(event)

    def _begin(self, number: int, provider: str, model: str) -> None:
        self._leave(self._left)
        self.attempt, self.provider, self.model = number, provider, model
        self.bytes = self.reasoning_bytes = 0
        self.reported = self.checkpoint = None
        self.is_settled = False
        self.due_ms = 0
        self.said.clear()

    def _put_out(self, seq: int, event: ev.Event) -> None:
        part = event.index if isinstance(event, ev.Chunk) else 0
        if not self._output or self._output[-1][1:] != (event.type, part):
            self._output.append(_Stretch(seq, event.type, part))

    def _say(self, event: ev.Event) -> None:
        # without a checkpoint nobody asks for it, and it may be long
        if self.checkpoint is not None:
            self.said.append(event)


def checkpoint_of(event: ev.ProviderData) -> Checkpoint | None:
    """What the event says, if it is a checkpoint."""
    try:
        return msgspec.convert(event.value, Checkpoint)
    except msgspec.ValidationError:
        return None


def is_checkpoint(item: object) -> bool:
    """Whether it only says where an answer is."""
    return isinstance(item, ev.ProviderData) and checkpoint_of(item) is not None


def _text_bytes(event: ev.Event) -> int:
    match event:
        case ev.Chunk() | ev.Reasoning() | ev.Refusal():
            return estimate.utf8_bytes(event.content)
        case ev.ToolCall():
            return estimate.utf8_bytes(event.arguments)
        case _:
            return 0


class Cut(NamedTuple):
    """A run that was cut, as the next start finds it. `since_ms` is counted from the run's creation."""

    run: Run
    trace: CallTrace
    #: the answer's text so far
    text: str
    since_ms: int
    #: whether all is there that an earlier process acknowledged
    intact: bool
    #: the models that the request names, by provider and the provider's name for them
    models: Mapping[tuple[str, str], str]
    #: what the model that was called last can be asked for; another one than the run asked for may have been
    can: Collection[str]
    #: whether its workflow goes on by itself
    takes_up: bool = False

    @property
    def policy(self) -> OnCrash:
        return self.run.request.on_crash

    @property
    def called(self) -> bool:
        return self.trace.calls > 0

    @property
    def goes_on(self) -> bool:
        """Whether it is a call that has to go on, and not the workflow."""
        return self.called and not self.takes_up

    @property
    def takeovers(self) -> int:
        """How often it was taken up before: every start that found it cut has raised its epoch."""
        return max(0, self.run.epoch - 1)

    @property
    def model(self) -> str | None:
        """The name, as callers say it, of the model that was called last; None where there is none any more."""
        return self.models.get((self.trace.provider, self.trace.model))


class Against(NamedTuple):
    """A reason not to take a run up again."""

    words: str
    holds: Callable[[Cut], bool]


def _only_text(cut: Cut) -> bool:
    return cut.trace.kinds <= {ev.Chunk.type}


#: Looked at in this order; the first that holds is the reason.
AGAINST: tuple[Against, ...] = (
    Against("it did not ask for it", lambda cut: cut.policy == "interrupt" and not cut.takes_up),
    Against("what readers saw may be lost: the machine was started again", lambda cut: not cut.intact),
    Against(f"it was taken up {TAKEOVERS_MAX} times", lambda cut: cut.takeovers >= TAKEOVERS_MAX),
    Against("its workflow can not be", lambda cut: cut.run.request.workflow != "chat" and not cut.takes_up),
    Against("it made several calls", lambda cut: cut.trace.calls > 1 and not cut.takes_up),
    Against("its model is not there any more", lambda cut: not cut.models or (cut.goes_on and cut.model is None)),
    Against(
        "the model that was called can not keep to it",
        lambda cut: cut.goes_on and cut.policy in NEEDED and NEEDED[cut.policy] not in cut.can,
    ),
    Against("only text can be continued", lambda cut: cut.goes_on and cut.policy == "continue" and not _only_text(cut)),
    Against(
        "its provider gave nothing to find the call by",
        lambda cut: cut.goes_on and cut.policy == "reattach" and cut.trace.checkpoint is None,
    ),
)


def why_not(cut: Cut) -> str | None:
    """The first reason against taking the run up; None where there is none."""
    return next((each.words for each in AGAINST if each.holds(cut)), None)


def resumption_of(cut: Cut) -> Resumption:
    """How a run that nothing stands against goes on."""
    trace, policy = cut.trace, cut.policy
    if not cut.goes_on or policy == "interrupt":
        return Resumption("fresh")
    return Resumption(
        policy,
        model=cut.model or "",
        attempt=trace.attempt,
        first_output=trace.first_output,
        partial=cut.text,
        part=trace.part,
        reported=trace.reported,
        said_bytes=trace.bytes,
        reasoning_bytes=trace.reasoning_bytes,
        is_settled=trace.is_settled,
        due_ms=0 if policy == "reattach" else trace.due_ms,
        checkpoint=trace.checkpoint,
        said=tuple(trace.said),
    )


def opening(
    resumption: Resumption, messages: Sequence[Message], provider: str, model: str, pricing: Pricing = UNPRICED
) -> list[ev.Event]:
    """What the log is told before the call is made again; nothing where it only goes on.

    What the cut attempt has cost is estimated unless its provider had said it: it was paid for, whatever comes of it.
    """
    if resumption.mode == "reattach":
        return []
    events: list[ev.Event] = []
    asked = estimate.input_bytes(messages)
    if resumption.mode == "continue":
        # it went on itself from what attempts before it had said
        asked += max(0, estimate.utf8_bytes(resumption.partial) - resumption.said_bytes)
    guess = estimate.usage(asked, resumption.said_bytes, resumption.reasoning_bytes)
    used = None if resumption.is_settled else estimate.completed(resumption.reported, guess)
    if used is not None:
        events.append(ev.UsageReport(priced(used, pricing)))
    supersedes_from = resumption.first_output if resumption.mode == "rerun" else None
    attempt = ev.Attempt(1, resumption.attempt + 1, ErrorCode.INTERRUPTED, provider, model, supersedes_from)
    return [*events, attempt]


def is_over(run: Run, since_ms: int) -> bool:
    """Whether the run's time has run out: its limit counts from its creation, over every crash."""
    return since_ms >= run.request.limits.total_s * 1000


def check_policy(request: RunRequest, can: Collection[str], who_can: Callable[[str], Collection[str]]) -> None:
    """Refuses a policy that could never be kept. Raises `UnsupportedError`.

    `can` is what the model is able to do, `who_can` names models that are able to do something.
    """
    policy = request.on_crash
    needed = NEEDED.get(policy)
    if needed is not None and needed not in can:
        able = " or ".join(f"`{name}`" for name in who_can(needed))
        others = f" {able} can." if able else ""
        raise UnsupportedError(f"The model `{request.model}` can not {_DOES[policy]}.{others}", pointer="/on_crash")
    settings = request.settings
    if policy == "continue" and (settings.json_schema is not None or settings.json_object):
        raise UnsupportedError("A structured answer can not be continued in the middle.", pointer="/on_crash")


_DOES: dict[OnCrash, str] = {
    "continue": "go on from an answer's beginning (`continue`)",
    "reattach": "be called so that its work outlives the call (`reattach`)",
}

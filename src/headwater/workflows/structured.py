"""An answer that is JSON: told field by field while it is made, and judged when it is over.

    answer = StructuredAnswer(schema)
    async for events in structured(context, request, answer):
        yield events
    verdict = answer.verdict()

The events of the call are passed on as they are; what became known stands behind the text that it was read from.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater.domain import event as ev
from headwater.domain.message import GenerationRequest
from headwater.domain.structured_value import value_of
from headwater.domain.surrogates import scrub_surrogates
from headwater.wire.answer_json import VALUES_MAX, AnswerJSON
from headwater.wire.partial_json import Known, Note
from headwater.workflows.answer_schema import WORK_MAX, AnswerSchema, Flaw
from headwater.workflows.contract import RunContext

#: A result leaves out a value that is longer as JSON; the answer's text and its fields have it.
RESULT_VALUE_BYTES_MAX: Final = 64 * 1024
#: And the last of its faults where their paths and words are longer, as JSON; a single one always fits.
_RESULT_ERRORS_BYTES_MAX: Final = 30 * 1024
#: After a crash all that is known is told once more where the log has less; unless it is longer than that.
_RETOLD_BYTES_MAX: Final = ev.RECORD_BYTES_MAX - 4096

_MESSAGES: Final[dict[Note, str]] = {
    "no_json": "There is no JSON in the answer.",
    "unfinished": "The answer ends in the middle of its JSON.",
    "malformed": "The answer is no JSON from some point on.",
    "too_deep": "The answer is nested too deeply.",
    "too_large": "The answer is too long, or a name in it.",
}


class Verdict(msgspec.Struct, frozen=True):
    """What an answer amounts to. `value` is what there is of it, `text` all that the model said.

    `repairs` are the `answer_json.AnswerRepair`s that its text needed. Only a whole value without `errors` is valid.
    """

    value: Any
    text: str
    is_valid: bool
    repairs: list[str]
    errors: list[Flaw]

    def result(self) -> dict[str, Any]:
        """The verdict as a run's result: without the text, and without a value that is too long for one."""
        value = scrub_surrogates(self.value)
        errors = msgspec.to_builtins(self.errors)
        while len(msgspec.json.encode(errors)) > _RESULT_ERRORS_BYTES_MAX:
            errors.pop()
        is_left_out = len(msgspec.json.encode(value)) > RESULT_VALUE_BYTES_MAX
        return {
            "value": None if is_left_out else value,
            "is_valid": self.is_valid,
            "repairs": self.repairs,
            "errors": errors,
            **({"is_value_left_out": True} if is_left_out else {}),
        }


class StructuredAnswer:
    """The JSON in one call's answer. `take` all that the call yields, in order; then ask for the `verdict`.

    `schema` None takes any object. Raises `BadRequestError` for a schema that is none: a workflow makes one in its
    `check`, so that it is refused before the run exists.
    """

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self._schema = None if schema is None else AnswerSchema(schema)
        self._begins = "{" if self._schema is None else self._schema.begins
        #: the value that was held to the schema last, and its faults
        self._judged: tuple[Any, list[Flaw]] | None = None
        self._parser = self._new_parser()
        self._pieces: list[str] = []
        self._call: int | None = None

    @property
    def text(self) -> str:
        """What the model has said so far, in the attempt that counts."""
        return "".join(self._pieces)

    @property
    def value(self) -> Any:
        """What is known of the answer so far."""
        return self._parser.value

    def take(self, events: Sequence[ev.Event]) -> list[ev.Field]:
        """What became known by these events. Text of an attempt that is superseded no longer counts."""
        fields: list[ev.Field] = []
        for event in events:
            if type(event) is ev.Chunk:
                self._call = event.call
                self._pieces.append(event.content)
                fields += [self._field(known) for known in self._parser.feed(event.content)]
            elif isinstance(event, ev.Call) or (isinstance(event, ev.Attempt) and event.supersedes_from is not None):
                self._begin()
                # The log takes back what was told before this; what came with it was not told yet.
                fields.clear()
        return fields

    def went_before(self, events: Sequence[ev.Event]) -> list[ev.Field]:
        """Takes what the log holds of a call that goes on after a crash; what it lacks of what was known by then."""
        told: list[ev.Field] = []
        for event in events:
            if isinstance(event, ev.Field):
                told.append(event)
            elif isinstance(event, ev.Call) or (isinstance(event, ev.Attempt) and event.supersedes_from is not None):
                told.clear()
            self.take([event])
        known = self._parser.told
        if value_of(told) == known or len(msgspec.json.encode(known)) > _RETOLD_BYTES_MAX:
            return []
        return [ev.Field("", known, self._parser.is_whole, self._call)]

    def end(self) -> list[ev.Field]:
        """The answer is over: what became known by that, which is only ever a number that is all of the answer."""
        return [self._field(known) for known in self._parser.end()]

    def verdict(self) -> Verdict:
        """What the answer amounts to, now that it is over."""
        parser = self._parser
        parser.end()
        if parser.note is not None:
            errors = [Flaw(parser.note, "", _MESSAGES[parser.note])]
        else:
            errors = self._flaws(parser.value)
        repairs: list[str] = [*parser.repairs] if parser.is_whole else []
        return Verdict(parser.value, self.text, not errors, repairs, errors)

    def _begin(self) -> None:
        self._parser = self._new_parser()
        self._pieces.clear()

    def _new_parser(self) -> AnswerJSON:
        self._judged = None
        return AnswerJSON(begins=self._begins, fits=None if self._schema is None else self._fits)

    def _fits(self, value: Any) -> bool:
        """Whether no other value is looked for: of all after the first the work together is that of one."""
        if self._schema is None:
            return True
        is_first = self._judged is None
        flaws = self._schema.flaws(value, work_max=WORK_MAX if is_first else WORK_MAX // VALUES_MAX)
        self._judged = value, flaws
        return not flaws or (is_first and flaws[0].code == "unchecked")

    def _flaws(self, value: Any) -> list[Flaw]:
        if self._schema is None:
            return []
        if self._judged is None or self._judged[0] is not value:
            self._judged = value, self._schema.flaws(value)
        return self._judged[1]

    def _field(self, known: Known) -> ev.Field:
        return ev.Field(known.path, known.value, known.is_done, self._call, known.is_delta)


async def structured(
    context: RunContext, request: GenerationRequest, answer: StructuredAnswer, *, role: ev.Role = "answer"
) -> AsyncGenerator[list[ev.Event], None]:
    """One model call, as `RunContext.generate`, with the fields of its answer."""
    before = context.before
    async for events in context.generate(request, role=role):
        # without a new call one goes on that a crash had cut
        goes_on = before and not any(isinstance(event, ev.Call) for event in events)
        if goes_on and (lacking := answer.went_before(before)):
            yield [*lacking]
        before = ()
        fields = answer.take(events)
        yield [*events, *fields] if fields else events
    if fields := answer.end():
        yield [*fields]

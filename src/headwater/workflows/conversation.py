"""An assistant's answer in steps: session, what is wanted, what is known, the answer, what could be asked next.

Three calls of the model, of which one makes the answer; the other two may fail, and the answer then comes without what
they would have told. A turn is kept with its run: from its beginning on, and once more with its end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater.domain import event as ev
from headwater.domain.document import Document
from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.domain.run import Run, RunRequest
from headwater.errors import BadRequestError, ErrorCode, HeadwaterError, NotFoundError, ProviderError
from headwater.providers import estimate
from headwater.providers.simulated import NAME as SIMULATED
from headwater.storage.contract import OwnDocuments
from headwater.workflows import conversation_prompts as prompts
from headwater.workflows import conversation_script as script
from headwater.workflows.arc.simulated import scripted
from headwater.workflows.contract import EndedRun, RunContext, Workflow
from headwater.workflows.history import newest_within
from headwater.workflows.stored_chat import answer_error, answer_state, answer_text
from headwater.workflows.structured import StructuredAnswer

SESSIONS: Final = "sessions"
TURNS: Final = "turns"
SESSION: Final = "session"
USER: Final = "user"
SESSION_PATTERN: Final = "^ses_[0-9a-f]{32}$"
#: One sentence for an unknown session and for another's: they must look the same.
NO_SUCH_SESSION: Final = "There is no such session."
USER_CHARS_MAX: Final = 200
MESSAGE_CHARS_MAX: Final = 100_000
#: Of a session's turns, the newest that may be told again: so many at a time until there are enough.
HISTORY_MAX: Final = 50
HISTORY_PAGE: Final = 10
#: Of the answer in a run's result, which is bounded; the rest of a longer one is in the answer's records alone.
RESULT_MESSAGE_BYTES_MAX: Final = 32 * 1024

_INPUT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "user_id": {"type": "string", "minLength": 1, "maxLength": USER_CHARS_MAX},
        "message": {"type": "string", "minLength": 1, "maxLength": MESSAGE_CHARS_MAX},
        "session_id": {"type": "string", "pattern": SESSION_PATTERN, "description": "Left out, a session begins"},
        "chunks_max": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        "context_tokens_max": {"type": "integer", "minimum": 0, "maximum": 10_000_000},
    },
    "required": ["user_id", "message"],
    "additionalProperties": False,
}


#: What was cut or stopped was read, and who says “go on” means it.
_TOLD_AGAIN: Final = ("complete", "partial")


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """The input of one turn."""

    user_id: str
    message: str
    session_id: str | None = None
    #: pieces of the answer; a longer one is stopped
    chunks_max: int = 10_000
    #: of earlier turns that are told again, as estimated
    context_tokens_max: int = 4_000


class Conversation(Workflow):
    name = "conversation"
    title = "Conversation"
    description = "An assistant that knows its session: intent, context, an answer, and what could be asked next."
    input_schema = _INPUT

    def check(self, request: RunRequest) -> None:
        if request.messages:
            raise BadRequestError("The workflow `conversation` takes `input`, not `messages`.", pointer="/messages")
        if request.settings.json_schema is not None or request.settings.json_object:
            raise BadRequestError("The form of the answer is the workflow's own.", pointer="/settings/json_schema")
        asked = asked_of(request)
        if not asked.message.strip():
            raise BadRequestError("There is nothing to answer.", pointer="/input/message")
        if not asked.user_id.isprintable():
            raise BadRequestError("A user's id has printable characters only.", pointer="/input/user_id")

    async def check_kept(self, request: RunRequest, kept: OwnDocuments) -> None:
        asked = asked_of(request)
        if asked.session_id is None:
            return
        session = await kept.get(SESSIONS, asked.session_id)
        if session is None or session.body["user_id"] != asked.user_id:
            error = NotFoundError(NO_SUCH_SESSION)
            error.extra["pointer"] = "/input/session_id"
            raise error

    def run(self, context: RunContext) -> AsyncIterator[list[ev.Event]]:
        return _Turn(context).events()

    def documents_begun(self, run: Run) -> Sequence[Document]:
        asked, session = asked_of(run.request), session_of(run.id, run.request)
        turn = {"message": asked.message, "answer": "", "state": "running", "created_at_ms": run.created_at_ms}
        # No text in it: what was said goes with its run, so that a run that is deleted leaves none behind.
        begun = Document(
            SESSIONS,
            session,
            {"user_id": asked.user_id, "first": run.id, "created_at_ms": run.created_at_ms},
            {USER: asked.user_id},
        )
        return [*([] if asked.session_id else [begun]), _turn(run.id, run.request, turn)]

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        answer = answer_text(ended)
        result = ended.result if isinstance(ended.result, dict) else {}
        turn = {
            "message": asked_of(ended.request).message,
            "answer": answer,
            "state": answer_state(ended.state, answer),
            "error": answer_error(ended),
            "context": ended.snapshot.state.get("context"),
            "suggestions": prompts.suggestions_of(result),
            "created_at_ms": ended.created_at_ms,
        }
        return [_turn(ended.run, ended.request, turn)]


def asked_of(request: RunRequest) -> Asked:
    """The input, which the schema has let pass."""
    # a whole number of a JSON Schema may be written as 5.0
    return msgspec.convert(request.input, Asked, strict=False)


def session_of(run: str, request: RunRequest) -> str:
    """The session that a run belongs to: the one that it goes on with, or its own."""
    return asked_of(request).session_id or f"ses_{run.removeprefix('run_')}"


def _turn(run: str, request: RunRequest, body: dict[str, Any]) -> Document:
    words = {SESSION: session_of(run, request), USER: asked_of(request).user_id}
    return Document(TURNS, run, body, words, run)


class _Turn:
    """One turn that goes on."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._asked = asked_of(context.request)
        self._session = session_of(context.run, context.request)
        self._is_simulated = SIMULATED in (context.request.model, *context.request.fallback)
        #: what the last internal call said
        self._found: dict[str, Any] = {}

    async def events(self) -> AsyncGenerator[list[ev.Event], None]:
        asked = self._asked
        history, known = await self._session_so_far()
        wanted = prompts.intent_messages(history, asked.message)
        async for events in self._internal(wanted, prompts.INTENT_SCHEMA, script.intent_text(asked.message)):
            yield events
        known = prompts.merged_context(known, self._found)
        yield [ev.Context(known)]
        pieces: list[str] = []
        answering = prompts.answer_messages(history, asked.message, known)
        async for events in self._context.generate(self._request(answering, script.answer_text(known))):
            taken = _take(events, pieces, asked.chunks_max)
            yield events[:taken]
            if taken < len(events):
                raise ProviderError(ErrorCode.TOO_LARGE, f"The answer has more than {asked.chunks_max} pieces.")
        answer = "".join(pieces)
        next_ones = prompts.suggestion_messages(asked.message, answer)
        async for events in self._internal(next_ones, prompts.SUGGESTIONS_SCHEMA, script.suggestions_text(known)):
            yield events
        self._context.set_result(
            {
                "message": _beginning(answer),
                "suggestions": prompts.suggestions_of(self._found),
                "session_id": self._session,
                "intent": known["intent"],
                "context": known,
            }
        )

    async def _session_so_far(self) -> tuple[list[Message], Mapping[str, Any]]:
        """What was said in the session, as much of it as is told again, and what is known from it."""
        asked, documents = self._asked, self._context.documents
        if asked.session_id is None:
            return [], {}
        session = await documents.get(SESSIONS, asked.session_id)
        if session is None or session.body["user_id"] != asked.user_id:
            raise ProviderError(ErrorCode.NOT_FOUND, "There is no such session.")
        where = {SESSION: asked.session_id, USER: asked.user_id}
        newest: list[Message] = []
        known: Mapping[str, Any] = {}
        cursor: str | None = None
        for _ in range(HISTORY_MAX // HISTORY_PAGE):
            page = await documents.list(TURNS, where=where, limit=HISTORY_PAGE, cursor=cursor)
            for turn in (each.body for each in page.documents if each.body["state"] in _TOLD_AGAIN):
                known = known or turn.get("context") or {}
                # Many models refuse a message without a word in it.
                if turn["answer"]:
                    newest += [Message("assistant", turn["answer"]), Message("user", turn["message"])]
            cursor = page.next_cursor
            if cursor is None or estimate.tokens(estimate.input_bytes(newest)) > asked.context_tokens_max:
                break
        return newest_within(newest[::-1], asked.context_tokens_max), known

    async def _internal(
        self, messages: list[Message], schema: dict[str, Any], says: str
    ) -> AsyncGenerator[list[ev.Event], None]:
        """A call whose answer is an object, left in `_found`; an empty one where it failed or said something else."""
        self._found = {}
        request = self._request(messages, says)
        closed = msgspec.structs.replace(request.settings, json_schema=schema)
        for settings in (*([closed] if self._context.can("json_schema") else []), request.settings):
            # Whatever object it is can be read, and its fields are nobody's business.
            answer = StructuredAnswer(None)
            try:
                call = self._context.generate(msgspec.structs.replace(request, settings=settings), role="internal")
                async for events in call:
                    yield events
                    answer.take(events)
            except HeadwaterError as error:
                # A model that knows no schemas may still know JSON when it is asked for it.
                if error.code is ErrorCode.UNSUPPORTED and settings is closed:
                    continue
                return
            said = answer.verdict().value
            self._found = said if isinstance(said, dict) else {}
            return

    def _request(self, messages: list[Message], says: str) -> GenerationRequest:
        asked = self._context.request
        settings: Settings = scripted(asked.settings, says) if self._is_simulated else asked.settings
        return GenerationRequest(asked.model, messages, settings)


def _beginning(answer: str) -> str:
    """The answer, or as much of it as a result has room for."""
    while len(msgspec.json.encode(answer)) > RESULT_MESSAGE_BYTES_MAX:
        answer = answer[: len(answer) // 2]
    return answer


def _take(events: Sequence[ev.Event], pieces: list[str], most: int) -> int:
    """Adds the text to the pieces, of which there is room for so many, and says how many of the events were taken.

    An attempt that supersedes takes back what its call had said.
    """
    for taken, event in enumerate(events):
        match event:
            case ev.Chunk() | ev.Refusal():
                if len(pieces) == most:
                    return taken
                pieces.append(event.content)
            case ev.Attempt(supersedes_from=int()):
                pieces.clear()
    return len(events)

"""The steps of a turn, with models that are told what to say and documents that are there."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.document import Document, sealed
from headwater.domain.message import GenerationRequest, Message, Settings, Usage
from headwater.domain.run import LOCAL_OWNER, Run, RunRequest
from headwater.errors import BadRequestError, ErrorCode, NotFoundError, ProviderError
from headwater.runs.ending import RESULT_BYTES_MAX
from headwater.storage.memory import MemoryStorage
from headwater.workflows.contract import Workflow
from headwater.workflows.conversation import SESSION, SESSIONS, TURNS, USER, Conversation, asked_of, session_of
from headwater.workflows.conversation_prompts import INTENT_SCHEMA, SUGGESTIONS_SCHEMA
from headwater.workflows.conversation_script import LABEL
from headwater.workflows.input_schema import InputSchema
from headwater.workflows.stored_chat import KEPT_CHARS_MAX
from tests.workflows.test_stored_chat import RUN, ended

INTENT = json.dumps({"intent": "find_restaurant", "entities": [{"name": "place", "value": "Tokyo"}]})
NEXT = json.dumps({"suggestions": ["And ramen?"]})
OWN_SESSION = "ses_" + "0a" * 16
EARLIER = "ses_" + "0c" * 16

Answer = str | ProviderError


def asked(message: str = "Find me a restaurant", model: str = "m", **more: Any) -> RunRequest:
    return RunRequest(model, "conversation", input={"user_id": "ann", "message": message, **more})


class OwnDocuments:
    """`OwnDocuments` of the one owner, over the reference storage."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()

    async def put(self, *documents: Document) -> None:
        if self._storage.medium.held_by is None:
            await self._storage.open()
        await self._storage.documents.put(LOCAL_OWNER, documents)

    async def get(self, collection: str, key: str) -> Document | None:
        return await self._storage.documents.get(LOCAL_OWNER, collection, key)

    async def list(self, collection: str, **where: Any) -> Any:
        return await self._storage.documents.list(LOCAL_OWNER, collection, **where)


class Context:
    """Answers each call with the next of its answers, in two pieces, and notes how it was asked."""

    run = RUN
    owner = LOCAL_OWNER
    clock: Any = None
    before: Sequence[ev.Event] = ()

    def __init__(self, request: RunRequest, *answers: Answer) -> None:
        self.request = request
        self.documents: Any = OwnDocuments()
        self.asked: list[tuple[GenerationRequest, ev.Role]] = []
        self.result: Any = None
        self.able: tuple[str, ...] = ("json_schema",)
        self._answers = iter(answers)

    def can(self, capability: str) -> bool:
        return capability in self.able

    async def generate(
        self, request: GenerationRequest, *, role: ev.Role = "answer"
    ) -> AsyncGenerator[list[ev.Event], None]:
        self.asked.append((request, role))
        answer = next(self._answers)
        if isinstance(answer, ProviderError):
            raise answer
        yield [ev.Chunk(answer[:3], 0)]
        yield [ev.Chunk(answer[3:], 0)]

    def set_result(self, value: object) -> None:
        self.result = value


async def turn(context: Context) -> list[ev.Event]:
    workflow: Workflow = Conversation()
    return [event async for events in workflow.run(context) for event in events]


async def test_three_calls_of_which_one_is_the_answer() -> None:
    context = Context(asked(), INTENT, "In Tokyo.", NEXT)
    events = await turn(context)
    assert [role for _, role in context.asked] == ["internal", "answer", "internal"]
    assert [request.settings.json_schema for request, _ in context.asked] == [INTENT_SCHEMA, None, SUGGESTIONS_SCHEMA]
    known = {"intent": "find_restaurant", "entities": {"place": "Tokyo"}}
    assert [event for event in events if isinstance(event, ev.Context)] == [ev.Context(known)]
    # known before the answer begins
    assert events.index(ev.Context(known)) == 2
    assert "Tokyo" in str(context.asked[1][0].messages[0].content)
    assert context.result == {
        "message": "In Tokyo.",
        "suggestions": ["And ramen?"],
        "session_id": OWN_SESSION,
        "intent": "find_restaurant",
        "context": known,
    }


BROKEN = ProviderError(ErrorCode.OVERLOADED)


@pytest.mark.parametrize("said", [BROKEN, "I do not know JSON.", ""])
async def test_without_intent_and_suggestions_there_is_an_answer_all_the_same(said: Answer) -> None:
    context = Context(asked(), said, "Hello.", said)
    await turn(context)
    assert (context.result["message"], context.result["suggestions"]) == ("Hello.", [])
    assert context.result["context"] == {"intent": "other", "entities": {}}


async def test_without_an_answer_there_is_none() -> None:
    context = Context(asked(), INTENT, BROKEN)
    with pytest.raises(ProviderError):
        await turn(context)
    assert context.result is None


async def test_a_model_that_knows_no_schemas_is_asked_without() -> None:
    no_schemas = ProviderError(ErrorCode.UNSUPPORTED)
    context = Context(asked(), no_schemas, INTENT, "In Tokyo.", no_schemas, f"Sure: {NEXT}")
    await turn(context)
    assert [request.settings.json_schema is None for request, _ in context.asked] == [False, True, True, False, True]
    assert (context.result["intent"], context.result["suggestions"]) == ("find_restaurant", ["And ramen?"])


async def test_one_that_is_known_to_know_none_is_not_asked_with_one() -> None:
    context = Context(asked(), INTENT, "In Tokyo.", NEXT)
    context.able = ()
    await turn(context)
    assert [request.settings.json_schema for request, _ in context.asked] == [None, None, None]
    assert (context.result["intent"], context.result["suggestions"]) == ("find_restaurant", ["And ramen?"])


async def test_what_an_attempt_took_back_is_not_in_the_result() -> None:
    class Superseding(Context):
        async def generate(
            self, request: GenerationRequest, *, role: ev.Role = "answer"
        ) -> AsyncGenerator[list[ev.Event], None]:
            yield [ev.Chunk("wrong", 0), ev.Attempt(1, 2, "SERVER", "p", "m", 3), ev.Chunk(NEXT, 0)]

    context = Superseding(asked())
    await turn(context)
    assert (context.result["message"], context.result["suggestions"]) == (NEXT, ["And ramen?"])


async def test_an_answer_in_too_many_pieces_is_stopped() -> None:
    workflow: Workflow = Conversation()
    said: list[ev.Event] = []
    context = Context(asked(chunks_max=1), INTENT, "In Tokyo.", NEXT)
    with pytest.raises(ProviderError) as stopped:
        async for events in workflow.run(context):
            said += events
    assert stopped.value.code is ErrorCode.TOO_LARGE
    # those of the call before are not of the answer
    assert [event.content for event in said if isinstance(event, ev.Chunk)] == [INTENT[:3], INTENT[3:], "In "]


@pytest.mark.parametrize("character", ["a", "\x01", "語"])
async def test_of_a_long_answer_the_result_has_the_beginning(character: str) -> None:
    answer = character * 200_000
    context = Context(asked(), INTENT, answer, NEXT)
    events = await turn(context)
    assert sum(len(event.content) for event in events if isinstance(event, ev.Chunk)) > len(answer)
    assert answer.startswith(context.result["message"])
    assert len(context.result["message"]) > 2000
    assert len(msgspec.json.encode(context.result)) < RESULT_BYTES_MAX


async def earlier(context: Context, user: str = "ann") -> None:
    """A session with a whole turn, one that failed, one that was cut, and one that goes on."""
    words = {SESSION: EARLIER, USER: user}
    known = {"intent": "find_restaurant", "entities": {"place": "Tokyo"}}
    bodies = [
        {"message": "q1", "answer": "a1", "state": "complete", "context": known},
        {"message": "q2", "answer": "", "state": "failed", "context": None},
        {"message": "q3", "answer": "a3", "state": "partial", "context": None},
        {"message": "", "answer": "", "state": "running"},
    ]
    session = Document(SESSIONS, EARLIER, {"user_id": user, "first": "run_1", "created_at_ms": 1}, {USER: user})
    turns = [Document(TURNS, f"run_{place}", body, words) for place, body in enumerate(bodies)]
    await context.documents.put(session, *turns)


async def test_a_session_goes_on_with_what_was_said_and_known() -> None:
    context = Context(asked(session_id=EARLIER), json.dumps({"intent": "x", "entities": []}), "Yes.", NEXT)
    await earlier(context)
    await turn(context)
    _, *told = context.asked[1][0].messages
    assert told == [
        Message("user", "q1"),
        Message("assistant", "a1"),
        Message("user", "q3"),
        Message("assistant", "a3"),
        Message("user", "Find me a restaurant"),
    ]
    assert context.result["context"] == {"intent": "x", "entities": {"place": "Tokyo"}}
    assert context.result["session_id"] == EARLIER


async def test_only_so_much_of_it_is_told() -> None:
    context = Context(asked(session_id=EARLIER, context_tokens_max=1), INTENT, "Yes.", NEXT)
    await earlier(context)
    await turn(context)
    assert [message.content for message in context.asked[1][0].messages[1:]] == ["q3", "a3", "Find me a restaurant"]


@pytest.mark.parametrize(("context_tokens_max", "told", "pages"), [(2, 2, 1), (30, 30, 2), (1000, 64, 4)])
async def test_of_a_long_session_no_more_is_read_than_is_told(context_tokens_max: int, told: int, pages: int) -> None:
    request = asked(session_id=EARLIER, context_tokens_max=context_tokens_max)
    context = Context(request, INTENT, "Yes.", NEXT)
    await earlier(context)
    for place in range(30):
        body = {"message": "1234", "answer": "1234", "state": "complete", "context": {"intent": "x", "entities": {}}}
        await context.documents.put(Document(TURNS, f"run_1{place}", body, {SESSION: EARLIER, USER: "ann"}))
    limits: list[int] = []
    whole_list = context.documents.list

    async def noted_list(collection: str, **where: Any) -> Any:
        limits.append(where["limit"])
        return await whole_list(collection, **where)

    context.documents.list = noted_list
    await turn(context)
    _, *messages, _ = context.asked[1][0].messages
    assert len(messages) == told
    assert limits == [10] * pages


async def test_an_answer_without_a_word_is_not_told_again() -> None:
    context = Context(asked(session_id=EARLIER), INTENT, "Yes.", NEXT)
    await earlier(context)
    empty = {"message": "q5", "answer": "", "state": "complete", "context": {"intent": "x", "entities": {"a": "b"}}}
    await context.documents.put(Document(TURNS, "run_5", empty, {SESSION: EARLIER, USER: "ann"}))
    await turn(context)
    assert [message.content for message in context.asked[1][0].messages[1:]] == [
        *("q1", "a1", "q3", "a3"),
        "Find me a restaurant",
    ]
    assert context.result["context"]["entities"] == {"a": "b", "place": "Tokyo"}


@pytest.mark.parametrize("user", [None, "bob"])
async def test_a_session_that_is_not_the_users_is_none(user: str | None) -> None:
    context = Context(asked(session_id=EARLIER), INTENT, "Yes.", NEXT)
    if user is not None:
        await earlier(context, user)
    with pytest.raises(ProviderError) as refused:
        await turn(context)
    assert (refused.value.code, context.asked) == (ErrorCode.NOT_FOUND, [])


@pytest.mark.parametrize(("model", "fallback"), [("simulated", []), ("m", ["simulated"])])
async def test_the_simulated_model_has_a_script(model: str, fallback: list[str]) -> None:
    request = msgspec.structs.replace(
        asked("Find me a restaurant in Tokyo", model),
        fallback=fallback,
        settings=Settings(extra={"simulated": {"delay_ms": 0}}),
    )
    context = Context(request, INTENT, "Yes.", NEXT)
    await turn(context)
    scripts = [asked.settings.extra["simulated"] for asked, _ in context.asked]
    assert [each["delay_ms"] for each in scripts] == [0, 0, 0]
    assert [json.loads(scripts[0]["says"])["intent"], LABEL in scripts[1]["says"]] == ["find_restaurant", True]


async def test_no_other_model_has_one() -> None:
    context = Context(asked(), INTENT, "Yes.", NEXT)
    await turn(context)
    assert all(asked.settings.extra == {} for asked, _ in context.asked)


def test_a_turn_begins_with_its_run_and_a_session_with_its_first_turn() -> None:
    session, begun = Conversation().documents_begun(Run(RUN, LOCAL_OWNER, asked(), 1000))
    assert (session.collection, session.key, session.words) == (SESSIONS, OWN_SESSION, {USER: "ann"})
    assert "restaurant" not in str(session.body)
    assert (begun.collection, begun.key, begun.run) == (TURNS, RUN, RUN)
    assert (begun.body["state"], begun.words) == ("running", {SESSION: OWN_SESSION, USER: "ann"})
    (more,) = Conversation().documents_begun(Run(RUN, LOCAL_OWNER, asked(session_id=EARLIER), 1000))
    assert more.words[SESSION] == session_of(RUN, asked(session_id=EARLIER)) == EARLIER


def test_a_turn_is_kept_as_it_ended() -> None:
    known = ev.Context({"intent": "x", "entities": {}})
    cut = ended(known, ev.Chunk("Hal", 0), ev.Error("SERVER", "It broke.", True), request=asked())
    (kept,) = Conversation().documents(cut)
    assert (kept.body["answer"], kept.body["state"], kept.body["context"]) == ("Hal", "partial", known.context)
    assert (kept.body["error"]["code"], kept.body["suggestions"]) == ("SERVER", [])
    (whole,) = Conversation().documents(cut._replace(result={"suggestions": ["And ramen?"]}))
    assert whole.body["suggestions"] == ["And ramen?"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"messages": [Message("user", "Hi")]}, "/messages"),
        ({"settings": Settings(json_schema={"type": "object"})}, "/settings/json_schema"),
        ({"settings": Settings(json_object=True)}, "/settings/json_schema"),
        ({"input": {"user_id": "ann", "message": " \n"}}, "/input/message"),
        ({"input": {"user_id": "a\nb", "message": "Hi"}}, "/input/user_id"),
    ],
)
def test_what_would_be_passed_over_is_refused(changes: dict[str, Any], pointer: str) -> None:
    Conversation().check(asked())
    with pytest.raises(BadRequestError) as refused:
        Conversation().check(msgspec.structs.replace(asked(), **changes))
    assert refused.value.extra["pointer"] == pointer


def test_of_a_turn_that_is_too_long_to_be_kept_the_beginning_is() -> None:
    long = ended(ev.Chunk("\x01" * 1_000_000, 0), ev.Complete("stop", Usage()), request=asked("\x01" * 100_000))
    (kept,) = sealed(Conversation().documents(long))
    assert len(msgspec.json.decode(kept.body)["answer"]) == KEPT_CHARS_MAX


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"user_id": "ann", "message": "Hi"}, True),
        ({"user_id": "ann", "message": "Hi", "session_id": EARLIER, "chunks_max": 5}, True),
        ({"user_id": "ann"}, False),
        ({"user_id": "", "message": "Hi"}, False),
        ({"user_id": "ann", "message": "Hi", "session_id": "ses_1"}, False),
        ({"user_id": "ann", "message": "Hi", "history": []}, False),
    ],
)
def test_what_it_takes(value: Any, good: bool) -> None:
    schema = InputSchema(Conversation.input_schema or {})
    if good:
        schema.check(value)
        return
    with pytest.raises(Exception, match="not as it has to be"):
        schema.check(value)


def test_a_whole_number_may_be_written_as_json_schema_lets_it() -> None:
    given = {"user_id": "u", "message": "Hi", "chunks_max": 5.0}
    InputSchema(Conversation.input_schema or {}).check(given)
    assert asked_of(RunRequest("m", workflow="conversation", input=given)).chunks_max == 5


async def test_a_session_that_goes_on_is_the_user_s() -> None:
    kept, goes_on = OwnDocuments(), asked(session_id=EARLIER)
    await Conversation().check_kept(asked(), kept)
    await kept.put(Document(SESSIONS, EARLIER, {"user_id": "ann"}))
    await Conversation().check_kept(goes_on, kept)
    for other in (asked(session_id=OWN_SESSION), asked(session_id=EARLIER, user_id="bob")):
        with pytest.raises(NotFoundError) as refused:
            await Conversation().check_kept(other, kept)
        assert refused.value.extra == {"pointer": "/input/session_id"}

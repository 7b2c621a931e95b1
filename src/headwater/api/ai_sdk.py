"""`/api/chat`: what `useChat` of the AI SDK calls where nothing else is said (npm's `ai`, `DefaultChatTransport`).

`POST` starts an answer, `GET …/{chat}/stream` is its replay for a page that came back, `POST …/{chat}/stop` ends it:
to this client leaving and stopping look the same, and leaving is not stopping. A chat is known by the id that the page
gave it, which is in the metadata of its runs; whoever is not their owner finds none.
"""

from __future__ import annotations

from headwater.api import parameters
from headwater.api.ai_sdk_request import CHAT, MESSAGE, ChatRequest, run_request
from headwater.api.answer import Asgi, Headers, no_content
from headwater.api.bounds import check_bounds
from headwater.api.problem import NO_SUCH_RUN
from headwater.api.route import Call, Operation, Reply, Resource
from headwater.api.runs import check_model, idempotency_key, own_run
from headwater.api.stream import face_stream
from headwater.delivery.formats.ai_sdk import STREAM_HEADER, AISDKStream, Identity, message_id
from headwater.delivery.formats.ai_sdk_steps import earlier_steps
from headwater.domain.run import Run
from headwater.errors import LogMissing, NotFoundError

PATH = "/api/chat"


async def chat(call: Call) -> Asgi:
    body: ChatRequest = call.body
    request = run_request(body)
    check_bounds(request)
    check_model(call, request)
    key = idempotency_key(call, f"POST {PATH}", request)
    run, created = await call.services.supervisor.submit(request, call.owner, idempotency=key)
    return _stream(call, run, [] if created else [(b"idempotency-replayed", b"true")])


async def resume(call: Call) -> Asgi:
    """The answer from its first part. 204 where there is none under way, which the client takes for "nothing to do"."""
    if (named := call.query.get("run")) is not None:
        run = await own_run(call, named)
        if run.request.metadata.get(CHAT) != call.path["chat"]:
            raise NotFoundError(NO_SUCH_RUN)
    else:
        live = await _live_runs(call)
        if not live:
            return no_content()
        run = live[-1]
    return _stream(call, run, whole=call.query.get("steps") != "own")


async def stop(call: Call) -> Asgi:
    for run in await _live_runs(call):
        await call.services.supervisor.cancel(run.id, call.owner)
    return no_content()


async def _live_runs(call: Call) -> list[Run]:
    """The chat's runs that have not ended, oldest first."""
    live = []
    for run in call.services.supervisor.live_of(call.owner):
        if run.request.metadata.get(CHAT) == call.path["chat"]:
            try:
                # A run is over with its final record, and what is left to do for it comes after that.
                ended = (await call.services.storage.log.state(run.id)).closed
            except LogMissing:
                ended = False
            if not ended:
                live.append(run)
    return live


def _stream(call: Call, run: Run, headers: Headers = (), *, whole: bool = False) -> Asgi:
    """`whole` is for a page that has to be given the message from its first part, the steps before this run too."""
    goes_on = run.request.metadata.get(MESSAGE)
    earlier = earlier_steps(run.request.messages) if whole and goes_on else ()
    face = AISDKStream(Identity(run.id, goes_on or message_id(run.id), run.request.model), earlier=earlier)
    return face_stream(call, run, face, [STREAM_HEADER, *headers])


AI_SDK_CHAT = Resource(
    PATH,
    Operation(
        "POST",
        chat,
        "Answer a chat, as the AI SDK's useChat asks",
        (Reply(200, "The answer as a UI message stream", media=("text/event-stream",)),),
        headers=(parameters.IDEMPOTENT_ANSWER,),
        takes=ChatRequest,
    ),
)
AI_SDK_STREAM = Resource(
    "/api/chat/{chat}/stream",
    Operation(
        "GET",
        resume,
        "Take up the answer of a chat again, from its first part",
        (
            Reply(200, "The answer as a UI message stream", media=("text/event-stream",)),
            Reply(204, "No answer of this chat is under way"),
        ),
        query=(
            parameters.text("run", 100, "This answer, whether or not it has ended; its id is in `X-Run-Id`"),
            parameters.one_of(
                "steps", ("all", "own"), "`own`: without the steps that the message had before this answer"
            ),
        ),
        head=False,
    ),
    with_slashes=("chat",),
)
AI_SDK_STOP = Resource(
    "/api/chat/{chat}/stop",
    Operation("POST", stop, "Stop the answers of a chat", (Reply(204, "None is under way, or will be in a moment"),)),
    with_slashes=("chat",),
)

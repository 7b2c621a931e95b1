"""The route table, behind the guard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from starlette.routing import Route, Router

from headwater.api.ag_ui import AG_UI
from headwater.api.ai_sdk import AI_SDK_CHAT, AI_SDK_STOP, AI_SDK_STREAM
from headwater.api.analyses import ANALYSES, ANALYSIS
from headwater.api.analyze import ANALYZE, ANALYZE_STREAM
from headwater.api.answer import Asgi, Receive, Scope, Send
from headwater.api.anthropic_messages import MESSAGES
from headwater.api.arc_tasks import ARC_TASK, ARC_TASKS
from headwater.api.chat import CHAT_STREAM, CHAT_WHOLE
from headwater.api.chat_page import CHAT_TEST
from headwater.api.chats import STORED_CHAT, STORED_CHATS
from headwater.api.conversation import CONVERSATION, CONVERSATION_STREAM
from headwater.api.durable_streams import RUN_STREAM, STREAM
from headwater.api.events import EVENTS
from headwater.api.faces import nothing_at
from headwater.api.guard import Guard
from headwater.api.models import MODELS
from headwater.api.multiplex import MULTIPLEX
from headwater.api.openai_chat import CHAT_COMPLETIONS
from headwater.api.openai_models import OPENAI_MODEL, OPENAI_MODELS
from headwater.api.operations import operations
from headwater.api.pages import Pages
from headwater.api.providers import PROVIDERS
from headwater.api.responses import RESPONSE, RESPONSE_CANCEL, RESPONSE_INPUT, RESPONSES
from headwater.api.route import Resource
from headwater.api.runs import CANCEL, RETRY, RUN, RUNS
from headwater.api.services import Services
from headwater.api.session import SESSION
from headwater.api.sessions import CONVERSATION_FEEDBACK, CONVERSATION_SESSION, CONVERSATION_SESSIONS
from headwater.api.solutions import SOLUTION, SOLUTIONS
from headwater.api.visual_solutions import VISUAL_SOLUTION, VISUAL_SOLUTIONS
from headwater.api.websocket import WEBSOCKET
from headwater.api.workflows import WORKFLOWS

_API: list[Resource] = [
    *[RUNS, RUN, EVENTS, MULTIPLEX, WEBSOCKET, CANCEL, RETRY, MODELS, PROVIDERS, WORKFLOWS, SESSION],
    *[CHAT_COMPLETIONS, OPENAI_MODELS, OPENAI_MODEL],
    *[RUN_STREAM, STREAM],
    *[RESPONSES, RESPONSE, RESPONSE_CANCEL, RESPONSE_INPUT],
    *[MESSAGES],
    *[AI_SDK_CHAT, AI_SDK_STREAM, AI_SDK_STOP, AG_UI],
    *[ARC_TASKS, ARC_TASK, ANALYSES, ANALYSIS, ANALYZE_STREAM, ANALYZE],
    *[SOLUTIONS, SOLUTION, VISUAL_SOLUTIONS, VISUAL_SOLUTION],
    *[CHAT_WHOLE, CHAT_STREAM, STORED_CHATS, STORED_CHAT, *CHAT_TEST],
    *[CONVERSATION, CONVERSATION_STREAM],
    *[CONVERSATION_SESSIONS, CONVERSATION_SESSION, CONVERSATION_FEEDBACK],
]

#: Every resource of the server; the OpenAPI document and the tests of the routes are made from it.
RESOURCES: list[Resource] = [*_API, *operations(_API)]


def create_api(services: Services) -> Asgi:
    """The server as one ASGI application. Needs Headwater's own HTTP server below it for event streams."""
    routes = [resource.route(services) for resource in RESOURCES]
    router = Router(routes, redirect_slashes=False, default=partial(_page_or_nothing, services.pages))
    return Guard(_Exact(routes, router), hosts=services.hosts, origins=services.origins)


class _Exact:
    """Whoever starts a run names a path without parameters: it is looked up, and not tried for among all patterns."""

    def __init__(self, routes: Sequence[Route], others: Asgi) -> None:
        self._by_path: dict[str, Asgi] = {route.path: route.app for route in routes if not route.param_convertors}
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._by_path.get(scope["path"]) if scope["type"] == "http" else None
        await (app or self._others)(scope, receive, send)


async def _page_or_nothing(pages: Pages, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    answer = pages.answer(scope) or pages.nothing_here(scope) or nothing_at(scope["path"])
    await answer(scope, receive, send)

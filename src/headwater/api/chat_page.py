"""`/chat/test`: a page to try the chat with; three files beside this one, without a build and without a library."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from headwater.api.answer import Answer, Asgi
from headwater.api.pages import PAGE_SAFETY_HEADERS
from headwater.api.route import Call, Handler, Operation, Reply, Resource

_FILES: Final = Path(__file__).parent / "chat_test"
_MEDIA: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


@cache
def _file(name: str) -> bytes:
    return (_FILES / name).read_bytes()


async def test_page(call: Call) -> Asgi:
    return _served("test.html")


async def test_style(call: Call) -> Asgi:
    return _served("test.css")


async def test_script(call: Call) -> Asgi:
    return _served("test.js")


def _served(name: str) -> Asgi:
    media = f"{_MEDIA[Path(name).suffix]}; charset=utf-8".encode()
    headers = [(b"content-type", media), (b"cache-control", b"no-cache")]
    return Answer(200, _file(name), headers, safety=PAGE_SAFETY_HEADERS)


def _resource(path: str, handler: Handler, about: str) -> Resource:
    media = _MEDIA[Path(path).suffix or ".html"]
    return Resource(path, Operation("GET", handler, about, (Reply(200, "The file", media=(media,)),), needs_key=False))


CHAT_TEST: Final = (
    _resource("/chat/test", test_page, "A page to try the chat with"),
    _resource("/chat/test.css", test_style, "How that page looks"),
    _resource("/chat/test.js", test_script, "What that page does"),
)

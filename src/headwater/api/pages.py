"""The pages: files that were built into the package, read once at start and served from memory.

A path is looked up in a table of what was read, so that nothing else on the disk can be named (SECURITY 23).
What is worth compressing was compressed when it was built: `x.js.br` and `x.js.gz` are forms of `x.js`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from headwater.api import accept
from headwater.api.answer import Answer, Asgi, Headers, Scope
from headwater.api.problem import problem
from headwater.errors import ConfigError, ErrorCode

FILES_MAX = 1000
FILES_BYTES_MAX = 32 << 20

_INDEX: Final = "/index.html"
#: Where the document answers to anyone.
_ROOTS: Final = ("/", _INDEX)
#: The pages beside the chat (web/app/src/router.tsx), and the list of runs.
_ROUTES: Final = ("/models", "/examiner", "/solver", "/assistant", "/runs")

#: Where no person looks for a page. A browser would read what begins with two slashes as the name of a host.
_OF_PROGRAMS: Final = re.compile(r"/(?:api|v1|assets|chat)(?:/|\Z)|//")

#: The build names these after their content: what is at such an address never changes.
_HASHED: Final = "/assets/"
_FOR_EVER: Final = b"public, max-age=31536000, immutable"
_ASK_AGAIN: Final = b"no-cache"

_MEDIA: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".ico": b"image/x-icon",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
    ".webmanifest": b"application/manifest+json",
    ".woff2": b"font/woff2",
}
_UNKNOWN_MEDIA: Final = b"application/octet-stream"
_CODINGS: Final = {".br": "br", ".gz": "gzip"}

#: Everything comes from this server, and nothing may be written into a page as text that would run. Pictures of an
#: answer may be elsewhere; the page loads one only after a click.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data: https: http:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
#: What no page here asks for, so that nothing that got into one can.
_DENIED: Final = (
    "accelerometer",
    "autoplay",
    "camera",
    "clipboard-read",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "usb",
    "xr-spatial-tracking",
)
PAGE_SAFETY_HEADERS: Final[Headers] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", ", ".join(f"{feature}=()" for feature in _DENIED).encode()),
)

_NOT_BUILT: Final = (
    b"The pages were not built. In a checkout, `make serve` builds them and starts the server.\n"
    b"The API is there without them, at /api/v1.\n"
)


class Form(NamedTuple):
    """A file's bytes in one content coding. The tag is of these bytes (RFC 9110, 8.8.3)."""

    body: bytes
    etag: bytes


class PageFile(NamedTuple):
    """A file of the pages. `forms` are by content coding, the best first; `identity` is always among them."""

    media: bytes
    cache: bytes
    forms: Mapping[str, Form]


class Pages:
    """What was built, by path. Without any files the server runs all the same, and says so where a page would be."""

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._files = files

    @classmethod
    def read(cls, directory: Path) -> Pages:
        """All files below the directory, none where it is not there. Raises `ConfigError` for more than the bounds."""
        contents = _contents(directory)
        files = {path: _page_file(path, contents) for path in contents if _original(path, contents) is None}
        return cls(files)

    def answer(self, scope: Scope) -> Asgi | None:
        """The answer to a request for a page or a file of the pages; None where the path is neither."""
        is_page = _is_page(scope)
        file = self._files.get(_INDEX if is_page else scope["path"])
        if file is None:
            return Answer(503, _NOT_BUILT, [(b"content-type", _MEDIA[".txt"])]) if is_page else None
        if scope["method"] not in ("GET", "HEAD"):
            return problem(ErrorCode.METHOD_NOT_ALLOWED, "A page takes GET, HEAD.", headers=[(b"allow", b"GET, HEAD")])
        form, described = _form_for(file, scope)
        # At a route of the pages, a program that asks for JSON is told something else.
        varies = b"Accept, Accept-Encoding" if is_page and scope["path"] not in _ROOTS else b"Accept-Encoding"
        headers = [(b"etag", form.etag), (b"cache-control", file.cache), (b"vary", varies)]
        if _has(_header(scope, b"if-none-match"), form.etag):
            return Answer(304, b"", headers, safety=PAGE_SAFETY_HEADERS)
        return Answer(200, form.body, [*headers, *described], safety=PAGE_SAFETY_HEADERS)

    def nothing_here(self, scope: Scope) -> Answer | None:
        """The document, as what a person is told whose address does not exist; None for whoever is not told in HTML.

        Below the APIs and among the build's files everybody is told in the API's own shape.
        """
        document = self._files.get(_INDEX)
        asked = scope["method"] in ("GET", "HEAD") and accept.names(_header(scope, b"accept"), accept.HTML)
        if document is None or not asked or _OF_PROGRAMS.match(scope["path"]):
            return None
        form, described = _form_for(document, scope)
        headers = [(b"cache-control", _ASK_AGAIN), (b"vary", b"Accept, Accept-Encoding"), *described]
        return Answer(404, form.body, headers, safety=PAGE_SAFETY_HEADERS)


NO_PAGES: Final = Pages({})


def _contents(directory: Path) -> dict[str, bytes]:
    """What each file holds, by its path on the server. What a build tool keeps for itself begins with a dot."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    names = {"/" + path.relative_to(directory).as_posix(): path for path in paths}
    names = {name: path for name, path in names.items() if "/." not in name}
    if len(names) > FILES_MAX or sum(path.stat().st_size for path in names.values()) > FILES_BYTES_MAX:
        raise ConfigError(
            f"The pages in {directory} are more than {FILES_MAX} files or {FILES_BYTES_MAX >> 20} MiB: "
            "these are not the pages of this package; install it anew."
        )
    return {name: path.read_bytes() for name, path in names.items()}


def _original(path: str, paths: Iterable[str]) -> str | None:
    """The path whose compressed form this one is, if it is one."""
    whole = PurePosixPath(path)
    original = str(whole.with_suffix(""))
    return original if whole.suffix in _CODINGS and original in paths else None


def _page_file(path: str, contents: Mapping[str, bytes]) -> PageFile:
    forms = {
        coding: _form(contents[path + suffix], coding)
        for suffix, coding in _CODINGS.items()
        if path + suffix in contents
    }
    forms[accept.IDENTITY] = _form(contents[path], accept.IDENTITY)
    media = _MEDIA.get(PurePosixPath(path).suffix, _UNKNOWN_MEDIA)
    return PageFile(media, _FOR_EVER if path.startswith(_HASHED) else _ASK_AGAIN, forms)


def _form(body: bytes, coding: str) -> Form:
    return Form(body, f'"{hashlib.sha256(body).hexdigest()[:24]}-{coding}"'.encode())


def _form_for(file: PageFile, scope: Scope) -> tuple[Form, Headers]:
    """The form that the reader likes best, and the headers that say what it is."""
    coding = accept.coding(_header(scope, b"accept-encoding"), file.forms)
    coded = [] if coding == accept.IDENTITY else [(b"content-encoding", coding.encode())]
    return file.forms[coding], [(b"content-type", file.media), *coded]


def _is_page(scope: Scope) -> bool:
    """Whether the document answers here: at the root to anyone, at a route only to who asks for HTML by name."""
    path = scope["path"]
    if path in _ROOTS:
        return True
    on_route = path in _ROUTES or path.startswith(("/runs/", "/c/"))
    return on_route and accept.names(_header(scope, b"accept"), accept.HTML)


def _header(scope: Scope, name: bytes) -> str | None:
    """The header's value, joined with a comma where it was sent more than once."""
    values = [value.decode("latin-1").strip() for each, value in scope["headers"] if each == name]
    return ", ".join(values) if values else None


def _has(tags: str | None, etag: bytes) -> bool:
    """Whether If-None-Match names the tag; compared weakly, as that header is (RFC 9110, 13.1.2)."""
    listed = [tag.strip().removeprefix("W/") for tag in (tags or "").split(",")]
    return etag.decode() in listed or "*" in listed

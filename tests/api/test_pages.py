"""The pages over a real socket: what is there, in which form, and nothing that is not there."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headwater.api import pages
from headwater.api.app import RESOURCES
from headwater.api.openapi import document
from headwater.api.pages import CONTENT_SECURITY_POLICY, Pages
from headwater.errors import ConfigError
from tests.api.composed import RunningApi, running_api
from tests.api.test_problem import check

INDEX = b"<!doctype html><title>Headwater</title>"
SCRIPT = b"start();" * 500
#: Without a time in it: workers that collect the tests at different seconds must call them the same.
ZIPPED = gzip.compress(SCRIPT, mtime=0)
BROTLI = b"brotli's bytes, which the server does not look into"
FONT = bytes(range(256))
HTML = "accept: text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build as Vite leaves it, with the compressed forms laid beside."""
    directory = tmp_path / "pages"
    files = {
        "index.html": INDEX,
        "icon.svg": b"<svg/>",
        "assets/app-1a2b.js": SCRIPT,
        "assets/app-1a2b.js.br": BROTLI,
        "assets/app-1a2b.js.gz": ZIPPED,
        "assets/inter-3c4d.woff2": FONT,
        "assets/odd.thing": b"?",
        ".vite/manifest.json": b"{}",
    }
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "secret").write_text("not a page")
    (directory / "link.txt").symlink_to(tmp_path / "secret")
    return directory


@pytest.fixture
async def site(built: Path) -> AsyncIterator[RunningApi]:
    async with running_api(pages=Pages.read(built)) as running:
        yield running


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *headers, "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


SCRIPT_PATH = "/assets/app-1a2b.js"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/index.html", "/?q=1", "/c/run_" + "0" * 32, "/runs", "/runs/x/y", "/c/a%2Fb"),
        *("/models?runs=run_1", "/examiner", "/examiner?task=00d62c1b", "/solver", "/assistant"),
    ],
)
async def test_every_place_of_the_application_is_its_document(site: RunningApi, path: str) -> None:
    status, headers, body = await site.exchange(get(path, HTML))
    assert (status, body) == (200, INDEX)
    assert headers["content-type"] == "text/html; charset=utf-8"
    is_root = path.partition("?")[0] in ("/", "/index.html")
    assert headers["vary"] == ("Accept-Encoding" if is_root else "Accept, Accept-Encoding")
    assert headers["cache-control"] == "no-cache"


async def test_the_root_is_there_for_programs_too_but_routes_are_for_browsers(site: RunningApi) -> None:
    assert (await site.exchange(get("/")))[2] == INDEX
    for accept in ([], ["accept: */*"], ["accept: application/json"], ["accept: text/html;q=0"]):
        answer = await site.exchange(get("/c/run_1", *accept))
        assert answer[0] == 404
        assert check(*answer)["code"] == "NOT_FOUND"


async def test_the_policy_of_the_document(site: RunningApi) -> None:
    _, headers, _ = await site.exchange(get("/", HTML))
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    for part in ("connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert part in CONTENT_SECURITY_POLICY.split("; ")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(headers["permissions-policy"].split(", "))


@pytest.mark.parametrize(
    ("path", "media", "content"),
    [
        (SCRIPT_PATH, "text/javascript; charset=utf-8", SCRIPT),
        ("/assets/inter-3c4d.woff2", "font/woff2", FONT),
        ("/icon.svg", "image/svg+xml", b"<svg/>"),
        ("/assets/odd.thing", "application/octet-stream", b"?"),
    ],
)
async def test_a_file_as_it_is(site: RunningApi, path: str, media: str, content: bytes) -> None:
    status, headers, body = await site.exchange(get(path))
    assert (status, headers["content-type"], body) == (200, media, content)
    assert "content-encoding" not in headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    kept = "public, max-age=31536000, immutable" if path.startswith("/assets/") else "no-cache"
    assert (headers["cache-control"], headers["vary"]) == (kept, "Accept-Encoding")


@pytest.mark.parametrize(
    ("accepted", "coding", "content"),
    [
        ("gzip, deflate, br, zstd", "br", BROTLI),
        ("gzip", "gzip", ZIPPED),
        ("br;q=0.1, gzip", "gzip", ZIPPED),
        ("*", "br", BROTLI),
        ("br;q=0, *", "gzip", ZIPPED),
        ("zstd", None, SCRIPT),
        ("identity", None, SCRIPT),
        ("br;q=0", None, SCRIPT),
    ],
)
async def test_the_form_that_is_wanted(site: RunningApi, accepted: str, coding: str | None, content: bytes) -> None:
    _, headers, body = await site.exchange(get(SCRIPT_PATH, f"accept-encoding: {accepted}"))
    assert (headers.get("content-encoding"), headers["vary"]) == (coding, "Accept-Encoding")
    assert (len(body), body) == (len(content), body if coding == "gzip" else content)
    if coding == "gzip":
        assert gzip.decompress(body) == SCRIPT


async def test_what_the_reader_has_is_not_sent_again(site: RunningApi) -> None:
    tags = set()
    for accepted in ("br", "gzip", "identity"):
        asked = f"accept-encoding: {accepted}"
        tag = (await site.exchange(get(SCRIPT_PATH, asked)))[1]["etag"]
        tags.add(tag)
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            status, headers, body = await site.exchange(get(SCRIPT_PATH, asked, f"if-none-match: {known}"))
            assert (status, headers["etag"], body) == (304, tag, b"")
            assert "immutable" in headers["cache-control"]
        assert (await site.exchange(get(SCRIPT_PATH, asked, 'if-none-match: "other"')))[0] == 200
    assert len(tags) == 3, "each form has a tag of its own"


async def test_the_tag_is_of_the_content(built: Path, site: RunningApi) -> None:
    before = (await site.exchange(get("/")))[1]["etag"]
    (built / "index.html").write_bytes(INDEX + b"!")
    assert (await site.exchange(get("/")))[1]["etag"] == before, "files are read once"
    async with running_api(pages=Pages.read(built)) as again:
        assert (await again.exchange(get("/")))[1]["etag"] != before


async def test_head_has_the_headers_only(site: RunningApi) -> None:
    reply = await site.client.request("HEAD", "/")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-length"] == str(len(INDEX))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods(site: RunningApi, method: str) -> None:
    for path in ("/", SCRIPT_PATH):
        status, headers, _ = await site.exchange(get(path, method=method))
        assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../secret",
        "/assets/..%2f..%2fsecret",
        "/assets/%2e%2e/%2e%2e/secret",
        "/assets/..%5c..%5csecret",
        "/assets//app-1a2b.js",
        "/assets/./app-1a2b.js",
        "/assets/app-1a2b.js%00.html",
        "/assets/app-1a2b.js/",
        "/assets/app-1a2b.js.br",
        "/assets/app-1a2b.js.gz",
        "/assets",
        "/assets/",
        "//index.html",
        "//etc/passwd",
        "/api",
        "/api/v1/nothing",
    ],
)
async def test_no_file_but_those_of_the_build_is_there(site: RunningApi, path: str) -> None:
    answer = await site.exchange(get(path, HTML))
    assert answer[0] == 404
    assert check(*answer)["code"] == "NOT_FOUND"


NOWHERE = pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/link.txt",
        "/.vite/manifest.json",
        "/etc/passwd",
        "/favicon.ico",
        "/nowhere",
        "/nowhere/else",
        "/c",
        "/INDEX.HTML",
        "/apis",
        "/v1x",
    ],
)


@NOWHERE
async def test_a_person_is_shown_that_there_is_nothing(site: RunningApi, path: str) -> None:
    status, headers, body = await site.exchange(get(path, HTML))
    assert (status, headers["content-type"], body) == (404, "text/html; charset=utf-8", INDEX)
    assert (headers["cache-control"], headers["vary"]) == ("no-cache", "Accept, Accept-Encoding")
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "etag" not in headers
    head = await site.client.request("HEAD", "/nowhere", headers={"accept": "text/html"})
    assert (head.status_code, head.content) == (404, b"")


@NOWHERE
async def test_a_program_is_told_that_there_is_nothing(site: RunningApi, path: str) -> None:
    for request in (get(path), get(path, "accept: */*"), get(path, HTML, method="POST")):
        answer = await site.exchange(request)
        assert answer[0] == 404
        assert check(*answer)["code"] == "NOT_FOUND"


async def test_a_server_without_pages_says_so(api: RunningApi, tmp_path: Path) -> None:
    for path in ("/", "/c/run_1"):
        status, headers, body = await api.exchange(get(path, HTML))
        assert (status, headers["content-type"]) == (503, "text/plain; charset=utf-8")
        assert b"make serve" in body
    assert (await api.exchange(get("/assets/app-1a2b.js")))[0] == 404
    assert (await api.exchange(get("/api/v1/models")))[0] == 200
    async with running_api(pages=Pages.read(tmp_path / "not-there")) as without:
        assert (await without.exchange(get("/")))[0] == 503


def test_more_than_the_bounds_is_not_read(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FILES_BYTES_MAX", 1000)
    with pytest.raises(ConfigError, match="install it anew"):
        Pages.read(built)
    monkeypatch.setattr(pages, "FILES_BYTES_MAX", 1 << 20)
    Pages.read(built)
    monkeypatch.setattr(pages, "FILES_MAX", 3)
    with pytest.raises(ConfigError, match="install it anew"):
        Pages.read(built)


def test_the_api_s_description_is_without_the_pages() -> None:
    paths: dict[str, Any] = document(RESOURCES)["paths"]
    assert not {"/", "/index.html", "/runs"} & set(paths)


# ── who may ask ─────────────────────────────────────────────────────────────────────────────────────

VISIT = ("sec-fetch-mode: navigate", "sec-fetch-dest: document")


@pytest.mark.parametrize("from_site", ["none", "same-origin", "same-site", "cross-site"])
async def test_a_link_to_a_page_may_be_followed_from_anywhere(site: RunningApi, from_site: str) -> None:
    assert (await site.exchange(get("/c/run_1", HTML, f"sec-fetch-site: {from_site}", *VISIT)))[2] == INDEX


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", ["sec-fetch-mode: navigate", "sec-fetch-dest: iframe"]),
        ("/", ["sec-fetch-mode: navigate", "sec-fetch-dest: embed"]),
        ("/", ["sec-fetch-mode: navigate", "sec-fetch-dest: object"]),
        ("/", ["sec-fetch-mode: no-cors", "sec-fetch-dest: empty"]),
        (SCRIPT_PATH, ["sec-fetch-mode: no-cors", "sec-fetch-dest: script"]),
        ("/icon.svg", ["sec-fetch-mode: no-cors", "sec-fetch-dest: image"]),
        ("/livez", ["sec-fetch-mode: no-cors", "sec-fetch-dest: image"]),
    ],
)
@pytest.mark.parametrize("from_site", ["cross-site", "same-site"])
async def test_pages_of_other_sites_get_nothing(
    site: RunningApi, path: str, headers: list[str], from_site: str
) -> None:
    """Not to show in a frame, and not even to learn that this server is there."""
    answer = await site.exchange(get(path, HTML, f"sec-fetch-site: {from_site}", *headers))
    assert answer[0] == 403
    assert check(*answer)["code"] == "FORBIDDEN"
    assert (await site.exchange(get(path, HTML, "sec-fetch-site: same-origin", *headers)))[0] == 200


@pytest.mark.parametrize("path", ["/", "/c/run_1", SCRIPT_PATH])
async def test_the_pages_are_behind_the_guard(site: RunningApi, path: str) -> None:
    assert (await site.exchange(get(path, HTML).replace(b"127.0.0.1", b"evil.example")))[0] == 421
    assert (await site.exchange(get(path, HTML, "origin: https://evil.example")))[0] == 403


async def test_the_api_is_not_to_be_visited_from_elsewhere(site: RunningApi) -> None:
    for path in ("/api/v1/runs", "/v1/models"):
        assert (await site.exchange(get(path, HTML, "sec-fetch-site: cross-site", *VISIT)))[0] == 403

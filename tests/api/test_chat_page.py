"""The page to try the chat with: three files, under a strict policy, and nothing beside them."""

from __future__ import annotations

import re

import pytest

from headwater.api.pages import CONTENT_SECURITY_POLICY
from tests.api.composed import RunningApi

FILES = [("/chat/test", "text/html"), ("/chat/test.css", "text/css"), ("/chat/test.js", "text/javascript")]


@pytest.mark.parametrize(("path", "media"), FILES)
async def test_each_file_is_served_as_what_it_is(api: RunningApi, path: str, media: str) -> None:
    response = await api.client.get(path, headers={"sec-fetch-site": "same-origin", "sec-fetch-dest": "script"})
    assert (response.status_code, response.headers["content-type"]) == (200, f"{media}; charset=utf-8")
    assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_nothing_of_the_page_is_written_into_it(api: RunningApi) -> None:
    page = (await api.client.get("/chat/test")).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)
    assert "innerHTML" not in (await api.client.get("/chat/test.js")).text


async def test_a_link_from_elsewhere_leads_to_the_page_but_to_no_answer(api: RunningApi) -> None:
    visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await api.client.get("/chat/test", headers=visit)).status_code == 200
    for path in ("/chat/stream?message=Hi", "/chat/chats"):
        assert (await api.client.get(path, headers=visit)).status_code == 403


async def test_no_page_runs_an_answer_as_a_script(api: RunningApi) -> None:
    script = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "script"}
    assert (await api.client.get("/chat/chats", headers=script)).status_code == 403


@pytest.mark.parametrize("path", ["/chat/test.html", "/chat/test/", "/chat/test.js.map", "/chat/../chat/test.py"])
async def test_there_is_nothing_beside_it(api: RunningApi, path: str) -> None:
    status, _, _ = await api.exchange(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    assert status == 404

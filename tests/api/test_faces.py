"""Every path says no in the shape of the API that it belongs to, wherever the no comes from."""

from __future__ import annotations

import json
import re

import pytest

from headwater.api.app import RESOURCES
from headwater.api.faces import refuse_for
from headwater.api.openai_error import openai_error
from headwater.api.problem import problem_of
from tests.api.composed import RunningApi
from tests.api.test_openai_error import check_openai
from tests.api.test_problem import check


@pytest.mark.parametrize(
    ("path", "theirs"), [("/v1/models", True), ("/v1/", True), ("/v1", False), ("/api/v1/runs", False), ("/", False)]
)
def test_whose_shape(path: str, theirs: bool) -> None:
    assert refuse_for(path) is (openai_error if theirs else problem_of)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/assistants", "/v1/"])
async def test_what_is_there_is_named_where_another_path_was_tried(api: RunningApi, path: str) -> None:
    answered, found, body = await api.exchange(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    message = check_openai(answered, found, body)["message"]
    named = {tuple(each.split()) for each in re.findall(r"[A-Z]+ /v1[^ ,]*[^ ,.]", message)}
    theirs = [resource for resource in RESOURCES if refuse_for(resource.path) is openai_error]
    assert named == {(method, resource.path) for resource in theirs for method in resource.operations}


JSON = "content-type: application/json"


@pytest.mark.parametrize(
    ("request_line", "headers", "status", "code"),
    [
        ("GET /v1/runs", ["host: localhost"], 404, "not_found"),
        ("GET /v1/chat/completions/", ["host: localhost"], 404, "not_found"),
        ("GET /v1/models", ["host: evil.example"], 421, "wrong_host"),
        ("POST /v1/chat/completions", ["host: localhost", "origin: https://evil.example", JSON], 403, "forbidden"),
        ("GET /v1/models", ["host: localhost", "sec-fetch-site: cross-site"], 403, "forbidden"),
        ("POST /v1/chat/completions", ["host: localhost", "content-type: text/plain"], 415, "media_type"),
        ("DELETE /v1/models", ["host: localhost"], 405, "method_not_allowed"),
        ("GET /v1/models", ["host: localhost", f"x-long: {'x' * 40_000}"], 431, "too_large"),
    ],
)
async def test_what_other_apis_clients_are_told(
    api: RunningApi, request_line: str, headers: list[str], status: int, code: str
) -> None:
    request = "\r\n".join([f"{request_line} HTTP/1.1", *headers, "", ""])
    answered, found, body = await api.exchange(request.encode())
    assert (answered, check_openai(answered, found, body)["code"]) == (status, code)
    if status not in (415, 431):
        ours = request.replace("/v1/", "/api/v1/").replace("/chat/completions", "/runs").replace("/models", "/runs")
        answered, found, body = await api.exchange(ours.encode())
        assert answered == 200 or check(answered, found, body)
        assert b'"error"' not in body or "error" not in json.loads(body)

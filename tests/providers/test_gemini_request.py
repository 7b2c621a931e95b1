"""What is sent is what Google's own types allow, and what can not be sent is refused."""

import json
from typing import Any, Literal

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from headwater.domain.message import (
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    ProviderValue,
    Settings,
    TextPart,
    Tool,
    ToolResultPart,
    ToolUse,
)
from headwater.errors import BadRequestError, RefusedError, UnsupportedError
from headwater.providers.gemini import Gemini
from headwater.providers.gemini_request import GeminiQuirks, model_path

HELLO = [Message("user", "Hello")]
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}
TOOL = Tool("f", "Does it.", SCHEMA)
VERTEX = GeminiQuirks(
    provider_name="vertex",
    models_path="publishers/google/models",
    model_forms=("publishers", "endpoints"),
)


class Body(BaseModel):
    """The request by the names on the wire, of the SDK's own types, which forbid what they do not know."""

    model_config = ConfigDict(extra="forbid")

    contents: list[types.Content]
    systemInstruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    toolConfig: types.ToolConfig | None = None
    generationConfig: types.GenerationConfig | None = None
    safetySettings: list[types.SafetySetting] | None = None
    cachedContent: str | None = None


def body_of(
    messages: list[Message] = HELLO,
    settings: Settings | None = None,
    model: str = "gemini-3-flash-preview",
    quirks: GeminiQuirks | None = None,
) -> dict[str, Any]:
    """The body as it goes over the wire, which Google's types have accepted."""
    sent = Gemini(quirks).request(GenerationRequest(model, messages, settings or Settings())).body
    Body.model_validate_json(sent)
    body: dict[str, Any] = json.loads(sent)
    return body


def seen(*details: Literal["auto", "low", "high"] | None, model: str) -> tuple[list[Any], Any]:
    """How well each image is to be seen, and all of them."""
    images = [ImagePart(data="QUJD", media_type="image/png", detail=detail) for detail in details]
    body = body_of([Message("user", [TextPart("What?"), *images])], model=model)
    _, *parts = body["contents"][0]["parts"]
    levels = [part.get("mediaResolution") for part in parts]
    return levels, body.get("generationConfig", {}).get("mediaResolution")


@pytest.mark.parametrize("model", ["gemini-3-pro-preview", "gemini-flash-latest", "gemini-4-argon"])
def test_how_well_an_image_is_to_be_seen_is_said_of_each(model: str) -> None:
    low, high = ({"level": f"MEDIA_RESOLUTION_{level}"} for level in ("LOW", "HIGH"))
    assert seen("low", None, "high", "auto", model=model) == ([low, None, high, None], None)


@pytest.mark.parametrize("model", ["gemini-2.0-flash", "gemini-2.5-flash", "models/gemini-2.5-pro"])
def test_how_well_images_are_to_be_seen_is_said_of_all_where_they_are_seen_alike(model: str) -> None:
    assert seen("low", "low", model=model) == ([None, None], "MEDIA_RESOLUTION_LOW")
    assert seen("high", model=model) == ([None], "MEDIA_RESOLUTION_HIGH")
    assert seen("auto", None, model=model) == ([None, None], None)
    with pytest.raises(UnsupportedError) as caught:
        seen("low", None, model=model)
    assert caught.value.extra == {"pointer": "/messages/0/content/2/detail"}


def test_a_whole_conversation() -> None:
    messages = [
        Message("system", "Be brief."),
        Message("user", [TextPart("What is this?"), ImagePart(data="QUJD", media_type="image/png")]),
        Message(
            "assistant",
            "A cat.",
            tool_calls=[ToolUse("a", "f", '{"x":1}')],
            provider_data=[
                ProviderValue("gemini", {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB", "args": {}}}),
                ProviderValue("gemini", {"functionCall": {"id": "a"}, "thoughtSignature": "QUJD"}),
            ],
        ),
        Message("tool", [ToolResultPart("a", "7")]),
        Message("assistant", tool_calls=[ToolUse("b", "f", "{}")]),
        Message("tool", [ToolResultPart("b", "{}")]),
    ]
    body = body_of(messages, Settings(tools=[TOOL]))
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user", "model", "user"]
    assert body["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "Does it.", "parametersJsonSchema": SCHEMA}]}
    ]
    assert "generationConfig" not in body


def test_settings() -> None:
    settings = Settings(
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        json_schema=SCHEMA,
        logprobs=3,
        reasoning_effort="low",
    )
    assert body_of(settings=settings)["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 100,
        "stopSequences": ["END"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
        "responseLogprobs": True,
        "logprobs": 3,
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
    }
    assert body_of(settings=Settings(json_object=True, logprobs=0, verbosity="medium"))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseLogprobs": True,
    }


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.0-flash", "none", None),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("models/gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-3-pro-preview", "high", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-flash-latest", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-4-pro", "xhigh", {"thinkingLevel": "XHIGH", "includeThoughts": True}),
        ("gemini-flash-latest", "xhigh", {"thinkingLevel": "XHIGH", "includeThoughts": True}),
    ],
)
def test_thinking(model: str, effort: Any, expected: dict[str, Any] | None) -> None:
    body = body_of(settings=Settings(reasoning_effort=effort), model=model)
    assert body.get("generationConfig", {}).get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gemini-2.0-flash", "low"),
        ("models/gemini-1.5-pro", "minimal"),
        ("gemini-2.5-pro", "none"),
        ("gemini-3-flash-preview", "none"),
        ("gemini-2.5-flash", "xhigh"),
        ("gemini-2.5-pro", "max"),
        ("gemini-3-pro-preview", "xhigh"),
        ("gemini-3.1-pro-preview", "xhigh"),
        ("gemini-3.5-flash", "xhigh"),
        ("gemini-4-pro", "max"),
    ],
)
def test_thinking_that_can_not_be_had_or_stopped(model: str, effort: Any) -> None:
    with pytest.raises(UnsupportedError) as caught:
        body_of(settings=Settings(reasoning_effort=effort), model=model)
    assert caught.value.extra == {"pointer": "/settings/reasoning_effort"}


@pytest.mark.parametrize(
    ("model", "max_tokens", "budget"),
    [
        ("gemini-2.5-flash", None, 24576),
        ("gemini-2.5-flash", 100_000, 24576),
        ("gemini-2.5-flash", 4_000, 2_000),
        ("gemini-2.5-pro", 100, 128),
        ("gemini-2.5-flash-lite", 100, 512),
    ],
)
def test_thoughts_leave_room_for_the_answer(model: str, max_tokens: int | None, budget: int) -> None:
    settings = Settings(reasoning_effort="high", max_tokens=max_tokens)
    assert body_of(settings=settings, model=model)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == budget


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(tools=[TOOL]), None),
        (Settings(tools=[TOOL], parallel_tool_calls=True), None),
        (Settings(tools=[TOOL], tool_choice="auto"), {"mode": "AUTO"}),
        (Settings(tools=[TOOL], tool_choice="none"), {"mode": "NONE"}),
        (Settings(tools=[TOOL], tool_choice="required"), {"mode": "ANY"}),
        (Settings(tools=[TOOL], tool_choice=NamedTool("f")), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (Settings(tools=[Tool("f", strict=True)]), {"mode": "VALIDATED"}),
        (Settings(tools=[Tool("f", strict=True)], tool_choice="auto"), {"mode": "VALIDATED"}),
        (Settings(tools=[Tool("f", strict=True)], tool_choice="required"), {"mode": "ANY"}),
    ],
)
def test_tool_choice(settings: Settings, expected: dict[str, Any] | None) -> None:
    config = body_of(settings=settings).get("toolConfig")
    assert config == (None if expected is None else {"functionCallingConfig": expected})


def test_extra() -> None:
    extra: dict[str, dict[str, Any]] = {
        "google": {"tools": [{"googleSearch": {}}], "generationConfig": {"topK": 5, "seed": 1}},
        "gemini": {"cachedContent": "cachedContents/x", "generationConfig": {"seed": 2}},
        "openai": {"service_tier": "flex"},
    }
    body = body_of(settings=Settings(tools=[TOOL], temperature=1, extra=extra))
    assert body["tools"][1:] == [{"googleSearch": {}}]
    assert body["cachedContent"] == "cachedContents/x"
    assert body["generationConfig"] == {"temperature": 1, "topK": 5, "seed": 2}
    assert "cachedContent" not in body_of(settings=Settings(extra=extra), quirks=VERTEX)


REFUSED: list[tuple[Settings, str, type[RefusedError]]] = [
    (Settings(verbosity="low"), "/settings/verbosity", UnsupportedError),
    (Settings(tools=[TOOL], parallel_tool_calls=False), "/settings/parallel_tool_calls", UnsupportedError),
    (Settings(extra={"gemini": {"contents": []}}), "/settings/extra/gemini/contents", BadRequestError),
    (Settings(extra={"google": {"model": "x"}}), "/settings/extra/google/model", BadRequestError),
    (
        Settings(extra={"google": {"generationConfig": {"candidateCount": 2}}}),
        "/settings/extra/google/generationConfig/candidateCount",
        UnsupportedError,
    ),
]


@pytest.mark.parametrize(("settings", "pointer", "kind"), REFUSED)
def test_what_can_not_be_asked_for(settings: Settings, pointer: str, kind: type[RefusedError]) -> None:
    with pytest.raises(RefusedError) as caught:
        body_of(settings=settings)
    assert type(caught.value) is kind
    assert caught.value.extra == {"pointer": pointer}


@pytest.mark.parametrize(
    ("model", "quirks", "path"),
    [
        ("gemini-2.5-flash", GeminiQuirks(), "models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", GeminiQuirks(), "models/gemini-2.5-flash"),
        ("tunedModels/mine", GeminiQuirks(), "tunedModels/mine"),
        ("gemini-2.5-flash@001", VERTEX, "publishers/google/models/gemini-2.5-flash@001"),
        ("publishers/meta/models/llama-4", VERTEX, "publishers/meta/models/llama-4"),
        ("endpoints/123", VERTEX, "endpoints/123"),
    ],
)
def test_path(model: str, quirks: GeminiQuirks, path: str) -> None:
    assert model_path(model, quirks) == path


@pytest.mark.parametrize(
    "model",
    [
        *(
            "",
            ".",
            "..",
            "a/b",
            "models/",
            "models/..",
            "models/../x",
            "models//x",
            "a?alt=json",
            "a#b",
            "a b",
            "a%2fb",
        ),
        *("a\n", "modelsx/y", "publishers/x/models/y", "ä", "x" * 201, "models" + "/x" * 6, "\\", "a:b", "models/a:b"),
    ],
)
def test_a_model_s_name_leads_nowhere_else(model: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        Gemini().request(GenerationRequest(model, HELLO))
    assert caught.value.extra == {"pointer": "/model"}


@given(st.text(alphabet=st.characters() | st.sampled_from("./?#%:\\@ \n"), max_size=12))
def test_any_name_is_one_piece_of_the_path_or_refused(model: str) -> None:
    try:
        path = Gemini().request(GenerationRequest(model, HELLO)).path
    except BadRequestError:
        return
    assert path == f"/models/{model.removeprefix('models/')}:streamGenerateContent?alt=sse" or path.startswith(
        "/tunedModels/"
    )
    assert set(path.split("/")) & {"", ".", ".."} == {""}
    assert path.count("?") == path.count(":") == 1
    assert path.isascii()
    assert path.isprintable()


@pytest.mark.parametrize(
    ("events", "stream", "path", "accept"),
    [
        (True, True, "/models/m:streamGenerateContent?alt=sse", "text/event-stream"),
        (False, True, "/models/m:streamGenerateContent", "application/json"),
        (True, False, "/models/m:generateContent", "application/json"),
        (False, False, "/models/m:generateContent", "application/json"),
    ],
)
def test_where_it_is_sent(events: bool, stream: bool, path: str, accept: str) -> None:
    sent = Gemini(GeminiQuirks(events=events)).request(GenerationRequest("m", HELLO, stream=stream))
    assert (sent.method, sent.path, sent.headers["Accept"]) == ("POST", path, accept)
    assert sent.headers["Content-Type"] == "application/json"

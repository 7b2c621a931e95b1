"""What a model thought is kept for the next turn, and goes back in the server's own field."""

import json
from typing import Any

from headwater.domain.event import ProviderData
from headwater.domain.message import GenerationRequest, Message, ProviderValue, Settings, ToolUse
from headwater.providers.contract import Finish, Frame
from headwater.providers.openai_chat_reasoning import CHARS_MAX, KeptReasoning, ReasoningField, returned
from headwater.providers.servers import SERVERS

CALLS = [ToolUse("a", "add", "{}")]


def chunk(delta: dict[str, Any], finish: str | None = None) -> Frame:
    return Frame(json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode())


def given_back(server: str, *deltas: dict[str, Any]) -> list[Any]:
    """The values that an answer of these pieces gives back, which come before its end."""
    decoder = SERVERS[server].dialect().decoder(GenerationRequest("model", [Message("user", "Why?")]))
    items = [item for delta in deltas for item in decoder.feed(chunk(delta))]
    items += [*decoder.feed(chunk({}, "stop")), *decoder.end(True)]
    assert isinstance(items[-1], Finish)
    return [item.value for item in items if isinstance(item, ProviderData) and item.provider == server]


def sent(server: str, *messages: Message, **settings: Any) -> list[dict[str, Any]]:
    request = GenerationRequest("model", [Message("user", "Why?"), *messages], Settings(**settings))
    body = json.loads(SERVERS[server].dialect().request(request).body)
    return [message for message in body["messages"] if message["role"] == "assistant"]


def kept(server: str, *values: Any) -> list[ProviderValue]:
    return [ProviderValue(server, value) for value in values]


def test_what_deepseek_thought_before_a_call_goes_back_with_it() -> None:
    thought = [{"reasoning_content": "I have to "}, {"reasoning_content": "add."}]
    call = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]}
    values = given_back("deepseek", *thought, call)
    assert values == [{"reasoning_content": "I have to add."}]
    (message,) = sent("deepseek", Message("assistant", tool_calls=CALLS, provider_data=kept("deepseek", *values)))
    assert message["reasoning_content"] == "I have to add."
    assert message["tool_calls"]


def test_without_a_call_it_is_not_wanted() -> None:
    assert given_back("deepseek", {"reasoning_content": "Hm."}, {"content": "So."}) == []
    assert sent("deepseek", Message("assistant", "So.")) == [{"role": "assistant", "content": "So."}]


def test_a_call_of_another_model_s_has_none_and_says_so_where_it_must() -> None:
    foreign = Message("assistant", tool_calls=CALLS, provider_data=kept("openrouter", {"reasoning_content": "x"}, 3))
    assert sent("deepseek", foreign)[0]["reasoning_content"] == ""
    assert "reasoning_content" not in sent("deepseek", foreign, reasoning_effort="none")[0]
    assert "reasoning_content" not in sent("openai", foreign)[0]


def test_thoughts_that_come_back_as_text_go_to_who_wants_them() -> None:
    called, said = Message("assistant", tool_calls=CALLS, reasoning="Hm."), Message("assistant", "So.", reasoning="Hm.")
    whole = Message(
        "assistant", tool_calls=CALLS, reasoning="H", provider_data=kept("deepseek", {"reasoning_content": "Hm."})
    )
    assert sent("deepseek", called)[0]["reasoning_content"] == "Hm."
    assert sent("deepseek", whole)[0]["reasoning_content"] == "Hm."
    for unwanted in (sent("deepseek", said), sent("deepseek", called, reasoning_effort="none")):
        assert "reasoning_content" not in unwanted[0]
    for message in (called, said):
        assert sent("llamacpp", message)[0]["reasoning_content"] == "Hm."
        assert sent("vllm", message)[0]["reasoning"] == "Hm."
    for server in ("openai", "openrouter", "groq", "mistral", "ollama", "lmstudio"):
        assert sent(server, said) == sent(server, Message("assistant", "So."))


def test_signed_and_sealed_blocks_are_put_together_and_go_back() -> None:
    values = given_back(
        "openrouter",
        {"reasoning_details": [{"type": "reasoning.text", "text": "I ", "index": 0, "format": "f", "signature": None}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "add.", "index": 0, "format": "f"}, "?"]},
        {"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Unsigned.", "index": 1}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "AA", "id": "1"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "BB", "id": "2"}]},
        {"content": "So."},
    )
    assert values == [
        {"type": "reasoning.text", "index": 0, "format": "f", "signature": "s", "text": "I add."},
        {"type": "reasoning.encrypted", "data": "AA", "id": "1"},
        {"type": "reasoning.encrypted", "data": "BB", "id": "2"},
    ]
    (message,) = sent("openrouter", Message("assistant", "So.", provider_data=kept("openrouter", *values, {"a": 1})))
    assert message == {"role": "assistant", "content": "So.", "reasoning_details": values}
    assert "reasoning_details" not in sent("xai", Message("assistant", "So.", provider_data=kept("xai", *values)))[0]


def test_odd_pieces_do_no_harm() -> None:
    odd = {"type": ["x"], "index": {"a": 1}, "text": 5, "signature": {"deep": []}}
    assert given_back("openrouter", {"reasoning_details": [odd, {}]}) == [
        {"type": ["x"], "index": {"a": 1}, "signature": {"deep": []}}
    ]
    message = Message("assistant", provider_data=kept("openrouter", {"type": 3}, None))
    assert returned(message, "openrouter", "reasoning_details", thinks=True) == {}


def test_too_much_is_not_kept() -> None:
    fields: tuple[ReasoningField, ...] = ("reasoning_content", "reasoning_details")
    for field in fields:
        reasoning = KeptReasoning(field)
        piece = "x" * (CHARS_MAX // 2)
        for _ in range(4):
            reasoning.take(piece, [{"type": "reasoning.text", "text": piece, "signature": "s"}])
        assert list(reasoning.values(has_calls=True)) == []
    wide = KeptReasoning("reasoning_content")
    wide.take("鷺" * (CHARS_MAX // 2), [])
    assert list(wide.values(has_calls=True)) == []
    whole = KeptReasoning("reasoning_content")
    whole.take("x" * (CHARS_MAX // 2), [])
    assert len(list(whole.values(has_calls=True))) == 1

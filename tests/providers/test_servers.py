"""The servers that are known by name: each row makes a model that can be called, and says what it can be asked for."""

import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.providers.capabilities import CAPABILITIES
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.contract import Reattachable
from headwater.providers.egress import check_base_url
from headwater.providers.openai_chat import OpenAIChat
from headwater.providers.openai_responses import OpenAIResponses
from headwater.providers.servers import SERVERS, chat_quirks_here

ASKED = GenerationRequest("m", [Message("user", "Hello")], Settings(max_tokens=5, temperature=0.5))


@pytest.mark.parametrize("name", SERVERS)
def test_each_can_be_a_models_provider(name: str) -> None:
    server = SERVERS[name]
    if server.base_url is None:
        base_url: str | None = "https://models.example/v1"
    else:
        assert check_base_url(server.base_url, allow_private=server.is_local) == server.base_url
        base_url = None
    catalog = Catalog.from_rows([ModelRow(name="m", provider=name, base_url=base_url)], {})
    assert catalog.models()[1].provider == name
    catalog.check(ASKED)
    # a server without a key of its own is on this machine, or is any that the operator names
    assert server.is_local or server.api_key_env or server.base_url is None


@pytest.mark.parametrize("name", SERVERS)
def test_each_calls_itself_by_its_name_and_promises_what_is_known(name: str) -> None:
    server = SERVERS[name]
    assert server.dialect().error(500, {}, b"").provider == name
    assert server.capabilities[0] == "text"
    assert set(server.capabilities) <= set(CAPABILITIES)
    assert server.models_path is None or server.models_path.startswith("/")


def test_a_server_on_this_machine_has_quirks_under_its_own_name() -> None:
    llamacpp = SERVERS["llamacpp"].dialect()
    assert isinstance(llamacpp, OpenAIChat)
    assert llamacpp.quirks == chat_quirks_here("llamacpp", "plain", reasoning_text_field="reasoning_content")


def test_what_a_claude_can_be_asked_for_is_by_its_version() -> None:
    rows = [ModelRow(name=name, provider="anthropic") for name in ("claude-opus-4-5", "claude-opus-5-5")]
    old, new = (set(info.capabilities) for info in Catalog.from_rows(rows, {}).models()[1:])
    assert old - new == {"prefill"}
    assert new == {"text", "reasoning", "tools", "json_schema", "images"}


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5-nano", "grok-4.3", "grok-4.5"])
def test_models_that_reason_are_called_by_responses(model: str) -> None:
    provider = "xai_responses" if model.startswith("grok") else "openai_responses"
    catalog = Catalog.from_rows([ModelRow(name=model, provider=provider)], {})
    asked = GenerationRequest(model, [Message("user", "Hello")], Settings(max_tokens=16, reasoning_effort="low"))
    catalog.check(asked)
    assert SERVERS[provider].dialect().request(asked).path == "/responses"


def test_an_answer_goes_on_in_the_background_where_the_server_keeps_it() -> None:
    dialects = {name: row.dialect() for name, row in SERVERS.items()}
    keeping = {name for name, each in dialects.items() if isinstance(each, OpenAIResponses) and each.quirks.background}
    assert keeping == {"openai_responses", "azure_responses", "bedrock_responses"}


@pytest.mark.parametrize("name", ["llamacpp", "vllm", "mistral"])
def test_a_server_that_goes_on_with_what_was_begun_says_so(name: str) -> None:
    assert "prefill" in SERVERS[name].capabilities
    assert "prefill" not in SERVERS["openai"].capabilities


def test_a_server_whose_answers_go_on_without_us_says_so() -> None:
    having = {name for name, row in SERVERS.items() if "background" in row.capabilities}
    assert having == {"openai_responses", "azure_responses", "bedrock_responses"}
    assert all(isinstance(SERVERS[name].dialect(), Reattachable) for name in having)


def test_one_that_searches_by_itself_calls_no_tools() -> None:
    lacking = {name for name, row in SERVERS.items() if "tools" not in row.capabilities}
    assert lacking == {"perplexity"}

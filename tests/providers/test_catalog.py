"""Which models can be called: rows to entries, keys from the environment, and words for what is wrong."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import BadRequestError, ConfigError, ErrorCode, ProviderError, UnsupportedError
from headwater.providers.catalog import Catalog, ModelRow
from headwater.providers.contract import Finish, HttpRequest, Silence
from headwater.providers.cost import Price
from headwater.providers.openai_chat import OpenAIChat, Quirks
from headwater.providers.replay import RecordingReplay, RunReplay
from headwater.providers.servers import SERVERS, ServerRow
from headwater.providers.simulated import Simulated
from tests.kit.upstream import ScriptedUpstream, chat_stream

CANARY = "canary-7f3a-b1e2"


def row(name: str = "mock", base_url: str | None = "https://models.example/v1", **fields: object) -> ModelRow:
    return msgspec.convert({"name": name, "base_url": base_url, **fields}, ModelRow)


def asked(model: str, **settings: object) -> GenerationRequest:
    return GenerationRequest(model, [Message("user", "Hello")], msgspec.convert(settings, Settings))


class TestModels:
    def test_simulated_is_always_there(self) -> None:
        catalog = Catalog.from_rows([], {})
        assert [info.name for info in catalog.models()] == ["simulated"]
        provider, model = catalog.resolve("simulated")
        assert isinstance(provider, Simulated)
        assert model == "simulated"
        assert catalog.warnings == []

    def test_rows_follow_in_their_order(self) -> None:
        catalog = Catalog.from_rows([row("b", model="upstream-b"), row("a", provider="groq", base_url=None)], {})
        assert [(info.name, info.provider, info.model) for info in catalog.models()] == [
            ("simulated", "simulated", "simulated"),
            ("b", "openai_chat", "upstream-b"),
            ("a", "groq", "a"),
        ]

    def test_what_a_server_can_not_do_is_not_promised(self) -> None:
        catalog = Catalog.from_rows([row("d", provider="deepseek"), row("o", provider="openai")], {})
        _, deepseek, openai = catalog.models()
        assert "json_schema" not in deepseek.capabilities
        assert {"json_schema", "images"} <= set(openai.capabilities)

    def test_an_unknown_model_is_refused_with_what_may_have_been_meant(self) -> None:
        catalog = Catalog.from_rows([row("mock-model")], {})
        with pytest.raises(BadRequestError, match="`mock-model`") as caught:
            catalog.resolve("mock-modle")
        assert caught.value.extra["pointer"] == "/model"
        with pytest.raises(BadRequestError) as caught:
            catalog.resolve("x" * 100_000)
        assert len(caught.value.message) < 300

    def test_models_of_one_server_and_key_share_connections(self) -> None:
        rows = [row("a"), row("b"), row("c", api_key_env="K"), row("d", base_url="https://other.example/v1")]
        catalog = Catalog.from_rows(rows, {"K": "key"})
        a, b, c, d = (catalog.resolve(name)[0] for name in "abcd")
        assert a is b
        assert len({id(a), id(c), id(d)}) == 3


class TestCheck:
    def test_a_request_is_refused_before_anything_begins(self) -> None:
        catalog = Catalog.from_rows([row("d", provider="deepseek")], {})
        catalog.check(asked("d"))
        with pytest.raises(UnsupportedError):
            catalog.check(asked("d", json_schema={"type": "object"}))
        with pytest.raises(BadRequestError):
            catalog.check(asked("simulated", extra={"simulated": {"unheard_of": 1}}))
        with pytest.raises(BadRequestError):
            catalog.check(asked("nobody"))

    def test_extra_for_nobody_is_refused_and_for_another_passed_over(self) -> None:
        catalog = Catalog.from_rows([row("d", provider="deepseek")], {})
        catalog.check(asked("d", extra={"openai": {"service_tier": "flex"}, "google": {}}))
        with pytest.raises(BadRequestError, match=r"`opnai`.*`openai`") as caught:
            catalog.check(asked("d", extra={"opnai": {"service_tier": "flex"}}))
        assert caught.value.extra == {"pointer": "/settings/extra"}
        own = Catalog.from_rows([], {}, servers={**SERVERS, "mine": SERVERS["openai"]})
        own.check(asked("simulated", extra={"mine": {"x": 1}}))

    def test_it_is_said_which_model_can(self) -> None:
        rows = [row("d", provider="deepseek"), row("o", provider="openai"), row("p", provider="openai"), row("g")]
        catalog = Catalog.from_rows(rows, {})
        with pytest.raises(UnsupportedError) as caught:
            catalog.check(asked("d", json_schema={"type": "object"}))
        # `p` is of the same kind as `o`, so it says nothing more
        assert caught.value.message == "deepseek does not take a JSON schema for its answer. `o` or `g` can."
        assert caught.value.extra == {"pointer": "/settings/json_schema"}

    def test_of_many_models_a_few_are_looked_at(self) -> None:
        asked_of: list[str] = []

        class Counted(OpenAIChat):
            def request(self, request: GenerationRequest) -> HttpRequest:
                asked_of.append(request.model)
                raise UnsupportedError("It can not.", pointer="/settings")

        server = ServerRow(dialect=Counted)
        rows = [row(f"m{n}", f"https://m{n}.example/v1", provider="acme") for n in range(100)]
        catalog = Catalog.from_rows(rows, {}, servers={"acme": server})
        with pytest.raises(UnsupportedError, match=r"^It can not\.$"):
            catalog.check(asked("m50"))
        assert asked_of[0] == "m50"
        assert len(asked_of) == 13

    def test_nobody_is_named_where_nobody_can(self) -> None:
        catalog = Catalog.from_rows([row("d", provider="deepseek"), row("e", provider="deepseek")], {})
        with pytest.raises(UnsupportedError, match=r"for its answer$"):
            catalog.check(asked("d", json_schema={"type": "object"}))

    def test_nobody_is_named_who_only_does_not_read_it(self) -> None:
        catalog = Catalog.from_rows([row("o", provider="openai"), row("g")], {})
        with pytest.raises(UnsupportedError, match=r"is not supported$"):
            catalog.check(asked("o", extra={"openai": {"n": 2}}))

    def test_a_row_may_promise_less_than_its_server(self) -> None:
        rows = [row("small", capabilities=["tools"]), row("large")]
        catalog = Catalog.from_rows(rows, {})
        assert catalog.models()[1].capabilities == ("text", "tools")
        catalog.check(asked("small", tools=[{"name": "clock"}]))
        with pytest.raises(UnsupportedError, match=r"`small` can not reason\. `large` can\.") as caught:
            catalog.check(asked("small", reasoning_effort="low"))
        assert caught.value.extra["pointer"] == "/settings/reasoning_effort"
        a, b = (catalog.resolve(name)[0] for name in ("small", "large"))
        assert a is b


async def test_a_row_may_add_headers() -> None:
    async with ScriptedUpstream(chat_stream(["a"])) as upstream:
        headers = {"HTTP-Referer": "https://app.example", "User-Agent": "ours"}
        rows = [row(name, upstream.base_url, allow_private=True, headers=headers) for name in ("a", "b")]
        catalog = Catalog.from_rows([*rows, row("c", upstream.base_url, allow_private=True)], {})
        a, b, c = (catalog.resolve(name)[0] for name in "abc")
        assert a is b
        for provider in (a, c):
            assert [i async for batch in provider.stream(asked("m"), connect_s=10) for i in batch]
        await catalog.close()
    first, second = (received.headers for received in upstream.requests)
    assert first["http-referer"] == "https://app.example"
    assert first["user-agent"].startswith("headwater/")
    assert "http-referer" not in second
    with pytest.raises(ConfigError, match=r"`m`.*api_key_env"):
        Catalog.from_rows([row("m", headers={"Authorization": CANARY})], {})


class TestRowsThatCanNotBeUsed:
    @pytest.mark.parametrize(
        ("bad", "words"),
        [
            (row(provider="opnai"), "`openai`"),
            (row(base_url=None), "base_url"),
            (row(base_url=None, provider="azure"), "base_url"),
            (row(base_url="http://127.0.0.1/v1"), "allow_private"),
            (row(base_url="ftp://example.com"), "https"),
            (row(name="simulated"), "simulated"),
            (row(capabilities=["text", "imags"]), "`images`"),
            (row(provider="deepseek", capabilities=["images"]), "which `deepseek` does not have"),
        ],
    )
    def test_it_is_named_with_what_is_wrong(self, bad: ModelRow, words: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Catalog.from_rows([bad], {})
        assert bad.name in caught.value.message
        assert words in caught.value.message

    def test_no_host_is_called_but_those_that_the_operator_names(self) -> None:
        row = ModelRow(name="m", provider="openai")
        assert Catalog.from_rows([row], {}, hosts=["api.openai.com"]).models()[1].name == "m"
        with pytest.raises(ConfigError, match=r"`m`: base_url leads to api\.openai\.com"):
            Catalog.from_rows([row], {}, hosts=["api.anthropic.com"])

    def test_a_name_is_given_once(self) -> None:
        with pytest.raises(ConfigError, match="`mock`"):
            Catalog.from_rows([row(), row()], {})

    def test_unknown_fields_are_refused(self) -> None:
        with pytest.raises(msgspec.ValidationError):
            row(api_key=CANARY)

    def test_a_key_that_no_header_can_carry_is_not_quoted(self) -> None:
        with pytest.raises(ConfigError) as caught:
            Catalog.from_rows([row(api_key_env="MY_KEY")], {"MY_KEY": f"{CANARY} {CANARY}"})
        assert "MY_KEY" in caught.value.message
        assert CANARY not in caught.value.message


class TestPricing:
    def test_what_nobody_is_paid_for_is_free_and_nothing_else(self) -> None:
        rows = [
            row("here", None, provider="ollama"),
            row("there", "https://models.example/v1", provider="ollama"),
            row("known", None, provider="openai", model="gpt-4o-mini"),
            row("unheard-of", None, provider="openai"),
            ModelRow(name="played", provider="replay", file=TestReplay.PLAIN),
        ]
        catalog = Catalog.from_rows(rows, {})
        prices = {info.name: catalog.pricing(info.name).price() for info in catalog.models()}
        free = Price(0, 0)
        assert prices.pop("known") is not None
        assert prices == {"simulated": free, "here": free, "there": None, "unheard-of": None, "played": free}
        with pytest.raises(BadRequestError):
            catalog.pricing("nobody")

    def test_the_operators_price_comes_first(self) -> None:
        rows = [row("m", None, provider="openai", model="gpt-4o-mini", price={"input": 1.0, "output": 2.0})]
        catalog = Catalog.from_rows(rows, {})
        assert catalog.pricing("m").price() == Price(1.0, 2.0)
        assert not catalog.needs_prices
        assert Catalog.from_rows([row("m", None, provider="openai")], {}).needs_prices

    @pytest.mark.parametrize(
        ("base_url", "needs"),
        [
            ("https://models.example/v1", True),
            ("http://127.0.0.1:8001/v1", False),
            ("http://[::1]:8001/v1", False),
            ("http://localhost:8001/v1", False),
            (None, False),
        ],
    )
    def test_the_list_is_needed_for_servers_with_a_name(self, base_url: str | None, needs: bool) -> None:
        catalog = Catalog.from_rows([row("m", base_url, provider="vllm", allow_private=True)], {})
        assert catalog.needs_prices == needs
        assert catalog.pricing("m").price() == (Price(0, 0) if base_url is None else None)


def test_a_row_says_how_long_its_model_may_be_silent() -> None:
    catalog = Catalog.from_rows([row("slow", first_token_s=90.0, idle_s=30.0), row("plain")], {})
    assert catalog.silence("slow") == Silence(90.0, 30.0)
    assert catalog.silence("plain") == catalog.silence("simulated") == Silence()
    with pytest.raises(BadRequestError):
        catalog.silence("nobody")


def test_who_can_do_something_is_named_a_few_at_a_time() -> None:
    local = [ModelRow(name=f"local-{number}", provider="llamacpp") for number in range(5)]
    catalog = Catalog.from_rows([ModelRow(name="gpt", provider="openai_responses"), *local], {})
    assert catalog.who_can("background") == ["gpt"]
    assert catalog.who_can("prefill") == ["local-0", "local-1", "local-2"]
    assert catalog.who_can("flight") == []


class TestKeys:
    async def test_a_missing_key_is_a_warning_and_an_error_of_the_call(self) -> None:
        catalog = Catalog.from_rows([row("a", provider="openai", base_url=None), row("b")], {"OPENAI_API_KEY": " "})
        (warning,) = catalog.warnings
        assert "`a`" in warning
        assert "OPENAI_API_KEY" in warning
        assert [info.missing_key for info in catalog.models() if info.name in "ab"] == ["OPENAI_API_KEY", None]
        provider, model = catalog.resolve("a")
        with pytest.raises(ProviderError) as caught:
            await anext(provider.stream(asked(model), connect_s=1))
        assert caught.value.code is ErrorCode.AUTH
        assert "OPENAI_API_KEY" in caught.value.message
        await catalog.close()

    async def test_the_key_of_the_environment_goes_to_the_rows_server(self) -> None:
        async with ScriptedUpstream(chat_stream(["a"])) as upstream:
            rows = [
                row("keyed", upstream.base_url, api_key_env="MY_KEY", allow_private=True, model="m1"),
                row("plain", upstream.base_url, allow_private=True),
                row("azure", upstream.base_url, provider="azure", api_key_env="MY_KEY", allow_private=True),
                row("openai", upstream.base_url, provider="openai", allow_private=True),
            ]
            catalog = Catalog.from_rows(rows, {"MY_KEY": CANARY + "\n", "OPENAI_API_KEY": "canary-openai"})
            for each in rows:
                provider, model = catalog.resolve(each.name)
                items = [i async for b in provider.stream(asked(model), connect_s=10) for i in b]
                assert isinstance(items[-1], Finish)
            keyed, plain, azure, openai = (received.headers for received in upstream.requests)
            assert keyed["authorization"] == f"Bearer {CANARY}"
            assert "authorization" not in plain
            assert (azure["api-key"], "authorization" in azure) == (CANARY, False)
            # A known server's own key is for its own address.
            assert "authorization" not in openai
            assert upstream.requests[0].json["model"] == "m1"
            await catalog.close()
            assert CANARY not in repr(catalog) + repr(vars(catalog)) + repr(catalog.models())


class TestServers:
    async def test_rows_may_name_servers_from_elsewhere(self) -> None:
        async with ScriptedUpstream(chat_stream(["a"])) as upstream:
            acme = ServerRow(dialect=lambda: OpenAIChat(Quirks(provider_name="acme")), base_url=upstream.base_url)
            servers = {**SERVERS, "acme": acme}
            rows = [row("m", None, provider="acme", allow_private=True)]
            catalog = Catalog.from_rows(rows, {}, servers=servers)
            provider, model = catalog.resolve("m")
            assert [i async for b in provider.stream(asked(model), connect_s=10) for i in b]
            await catalog.close()
        with pytest.raises(ConfigError, match="`acme`, which is not known"):
            Catalog.from_rows(rows, {})
        recorded = ModelRow(name="r", provider="replay", file=TestReplay.PLAIN, dialect="acme")
        assert Catalog.from_rows([recorded], {}, servers=servers).models()[-1].name == "r"

    async def test_a_server_is_spoken_to_in_its_own_dialect(self) -> None:
        class Elsewhere(OpenAIChat):
            def request(self, request: GenerationRequest) -> HttpRequest:
                return super().request(request)._replace(path="/elsewhere")

        async with ScriptedUpstream(chat_stream(["a"])) as upstream:
            acme = ServerRow(dialect=Elsewhere, capabilities=("text",), base_url=upstream.base_url)
            catalog = Catalog.from_rows(
                [row("m", None, provider="acme", allow_private=True)], {}, servers={"acme": acme}
            )
            provider, model = catalog.resolve("m")
            assert [i async for b in provider.stream(asked(model), connect_s=10) for i in b]
            assert upstream.requests[0].path == "/v1/elsewhere"
            assert catalog.models()[-1].capabilities == ("text",)
            await catalog.close()


class TestReplay:
    PLAIN = Path(__file__).parent / "fixtures" / "chat_plain.sse"

    def test_a_run_can_be_played_where_runs_can_be_read_and_is_nothing_to_choose(self) -> None:
        async def read(run: str, after: int) -> list[bytes]:
            return []

        catalog = Catalog.from_rows([], {}, read_records=read)
        assert isinstance(catalog.resolve("replay")[0], RunReplay)
        assert [info.name for info in catalog.models()] == ["simulated"]
        with pytest.raises(ConfigError, match="two models"):
            Catalog.from_rows([row("replay")], {}, read_records=read)
        with pytest.raises(BadRequestError):
            Catalog.from_rows([], {}).resolve("replay")

    def test_a_recording_is_a_model_like_others(self) -> None:
        rows = [ModelRow(name="r", provider="replay", file=self.PLAIN, dialect="groq", speed="instant", idle_s=3)]
        catalog = Catalog.from_rows(rows, {})
        assert [(info.name, info.provider, info.model) for info in catalog.models()][1:] == [("r", "replay", "r")]
        assert isinstance(catalog.resolve("r")[0], RecordingReplay)
        assert catalog.silence("r").idle_s == 3
        catalog.check(asked("r"))

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"provider": "replay"}, "needs a `file`"),
            ({"provider": "replay", "file": Path("none.sse")}, r"`m`: none\.sse can not be read"),
            ({"provider": "replay", "file": PLAIN, "dialect": "groc"}, "dialect `groc`.*`groq`"),
            ({"provider": "replay", "file": PLAIN, "base_url": "https://a.example"}, "`base_url`, which means nothing"),
            ({"provider": "replay", "file": PLAIN, "api_key_env": "K"}, "`api_key_env`, which means nothing"),
            ({"provider": "openai", "file": PLAIN}, "`file`, which means nothing to `openai`"),
            ({"provider": "openai", "speed": 2.0}, "`speed`, which means nothing to `openai`"),
            ({"provider": "repaly"}, "Did you mean `replay`"),
        ],
    )
    def test_a_row_that_makes_no_sense_is_refused(self, fields: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            Catalog.from_rows([ModelRow(name="m", **fields)], {})

"""The list of prices: what it knows, what it does not, and how it is kept fresh. Its figures are not ours to test."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import genai_prices
import msgspec
import pytest
from genai_prices import data_snapshot

from headwater.domain.message import Usage
from headwater.providers.cost import Price
from headwater.providers.prices import ListedPrice, keep_fresh, load
from tests.kit.upstream import ScriptedUpstream, Send, Status

OPENAI = "https://api.openai.com/v1"


def test_a_listed_model_has_a_price_and_its_calls_a_cost() -> None:
    load()
    listed = ListedPrice(OPENAI, "gpt-4o-mini")
    price = listed.price()
    assert price is not None
    assert price.cached_input is not None
    assert 0 < price.cached_input < price.input < price.output
    cost = listed.cost(Usage(input_tokens=10_000, cached_input_tokens=4_000, output_tokens=1_000, reasoning_tokens=500))
    assert cost == pytest.approx((6_000 * price.input + 4_000 * price.cached_input + 1_000 * price.output) / 1e6)
    assert listed.cost(Usage()) == 0


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        (OPENAI, "a-model-that-nobody-has"),
        (OPENAI, ""),
        ("https://models.example/v1", "gpt-4o-mini"),
        ("http://127.0.0.1:8080/v1", "gpt-4o-mini"),
        # priced by the picture: nothing is known of its words
        (OPENAI, "dall-e-3"),
    ],
)
def test_what_the_list_has_not_is_unknown_and_never_free(base_url: str, model: str) -> None:
    listed = ListedPrice(base_url, model)
    assert listed.price() is None
    assert listed.cost(Usage(input_tokens=5, output_tokens=5)) is None


def test_more_from_the_cache_than_there_was_is_no_error() -> None:
    assert ListedPrice(OPENAI, "gpt-4o-mini").cost(Usage(input_tokens=5, cached_input_tokens=9)) is not None


def test_what_was_put_into_a_cache_has_a_price_of_its_own() -> None:
    listed = ListedPrice("https://api.anthropic.com/v1", "claude-sonnet-4-5")
    price = listed.price()
    assert price is not None

    def cost(cache_write_tokens: int = 0, cache_write_1h_tokens: int = 0) -> float:
        writes = {"cache_write_tokens": cache_write_tokens, "cache_write_1h_tokens": cache_write_1h_tokens}
        found = listed.cost(msgspec.structs.replace(Usage(input_tokens=100_000), **writes))
        assert found is not None
        return found * 10

    assert cost() == pytest.approx(price.input)
    assert (price.cache_write, price.cache_write_1h) == pytest.approx((1.25 * price.input, 2 * price.input))
    # https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#pricing
    assert cost(cache_write_tokens=100_000) == pytest.approx(1.25 * price.input)
    assert cost(cache_write_tokens=100_000, cache_write_1h_tokens=100_000) == pytest.approx(2 * price.input)
    half_and_half = cost(cache_write_tokens=100_000, cache_write_1h_tokens=50_000)
    assert half_and_half == pytest.approx((1.25 + 2) / 2 * price.input)
    # more than there was is as much as there was
    assert cost(cache_write_tokens=200_000, cache_write_1h_tokens=300_000) == pytest.approx(2 * price.input)


def test_where_the_list_has_no_price_for_it_it_is_input_like_other() -> None:
    listed = ListedPrice(OPENAI, "gpt-4o-mini")
    assert listed.cost(Usage(1000, cache_write_tokens=600)) == listed.cost(Usage(1000))


def test_the_list_is_read_in_only_where_it_is_needed() -> None:
    code = (
        "import sys; from headwater.providers.prices import ListedPrice; import headwater.app; "
        "ListedPrice('https://api.openai.com/v1', 'm'); sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def stops() -> Iterator[list[Callable[[], None]]]:
    running: list[Callable[[], None]] = []
    yield running
    for stop in running:
        stop()
    data_snapshot.set_custom_snapshot(None)


async def test_it_can_be_kept_fresh(stops: list[Callable[[], None]]) -> None:
    fresh = [
        {
            "id": "acme",
            "name": "Acme",
            "api_pattern": "https://models\\.example",
            "models": [{"id": "anvil", "match": {"equals": "anvil"}, "prices": {"input_mtok": 3, "output_mtok": 7}}],
        }
    ]
    listed = ListedPrice("https://models.example/v1", "anvil")
    assert listed.price() is None
    body = json.dumps(fresh).encode()
    async with ScriptedUpstream([Status(200, {"Content-Type": "application/json"}), Send(body)]) as upstream:
        stops.append(keep_fresh(3600, upstream.origin + "/prices.json"))
        assert await genai_prices.wait_prices_updated_async(10)
        assert upstream.requests[0].path == "/prices.json"
    price = listed.price()
    assert price is not None
    assert price == Price(3, 7)

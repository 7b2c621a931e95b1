"""What a call costs: the provider's word, a price, or nothing that is known."""

import pytest

from headwater.domain.message import Usage
from headwater.providers.cost import FREE, UNPRICED, Price, Rates, priced

USED = Usage(input_tokens=1_000_000, cached_input_tokens=400_000, output_tokens=2_000_000)


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(1.0, 10.0), 1.0 + 20.0),
        (Price(1.0, 10.0, 0.25), 0.6 + 0.1 + 20.0),
        (Price(1.0, 10.0, 0.0), 0.6 + 20.0),
        (Price(0.0, 0.0), 0.0),
    ],
)
def test_a_price_is_for_a_million_tokens(price: Price, cost: float) -> None:
    assert Rates(price).cost(USED) == pytest.approx(cost)
    assert Rates(price).price() == price


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(1.0, 0.0), 1.0),
        (Price(1.0, 0.0, cache_write=1.25), 0.7 + 0.3 * 1.25),
        (Price(1.0, 0.0, cache_write=1.25, cache_write_1h=2.0), 0.7 + 0.2 * 1.25 + 0.1 * 2.0),
        (Price(1.0, 0.0, 0.1, 1.25, 2.0), 0.3 + 0.4 * 0.1 + 0.2 * 1.25 + 0.1 * 2.0),
    ],
)
def test_what_is_put_into_the_cache_has_its_own_price(price: Price, cost: float) -> None:
    read = 400_000 if price.cached_input is not None else 0
    used = Usage(1_000_000, read, cache_write_tokens=300_000, cache_write_1h_tokens=100_000)
    assert Rates(price).cost(used) == pytest.approx(cost)


def test_more_for_the_cache_than_there_was_is_not_paid_for() -> None:
    used = Usage(10, 4, cache_write_tokens=900, cache_write_1h_tokens=950)
    assert Rates(Price(1e6, 0.0, 0.0, 2e6, 3e6)).cost(used) == 18.0


def test_more_from_the_cache_than_there_was_makes_no_credit() -> None:
    assert Rates(Price(1.0, 0.0, 0.0)).cost(Usage(input_tokens=5, cached_input_tokens=9)) == 0.0


def test_nobody_is_paid_for_what_is_free_and_nobody_knows_what_has_no_price() -> None:
    assert (FREE.price(), FREE.cost(USED)) == (Price(0.0, 0.0), 0.0)
    assert (UNPRICED.price(), UNPRICED.cost(USED)) == (None, None)


def test_the_providers_own_word_comes_first() -> None:
    said = Usage(1, cost_usd=0.5)
    assert priced(said, FREE) is said
    assert priced(USED, UNPRICED) is USED
    assert priced(USED, Rates(Price(1.0, 0.0))).cost_usd == pytest.approx(1.0)
    guess = Usage(1_000_000, source="estimated")
    assert priced(guess, Rates(Price(2.0, 0.0))) == Usage(1_000_000, cost_usd=2.0, source="estimated")

"""What a call costs, in US dollars: by its provider's own word, else by a price. An unknown price is never 0."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from headwater.domain.message import Usage

_PER: Final = 1_000_000


class Price(msgspec.Struct, frozen=True):
    """US dollars for a million tokens. Where a price has tiers or times, these are those of a small call now."""

    input: float
    output: float
    #: of input that the provider had in its cache; None is as other input
    cached_input: float | None = None
    #: of input that was put into the provider's cache; None is as other input
    cache_write: float | None = None
    #: of that, what was put there for an hour; None is as what is put there for minutes
    cache_write_1h: float | None = None


class Pricing(Protocol):
    """How a model is paid for."""

    def price(self) -> Price | None:
        """None where it is not known."""
        ...

    def cost(self, usage: Usage) -> float | None:
        """US dollars for this usage, None where it is not known. Without I/O."""
        ...


class Rates:
    """Prices that the operator gave, or that are 0 because nobody is paid."""

    def __init__(self, price: Price) -> None:
        self._price = price

    def price(self) -> Price | None:
        return self._price

    def cost(self, usage: Usage) -> float | None:
        rates = self._price
        cached_rate = rates.input if rates.cached_input is None else rates.cached_input
        write_rate = rates.input if rates.cache_write is None else rates.cache_write
        hour_rate = write_rate if rates.cache_write_1h is None else rates.cache_write_1h
        written, for_an_hour = usage.cache_writes
        # more from or for the cache than there was makes no credit
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        written = min(written, usage.input_tokens - cached)
        for_an_hour = min(for_an_hour, written)
        paid = (usage.input_tokens - cached - written) * rates.input + cached * cached_rate
        paid += (written - for_an_hour) * write_rate + for_an_hour * hour_rate + usage.output_tokens * rates.output
        return paid / _PER


class Unpriced:
    """Of a model that no list has."""

    def price(self) -> Price | None:
        return None

    def cost(self, usage: Usage) -> float | None:
        return None


#: Of a model on this machine, and of what is only played.
FREE: Final[Pricing] = Rates(Price(0.0, 0.0))
UNPRICED: Final[Pricing] = Unpriced()


def priced(usage: Usage, pricing: Pricing) -> Usage:
    """The usage with its cost. What the provider itself says that it costs stays."""
    if usage.cost_usd is not None:
        return usage
    cost = pricing.cost(usage)
    return usage if cost is None else msgspec.structs.replace(usage, cost_usd=cost)

"""The list of prices that the package `genai-prices` keeps, by where a model is called and what it is called there.

The package is read in only where a model needs it: it takes 5 MiB and 0.2 s, and more the first time, when Python
compiles it. `load` does that in a thread of the caller's; after it a lookup takes 0.1 ms.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from headwater.domain.message import Usage
from headwater.providers.cost import Price

#: What the package raises where it has no price, or none for such usage.
_UNKNOWN: Final = (LookupError, ValueError)


def load() -> None:
    """Reads the list in. Blocks."""
    ListedPrice("https://api.openai.com/v1", "").price()


class ListedPrice:
    """As `Pricing`: what the list says of a model at this address now."""

    def __init__(self, base_url: str, model: str) -> None:
        self._base_url = base_url
        self._model = model

    def price(self) -> Price | None:
        with contextlib.suppress(*_UNKNOWN):
            return _price(self._calculated(Usage()).model_price)
        return None

    def cost(self, usage: Usage) -> float | None:
        with contextlib.suppress(*_UNKNOWN):
            calculated = self._calculated(usage)
            # What has no price for its words, as a model of images has none, would seem to be free.
            return None if _price(calculated.model_price) is None else float(calculated.total_price)
        return None

    def _calculated(self, usage: Usage) -> Any:
        import genai_prices

        written, for_an_hour = usage.cache_writes
        # more from or for the cache than there was is no usage to the package
        read = min(usage.cached_input_tokens, usage.input_tokens)
        written = min(written, usage.input_tokens - read)
        counted = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=min(for_an_hour, written),
            output_tokens=usage.output_tokens,
        )
        return genai_prices.calc_price(counted, self._model, provider_api_url=self._base_url)


def keep_fresh(every_s: float, url: str | None = None) -> Callable[[], None]:
    """Fetches the list anew now and then, in a thread of the package's own; the answer ends that.

    `url` is another place than the package's, in the same form. A fetch that fails is told in the log, and the list
    stays as it was.
    """
    import genai_prices

    updates = genai_prices.UpdatePrices(update_interval=every_s)
    if url is not None:
        updates.url = url
    updates.start()
    return updates.stop


def _price(rates: Any) -> Price | None:
    paid, made = _base(rates.input_mtok), _base(rates.output_mtok)
    if paid is None or made is None:
        return None
    cache = (rates.cache_read_mtok, rates.cache_write_mtok, rates.cache_write_1h_mtok)
    return Price(paid, made, *map(_base, cache))


def _base(rate: Any) -> float | None:
    """A price, or that of its first tier."""
    value = getattr(rate, "base", rate)
    return float(value) if isinstance(value, Decimal) else None

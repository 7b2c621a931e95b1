"""The list of prices that the package `genai-prices` keeps, by where a model is called and what it is called there.

The package is read in only when a model needs it: it takes some 30 MB and a quarter of a second. `load` does that
in a thread of the caller's; after it a lookup takes about 0.1 ms.
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
            rates = self._calculated(Usage()).model_price
            values = [_base(getattr(rates, name)) for name in ("input_mtok", "output_mtok", "cache_read_mtok")]
            if values[0] is not None and values[1] is not None:
                return Price(values[0], values[1], values[2])
        return None

    def cost(self, usage: Usage) -> float | None:
        # What has no price for its words, as a model of images has none, would seem to be free.
        if self.price() is None:
            return None
        with contextlib.suppress(*_UNKNOWN):
            return float(self._calculated(usage).total_price)
        return None

    def _calculated(self, usage: Usage) -> Any:
        import genai_prices

        counted = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=min(usage.cached_input_tokens, usage.input_tokens),
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


def _base(rate: Any) -> float | None:
    """A price, or that of its first tier."""
    value = getattr(rate, "base", rate)
    return float(value) if isinstance(value, Decimal) else None

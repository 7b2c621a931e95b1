"""The server's commits, as its metrics tell of them."""

from __future__ import annotations

from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from headwater.client import ClientError
from headwater.client.http import Http, make_http

_METRIC: Final = "headwater_commit_seconds"


class Commits(NamedTuple):
    """How many there were since the server began, and how long they took together."""

    number: float
    seconds: float

    def mean_ms_since(self, earlier: Commits) -> float | None:
        """What one took on average; None where there was none."""
        number = self.number - earlier.number
        return round((self.seconds - earlier.seconds) / number * 1000, 3) if number > 0 else None


async def commits(url: str) -> Commits | None:
    """None where a server keeps its metrics to itself, as one behind a proxy should."""
    http = Http(make_http(url, {}, None))
    try:
        text = (await http.call("GET", "/metrics")).decode(errors="replace")
    except ClientError:
        return None
    finally:
        await http.close()
    return of_metrics(text)


def of_metrics(text: str) -> Commits | None:
    """From Prometheus' text form; None where it is something else, or does not tell of commits."""
    try:
        samples = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            if family.name == _METRIC
            for sample in family.samples
        }
        return Commits(samples[f"{_METRIC}_count"], samples[f"{_METRIC}_sum"])
    except (KeyError, ValueError):
        return None

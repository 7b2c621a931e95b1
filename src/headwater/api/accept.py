"""Which of the forms on offer an `Accept` header asks for (RFC 9110, 12.5.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headwater.errors import NotAcceptableError

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"
HTML = "text/html"

#: The content coding that changes nothing; always acceptable here, for there is nothing else to send.
IDENTITY = "identity"


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that the header likes best; the first on offer where it has no opinion.

    The most specific range decides a type's weight; between equal weights a type that was named wins
    over one that only `*` covers, then the order on offer. Raises `NotAcceptableError`.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    best: tuple[float, int, int] | None = None
    chosen = ""
    for place, media in enumerate(offered):
        specificity, weight = max(
            ((_specificity(media, name), weight) for name, weight in ranges), key=lambda pair: pair[0], default=(0, 0.0)
        )
        if specificity == 0 or weight <= 0:
            continue
        rank = (weight, specificity, -place)
        if best is None or rank > best:
            best, chosen = rank, media
    if best is None:
        raise NotAcceptableError("This resource comes as: " + ", ".join(offered) + ".")
    return chosen


def names(accept: str | None, media: str) -> bool:
    """Whether the header wants this type by name. `*/*` says nothing about who asks; browsers name HTML."""
    return any(name == media and weight > 0 for name, weight in map(_range, (accept or "").split(",")))


def coding(accept_encoding: str | None, offered: Iterable[str]) -> str:
    """The offered content coding that the header likes best (RFC 9110, 12.5.3), `identity` where it likes none.

    Between equal weights the order on offer decides.
    """
    weights = dict(map(_range, (accept_encoding or "").split(",")))
    # `*` is for those that were not named; `identity` needs no naming, and is liked only where it was.
    others = weights.get("*", 0.0)
    liked = {each: weights.get(each, 0.0 if each == IDENTITY else others) for each in offered}
    best = max(liked, key=lambda each: liked[each], default=IDENTITY)
    return best if liked.get(best, 0.0) > 0 else IDENTITY


def _range(part: str) -> tuple[str, float]:
    """A media range and its weight; a weight that is no number counts as 0, parameters are passed over."""
    name, *parameters = part.split(";")
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            weight = _weight(value.strip())
    return name.strip().lower(), weight


def _weight(text: str) -> float:
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4):
        return 0.0
    return min(float(text), 1.0)


def _specificity(media: str, name: str) -> int:
    """3 for the type itself, 2 for `text/*`, 1 for `*/*`, 0 where the range does not cover it."""
    if name == media:
        return 3
    if name == media.partition("/")[0] + "/*":
        return 2
    return 1 if name in ("*/*", "*") else 0

"""Halves of UTF-16 surrogate pairs, which JSON's escapes can write and UTF-8 can not.

A provider that cuts its text between UTF-16 units sends `"\\ud83d"` in one delta and `"\\ude00"` in the next. Half a
pair is held back until the other half comes; one that stays alone is U+FFFD.
"""

from __future__ import annotations

from typing import Any, Final

REPLACEMENT: Final = "\ufffd"


def join_surrogates(text: str) -> tuple[str, str]:
    """`text` with its pairs joined and lone halves replaced, and a first half at its very end, to go before more."""
    half = ""
    if text and "\ud800" <= text[-1] <= "\udbff":
        text, half = text[:-1], text[-1]
    return replace_surrogates(text), half


def replace_surrogates(text: str) -> str:
    """`text` with its pairs joined and everything that is left of others replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def scrub_surrogates(value: Any) -> Any:
    """A JSON value with `replace_surrogates` done to every string in it, names too."""
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, list):
        return [scrub_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {replace_surrogates(name): scrub_surrogates(each) for name, each in value.items()}
    return value

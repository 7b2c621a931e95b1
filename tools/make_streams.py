"""Writes the parts of docs/reference/providers.md that are made by decoding every recorded stream.

    <!-- recorded: streams -->
    …
    <!-- end -->

python -m tools.make_streams           writes them
python -m tools.make_streams --check   ends with 1 where the page is not what would be written

What is compared with what, and where ours may differ, is in the tests of the recordings, one module a dialect: they
fail where this page would not be true.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from headwater.providers.contract import Dialect
from headwater.testing.decoding import decode_pieces
from tests.providers import (
    test_anthropic_recordings,
    test_gemini_recordings,
    test_openai_chat_recordings,
    test_openai_responses_recordings,
)
from tests.providers.summaries import summary_of
from tests.recordings import Recording
from tools.make_docs import DOCS, table

PAGE: Final = DOCS / "reference" / "providers.md"
_BLOCK: Final = re.compile(r"(<!-- recorded: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

#: Where each dialect's recordings are held to their goldens.
MODULES: Final[tuple[ModuleType, ...]] = (
    test_openai_chat_recordings,
    test_openai_responses_recordings,
    test_anthropic_recordings,
    test_gemini_recordings,
)


class Outcome(NamedTuple):
    """What became of one recording. `error` is the code that it ended with; `agrees` is with the provider's SDK."""

    recording: Recording
    dialect: str
    error: str | None
    agrees: bool
    #: why ours is right where it differs
    reason: str


def outcomes() -> Iterator[Outcome]:
    """Every recording, decoded now."""
    for module in MODULES:
        for recording in module.RECORDINGS.values():
            yield _outcome(module, recording)


def _outcome(module: ModuleType, recording: Recording) -> Outcome:
    dialect: Dialect = module.dialect_of(recording) if hasattr(module, "dialect_of") else module.DIALECT
    decoded = decode_pieces(dialect, [recording.read()], clean=True)
    error = None if decoded.error is None else str(decoded.error.code)
    return Outcome(
        recording,
        dialect.name,
        error,
        decoded.completed and _comparable(summary_of(decoded)) == _comparable(_golden(module, recording)),
        _reason(module, recording.name),
    )


def _golden(module: ModuleType, recording: Recording) -> Mapping[str, Any]:
    """What the SDK made of the same bytes; of nothing where it raised."""
    golden = recording.golden()
    return {} if golden.get("raised") else module.golden_summary(golden)


def _reason(module: ModuleType, name: str) -> str:
    if name in module.DEVIATIONS:
        return str(module.DEVIATIONS[name].reason)
    if name in getattr(module, "GOLDEN_OF", {}):
        return "the SDK raises on legal bytes"
    return (
        "the SDK gives out each piece of a call's arguments as a call"
        if name in getattr(module, "STREAMED", {})
        else ""
    )


def _comparable(summary: Mapping[str, Any]) -> dict[str, Any]:
    """With arguments of tools as values, which some SDKs give and others do not."""
    calls = [(call, name, _value(arguments)) for call, name, arguments in summary.get("tool_calls", [])]
    return {**summary, "tool_calls": calls}


def _value(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return None


def streams() -> str:
    """A row for each provider and API."""
    kinds: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes():
        entry = outcome.recording
        kinds.setdefault((entry.provider, entry.api, outcome.dialect), []).append(outcome)
    head = [
        "provider",
        "API",
        "dialect",
        "streams",
        "whole and as the SDK reads them",
        "whole and otherwise",
        "in an error",
    ]
    rows = [
        [
            provider,
            f"`{api}`",
            f"`{dialect}`",
            str(len(these)),
            str(sum(each.agrees for each in these)),
            str(sum(each.error is None and not each.agrees for each in these)),
            str(sum(each.error is not None for each in these)),
            _exercises(these),
        ]
        for (provider, api, dialect), these in sorted(kinds.items())
    ]
    return table([*head, "what they exercise"], rows)


def _exercises(these: list[Outcome]) -> str:
    counted = Counter(word for each in these for word in each.recording.entry["exercises"])
    return ", ".join(f"`{word}`" for word, _ in counted.most_common()) or "—"


def differences() -> str:
    """Every whole stream that we read otherwise than the provider's SDK, and why."""
    found = [each for each in outcomes() if each.error is None and not each.agrees]
    return table(["stream", "why"], [[f"`{each.recording.name}`", each.reason] for each in found])


def failures() -> str:
    """Every stream that ends in an error, and in which."""
    found = [each for each in outcomes() if each.error is not None]
    return table(["stream", "code"], [[f"`{each.recording.name}`", f"`{each.error}`"] for each in found])


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "streams": streams,
    "differences": differences,
    "failures": failures,
}


def rendered(text: str) -> str:
    """The text with each recorded part made anew. Raises KeyError for a name that is not known."""
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found["name"]]() + found[3], text)


def main(arguments: list[str], page: Path = PAGE) -> int:
    text = page.read_text(encoding="utf-8")
    wanted = rendered(text)
    if "--check" in arguments:
        return int(wanted != text)
    page.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What it costs to read JSON while it grows: answers of several lengths, in deltas of two characters and in one piece.

    python -m benchmarks.partial_json [--seconds 1.0] [--out results.jsonl]

Prints CPU µs per character, the median and the least of several rounds: a curve that stays flat is linear work. Each
delta is told of, so the deltas are compared with the same reader given the whole text, and with what it would take to
parse the whole with json and jiter once. Parsing the growing text anew with each delta is shown as far as it can be
borne: its curve rises.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import jiter

from benchmarks.results import missed, print_table, write_results
from headwater.wire.answer_json import AnswerJSON

DELTA_CHARS: Final = 2
SIZES: Final = (25_000, 50_000, 100_000, 200_000, 400_000)
#: The length that the target speaks of, and what reading it in deltas may cost beside reading it at once.
TARGET_CHARS: Final = 200_000
TARGET_TIMES: Final = 10.0
#: The curve's last point over its first.
TARGET_RISE: Final = 1.5
ROUNDS: Final = 5
REPARSED_CHARS_MAX: Final = 25_000


def answer(chars: int) -> str:
    """An answer as the applications ask for: text, hints, grids of colours."""
    items: list[dict[str, Any]] = []
    while len(text := json.dumps({"tests": items}, ensure_ascii=False)) < chars:
        grid = [[(row * column + len(items)) % 10 for column in range(15)] for row in range(15)]
        said = "Each shape is moved to where its colour – or the next one – is missing, and mirrored. " * 5
        more = {"pattern": said, "hints": ['look at "edges"', "count\n"], "grid": grid, "confidence": 0.85}
        items += [more] * max(1, (chars - len(text)) // 2500)
    return text


def in_deltas(text: str) -> None:
    parser = AnswerJSON()
    for at in range(0, len(text), DELTA_CHARS):
        parser.feed(text[at : at + DELTA_CHARS])
    assert parser.is_whole


def at_once(text: str) -> None:
    parser = AnswerJSON()
    parser.feed(text)
    assert parser.is_whole


def by_json(text: str) -> None:
    json.loads(text)


def by_jiter(text: str) -> None:
    jiter.from_json(text.encode())


def parsed_anew(text: str) -> None:
    encoded = text.encode()
    for at in range(DELTA_CHARS, len(encoded), DELTA_CHARS):
        jiter.from_json(encoded[:at], partial_mode="trailing-strings")


def stages() -> Iterator[tuple[str, int, Callable[[str], None]]]:
    """What is measured: its name, the length of the answer, and one round of it."""
    for size in SIZES:
        yield f"ours: in deltas, {size // 1000} kB", size, in_deltas
    yield f"ours: at once, {TARGET_CHARS // 1000} kB", TARGET_CHARS, at_once
    yield f"reference: json.loads once, {TARGET_CHARS // 1000} kB", TARGET_CHARS, by_json
    yield f"reference: jiter once, {TARGET_CHARS // 1000} kB", TARGET_CHARS, by_jiter
    for size in (REPARSED_CHARS_MAX // 4, REPARSED_CHARS_MAX // 2, REPARSED_CHARS_MAX):
        yield f"reference: jiter anew with each delta, {size / 1000:g} kB", size, parsed_anew


def measure(seconds: float) -> dict[str, tuple[float, float]]:
    """The median and the least of each stage, in rounds: a disturbance meets one round of each."""
    found = [(name, answer(size), run) for name, size, run in stages()]
    rounds: dict[str, list[float]] = {name: [] for name, _, _ in found}
    for name, text, run in found * ROUNDS:
        times, begun = 0, time.process_time()
        while not times or time.process_time() - begun < seconds / ROUNDS:
            run(text)
            times += 1
        rounds[name].append((time.process_time() - begun) / times / len(text) * 1e6)
    return {name: (statistics.median(each), min(each)) for name, each in rounds.items()}


def table(measured: dict[str, tuple[float, float]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {"figure": name, "unit": "µs per char", "median": round(median, 4), "least": round(least, 4), "target": None}
        for name, (median, least) in measured.items()
    ]
    names = list(measured)
    curve = [measured[name][1] for name in names[: len(SIZES)]]
    deltas = measured[names[SIZES.index(TARGET_CHARS)]][1]
    once = measured[names[len(SIZES)]][1]
    for figure, value, target in (
        ("200 kB in deltas, times reading it at once", deltas / once, TARGET_TIMES),
        ("the curve's end over its beginning", curve[-1] / curve[0], TARGET_RISE),
    ):
        rows.append({"figure": figure, "unit": "×", "median": None, "least": round(value, 2), "target": target})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per character of JSON that is read while it grows.")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time for each figure")
    parser.add_argument("--out", type=Path, help="append the raw figures to this file, a line of JSON each")
    options = parser.parse_args()
    rows = table(measure(options.seconds))
    print_table(rows)
    write_results(options.out, rows)
    return max((missed([row]) for row in rows), default=0)


if __name__ == "__main__":
    sys.exit(main())

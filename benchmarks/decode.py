"""What a frame of a provider's stream costs on its way to a record: decode, normalise, encode. For each dialect.

    python -m benchmarks.decode [NAME …] [--seconds 1.0] [--out results.jsonl]

Prints CPU µs per frame, the median and the least of several rounds, for a synthetic stream and for recorded ones where
there are any. Beside ours, in the same run on the same bytes: `json.loads` of each frame, and what the provider's own
SDK does to make its objects of them (both are given the frames ready-made, so SSE is not counted for them). Our share
of the SDK's cost, frames ready-made for us too, is a row of its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks import decode_chat, decode_gemini, decode_messages, decode_responses
from benchmarks.decode_subject import Subject
from benchmarks.results import missed, print_table, write_results
from headwater.domain.event import encode_record
from headwater.domain.message import GenerationRequest
from headwater.providers.contract import Finish
from headwater.testing.decoding import framer

SUBJECTS: Final[dict[str, Callable[[], Subject]]] = {
    "chat": decode_chat.subject,
    "messages": decode_messages.subject,
    "gemini": decode_gemini.subject,
    "gemini_array": decode_gemini.array_subject,
    "responses": decode_responses.subject,
}
#: At least 20 times less than the SDK.
TARGET_SHARE: Final = 0.05
ROUNDS: Final = 7
REQUEST: Final = GenerationRequest(model="model", messages=[])
NORMALISE: Final = "ours: decode and normalise only"
SDK: Final = "reference: SDK"
#: Behind an event's blank line, or between two values of an array.
_BLOCK_END: Final = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\n,\n)")
SHARE: Final = "ours: decode and normalise, of the SDK's cost"


def blocks_of(body: bytes) -> list[bytes]:
    """One piece an event: how a stream that is paced by its model arrives."""
    return [block for block in _BLOCK_END.split(body) if block]


def bulk_of(body: bytes) -> list[bytes]:
    """Pieces of 16 KiB: how a stream that waited arrives."""
    return [body[at : at + 16_384] for at in range(0, len(body), 16_384)]


def stages(subject: Subject, body: bytes) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is measured, by its name."""
    dialect = subject.dialect
    paced, bulk = blocks_of(body), bulk_of(body)
    frames = framer(dialect).feed(body)
    decoder = dialect.decoder(REQUEST)
    events = [item for frame in frames for item in decoder.feed(frame) if not isinstance(item, Finish)]

    def all_of(pieces: list[bytes]) -> Callable[[], None]:
        def run() -> None:
            cutter, reader = framer(dialect), dialect.decoder(REQUEST)
            seq = 0
            for piece in pieces:
                for frame in cutter.feed(piece):
                    for item in reader.feed(frame):
                        assert not isinstance(item, Finish)
                        seq += 1
                        encode_record(seq, 1234, item)
            reader.end(True)

        return run

    def cut() -> None:
        cutter = framer(dialect)
        for piece in paced:
            cutter.feed(piece)

    def normalise() -> None:
        feed = dialect.decoder(REQUEST).feed
        for frame in frames:
            feed(frame)

    def encode() -> None:
        for seq, event in enumerate(events):
            encode_record(seq, 1234, event)

    def loads() -> None:
        for frame in frames:
            if frame.data != b"[DONE]":
                json.loads(frame.data)

    yield "ours: all, an event a piece", all_of(paced)
    yield "ours: all, 16 KiB a piece", all_of(bulk)
    yield "ours: frames only", cut
    yield NORMALISE, normalise
    yield "ours: encode only", encode
    yield "reference: json.loads", loads
    yield SDK, functools.partial(subject.sdk, frames)
    for name, run in subject.others.items():
        yield f"reference: {name}", functools.partial(run, frames)


def measure(name: str, subject: Subject, stream: str, body: bytes, seconds: float) -> list[dict[str, object]]:
    """Every stage, in rounds: a disturbance of the machine then meets one round of each, not all of one."""
    count = len(framer(subject.dialect).feed(body))
    runs = list(stages(subject, body))
    rounds: dict[str, list[float]] = {figure: [] for figure, _ in runs}
    for figure, run in runs * ROUNDS:
        rounds[figure].append(_us_per_frame(run, count, seconds / ROUNDS))
    rounds[SHARE] = [ours / theirs for ours, theirs in zip(rounds[NORMALISE], rounds[SDK], strict=True)]
    return [
        {
            "dialect": name,
            "stream": stream,
            "figure": figure,
            "frames": count,
            "unit": "share" if figure == SHARE else "µs per frame",
            "median": round(statistics.median(each), 3),
            "least": round(min(each), 3),
            "target": _target(figure, subject.target_us),
        }
        for figure, each in rounds.items()
    ]


def _target(figure: str, target_us: float) -> float | None:
    if figure == SHARE:
        return TARGET_SHARE
    return target_us if figure.startswith("ours: all") else None


def _us_per_frame(run: Callable[[], None], frames: int, seconds: float) -> float:
    times, begun = 0, time.process_time()
    while True:
        run()
        times += 1
        if (spent := time.process_time() - begun) >= seconds:
            return spent / times / frames * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per frame, from the provider's bytes to a record's.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(SUBJECTS)}; default: all")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time for each figure")
    parser.add_argument("--out", type=Path, help="append the raw figures to this file, a line of JSON each")
    options = parser.parse_args()
    if unknown := set(options.names) - SUBJECTS.keys():
        parser.error(f"there is no dialect {', '.join(sorted(unknown))}")
    results = []
    for name in options.names or SUBJECTS:
        subject = SUBJECTS[name]()
        for stream, body in subject.streams.items():
            results += measure(name, subject, stream, body, options.seconds)
    print_table(results)
    write_results(options.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())

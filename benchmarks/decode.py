"""What a chat chunk costs on its way from the provider's bytes to a record's: decode, normalise, encode.

    python -m benchmarks.decode [--seconds 1.0] [--out results.jsonl]

Prints CPU µs per chunk, the median and the least of several rounds, for a synthetic stream and for recorded ones where
there are any. Beside ours, in the same run on the same bytes: `json.loads` of each chunk, and what the openai SDK does
to make its objects of them (both are given the frames ready-made, so SSE is not counted for them).
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

from openai._models import construct_type
from openai.types.chat import ChatCompletionChunk

from benchmarks.results import missed, print_table, write_results
from headwater.domain.event import encode_record
from headwater.domain.message import GenerationRequest
from headwater.providers.contract import Finish
from headwater.providers.openai_chat import OpenAIChat
from headwater.wire.sse import SSEDecoder
from tests.recordings import chat_recordings

TARGET_US: Final = 4.0
ROUNDS: Final = 7
REQUEST: Final = GenerationRequest(model="model", messages=[])
RECORDED: Final = (
    "openai-chat/vercel-ai--openai-text-0-93c1aa.sse",
    "deepseek-chat/vercel-ai--deepseek-text-0-02986f.sse",
    "groq-chat/vercel-ai--groq-reasoning-0-871331.sse",
)


def synthetic(chunks: int = 1000) -> bytes:
    """A stream as OpenAI sends it, with words of a few letters."""
    words = ["The", " run", " outlives", " its", " connection", ",", " token", " by", " token", "."]
    lines = []
    for at in range(chunks):
        delta = {"content": words[at % len(words)]}
        lines.append(_chunk({"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}))
    lines.append(_chunk({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}))
    return b"".join(b"data: " + line + b"\n\n" for line in [*lines, b"[DONE]"])


def _chunk(choice: dict[str, Any]) -> bytes:
    chunk = {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": [choice],
        "usage": None,
        "obfuscation": "aB3dE5fG7",
    }
    return json.dumps(chunk, separators=(",", ":")).encode()


def blocks_of(body: bytes) -> list[bytes]:
    """One piece an event: how a stream that is paced by its model arrives."""
    return [block + b"\n\n" for block in body.split(b"\n\n") if block]


def bulk_of(body: bytes) -> list[bytes]:
    """Pieces of 16 KiB: how a stream that waited arrives."""
    return [body[at : at + 16_384] for at in range(0, len(body), 16_384)]


def ours(pieces: list[bytes]) -> None:
    sse, decoder = SSEDecoder(), OpenAIChat().decoder(REQUEST)
    seq = 0
    for piece in pieces:
        for frame in sse.feed(piece):
            for item in decoder.feed(frame):
                assert not isinstance(item, Finish)
                seq += 1
                encode_record(seq, 1234, item)
    decoder.end(True)


def stages(body: bytes) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is measured, by its name."""
    paced, bulk = blocks_of(body), bulk_of(body)
    frames = SSEDecoder().feed(body)
    datas = [frame.data for frame in frames if frame.data != b"[DONE]"]
    decoder = OpenAIChat().decoder(REQUEST)
    events = [item for frame in frames for item in decoder.feed(frame) if not isinstance(item, Finish)]

    def sse() -> None:
        reader = SSEDecoder()
        for piece in paced:
            reader.feed(piece)

    def normalise() -> None:
        feed = OpenAIChat().decoder(REQUEST).feed
        for frame in frames:
            feed(frame)

    def encode() -> None:
        for seq, event in enumerate(events):
            encode_record(seq, 1234, event)

    def loads() -> None:
        for data in datas:
            json.loads(data)

    def sdk() -> None:
        for data in datas:
            construct_type(type_=ChatCompletionChunk, value=json.loads(data))

    def sdk_validated() -> None:
        for data in datas:
            ChatCompletionChunk.model_validate_json(data)

    yield "ours: all, an event a piece", lambda: ours(paced)
    yield "ours: all, 16 KiB a piece", lambda: ours(bulk)
    yield "ours: SSE only", sse
    yield "ours: decode and normalise only", normalise
    yield "ours: encode only", encode
    yield "reference: json.loads", loads
    yield "reference: openai SDK, json and construct", sdk
    yield "reference: openai SDK, model_validate_json", sdk_validated


def measure(stream: str, body: bytes, seconds: float) -> list[dict[str, object]]:
    """Every stage, in rounds: a disturbance of the machine then meets one round of each, not all of one."""
    chunks = len(SSEDecoder().feed(body))
    runs = list(stages(body))
    rounds: dict[str, list[float]] = {figure: [] for figure, _ in runs}
    for figure, run in runs * ROUNDS:
        rounds[figure].append(_us_per_chunk(run, chunks, seconds / ROUNDS))
    return [
        {
            "stream": stream,
            "figure": figure,
            "chunks": chunks,
            "unit": "µs per chunk",
            "median": round(statistics.median(each), 3),
            "least": round(min(each), 3),
            "target": TARGET_US if figure.startswith("ours: all") else None,
        }
        for figure, each in rounds.items()
    ]


def _us_per_chunk(run: Callable[[], None], chunks: int, seconds: float) -> float:
    times, begun = 0, time.process_time()
    while True:
        run()
        times += 1
        if (spent := time.process_time() - begun) >= seconds:
            return spent / times / chunks * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per chat chunk, from the provider's bytes to a record's.")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time for each figure")
    parser.add_argument("--out", type=Path, help="append the raw figures to this file, a line of JSON each")
    options = parser.parse_args()
    bodies = {"synthetic": synthetic()}
    bodies |= {each.name: each.read() for each in chat_recordings() if each.name in RECORDED}
    results = [result for stream, body in bodies.items() for result in measure(stream, body, options.seconds)]
    print_table(results)
    write_results(options.out, results)
    return missed(results)


if __name__ == "__main__":
    sys.exit(main())

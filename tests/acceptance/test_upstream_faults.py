"""Faults 14 to 20: whatever a model's server does, the run ends as it should, and what was said is kept exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tests.acceptance.scene import (
    SCRIPTED,
    Scene,
    by_prompt,
    error_of,
    json_line,
    prompt_of,
    side_by_side,
    with_upstream,
)
from tests.kit.answer import answer_text
from tests.kit.script import (
    DONE,
    EndCleanly,
    EndWithoutTerminator,
    HalfClose,
    HugeLine,
    Pause,
    Reset,
    Send,
    Stall,
    Status,
    Step,
    chat_chunk,
    chat_stream,
)
from tests.kit.upstream import ScriptedUpstream

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

HEL = Send(chat_chunk("Hel"))
LO = Send(chat_chunk("lo"))


class Case(NamedTuple):
    """What the upstream does, what the caller limits, and how the run has to end."""

    steps: list[Step]
    code: str
    #: of the final record, beside the code
    members: dict[str, Any]
    #: what was said before
    text: str = ""
    limits: Mapping[str, float] = MappingProxyType({})


def limited(phase: str, **limits: float) -> dict[str, Any]:
    return {"members": {"phase": phase, "retryable": True}, "limits": limits}


def beating(beat: bytes) -> list[Step]:
    """Something that says nothing, every 0.1 s and for much longer than the limits."""
    return [Send(beat), Pause(seconds=0.1)] * 30


CASES: dict[str, Case] = {
    # 14: silent before the first token
    "silent before its head": Case([Stall()], "TIMEOUT", **limited("first_token", first_token_s=0.3)),
    "silent after its head": Case([Status(), Stall()], "TIMEOUT", **limited("first_token", first_token_s=0.3)),
    "says nothing but comments": Case(
        [Send(b": still thinking\n\n" * 3), Stall()], "TIMEOUT", **limited("first_token", first_token_s=0.3)
    ),
    # a sign of life is no output: were it one, these would complete
    "comments for ever": Case(
        [*beating(b": still thinking\n\n"), HEL, Send(DONE)], "TIMEOUT", **limited("first_token", first_token_s=0.3)
    ),
    "comments for ever in the middle": Case(
        [HEL, *beating(b": ping\n\n"), LO, Send(DONE)], "TIMEOUT", text="Hel", **limited("idle", idle_s=0.3)
    ),
    "empty chunks for ever in the middle": Case(
        [HEL, *beating(chat_chunk("")), LO, Send(DONE)], "TIMEOUT", text="Hel", **limited("idle", idle_s=0.3)
    ),
    "silent, and the total is limited": Case([Status(), Stall()], "TIMEOUT", **limited("total", total_s=0.5)),
    # 15: in the middle
    "silent in the middle": Case([HEL, LO, Stall()], "TIMEOUT", text="Hello", **limited("idle", idle_s=0.3)),
    "silent in the middle, total": Case([HEL, Stall()], "TIMEOUT", text="Hel", **limited("total", total_s=0.5)),
    "closes half and stays": Case([HEL, HalfClose()], "TRUNCATED", {"retryable": True}, "Hel"),
    # 17: an error after 200
    "an error event": Case(
        [HEL, Send(json_line({"error": {"message": "Overloaded right now", "type": "server_error"}}))],
        "SERVER",
        {"provider": "openai_chat"},
        "Hel",
    ),
    "a limit in the middle": Case(
        [
            HEL,
            Send(json_line({"error": {"message": "Slow down", "type": "rate_limit_error", "code": 429}})),
            Send(DONE),
        ],
        "RATE_LIMIT",
        {"retryable": True},
        "Hel",
    ),
    # 18: malformed
    "no JSON": Case([HEL, Send(b"data: {this is no JSON}\n\n"), LO, Send(DONE)], "PARSE", {}, "Hel"),
    "half a JSON": Case([HEL, Send(b'data: {"choices": [\n\n'), LO, Send(DONE)], "PARSE", {}, "Hel"),
    "another kind of JSON": Case([HEL, Send(b'data: "text"\n\n'), Send(DONE)], "PARSE", {}, "Hel"),
    "no stream": Case([Status(200, {"Content-Type": "text/html"}, b"<h1>Hi</h1>", "length")], "PARSE", {}),
    "a stream of another kind": Case(
        [Status(200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}), HEL], "PARSE", {}
    ),
    "closed without a word": Case([EndWithoutTerminator()], "NETWORK", {"retryable": True}),
    "reset without a word": Case([Reset()], "NETWORK", {"retryable": True}),
}


async def test_each_fault_has_its_end(data_dir: Path) -> None:
    scripts = {name: case.steps for name, case in CASES.items()}
    async with ScriptedUpstream(by_prompt(scripts)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)

        async def play(name: str, case: Case) -> None:
            run = await scene.start(name, model=SCRIPTED, limits=dict(case.limits))
            reader = scene.reader(run)
            await reader.read_on(scene.port)
            records = await scene.records(run)
            final = records[-1]
            assert error_of(final) == case.code, (name, final)
            have = {member: final.data.get(member) for member in case.members}
            assert have == case.members, (name, final)
            assert answer_text(records) == case.text, name
            assert final.data.get("partial_bytes", 0) == len(case.text), (name, final)
            scene.note_upstream(name, case.text, whole=False)

        await side_by_side((play(*each) for each in CASES.items()), len(CASES))
        await scene.judge()
        for received in upstream.requests:
            if isinstance(CASES[prompt_of(received)].steps[-1], Stall | HalfClose):
                await received.closed.wait()  # nobody keeps a socket to a server that says nothing


def endings(steps: Sequence[Step]) -> dict[str, tuple[list[Step], bool | None]]:
    """The answer cut before each of its events, in every way; whether that is whole, None for either."""
    found: dict[str, tuple[list[Step], bool | None]] = {}
    data = [step.data for step in steps if isinstance(step, Send)]
    finish = next(place for place, each in enumerate(data) if b'"finish_reason": "stop"' in each)
    for events in range(len(steps) + 1):
        done, finished = events == len(steps), events > finish
        begin: list[Step] = [Status(), *steps[:events]]
        found[f"{events} events, cut"] = ([*begin, EndWithoutTerminator()], done)
        found[f"{events} events, half closed"] = ([*begin, HalfClose()], done)
        found[f"{events} events, ended in good order"] = ([*begin, EndCleanly()], finished)
        # What a reset overtakes is lost, even the end marker.
        found[f"{events} events, reset"] = ([*begin, Reset()], None if done else False)
    for place in range(len(data[2])):
        found[f"{place} bytes of the third"] = ([*steps[:2], Send(data[2][:place]), EndCleanly()], False)
    return found


async def test_an_answer_that_ends_too_early_is_truncated(data_dir: Path) -> None:
    """Fault 16, I4."""
    words = ["Wa", "ter", " flows", " down"]
    scripts = endings(chat_stream(words))
    steps = {name: script for name, (script, _) in scripts.items()}
    async with ScriptedUpstream(by_prompt(steps)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)

        async def play(name: str, whole: bool | None) -> None:
            run = await scene.start(name, model=SCRIPTED, answer="".join(words))
            records = await scene.records(run)
            final, text = records[-1], answer_text(records)
            if whole is not None:
                assert (final.type == "complete") is whole, (name, final)
            if final.type != "complete":
                # A reset may overtake the head too.
                codes = ("TRUNCATED", "NETWORK") if name == "0 events, reset" else ("TRUNCATED",)
                assert error_of(final) in codes, (name, final)
                assert final.data.get("partial_bytes", 0) == len(text.encode())
            sent = b"".join(step.data for step in steps[name] if isinstance(step, Send))
            # An event that only lacks its blank line has been said.
            said = "".join(word for word in words if chat_chunk(word).rstrip() in sent)
            assert said.startswith(text)
            if "reset" not in name:
                assert text == said, name
            scene.note_upstream(name, said, whole=whole is not False)

        await side_by_side((play(name, whole) for name, (_, whole) in scripts.items()), 24)
        await scene.judge()


@pytest.mark.linux
async def test_a_line_of_200_mb_costs_no_memory(data_dir: Path) -> None:
    """Fault 19: in a line, and in an event of many lines."""
    size = 200 << 20
    lines = b"data: " + b"y" * 1000 + b"\n"
    scripts: dict[str, list[Step]] = {
        "warm": chat_stream(["warm"]),
        "one line": [HEL, HugeLine(size)],
        "a comment": [HEL, HugeLine(size, b": ")],
        "many lines": [HEL, *[Send(lines * 1000)] * 200],
    }
    async with ScriptedUpstream(by_prompt(scripts)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)
        assert (await scene.end(await scene.start("warm", model=SCRIPTED))).type == "complete"
        before = peak_bytes(product.pid)
        for name in ("one line", "a comment", "many lines"):
            run = await scene.start(name, model=SCRIPTED)
            assert error_of(await scene.end(run)) == "PARSE"
            scene.note_upstream(name, "Hel", whole=False)
        assert peak_bytes(product.pid) - before < 48 << 20
        # It was cut off, not read to its end and thrown away.
        assert upstream.bytes_sent < size
        await scene.judge()


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had in RAM up to now."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) << 10


TEXT = 'Grüße, 你好! 👩🏽‍🚀 𝔘𝔫𝔦𝔠𝔬𝔡𝔢\u2028\u0085 «“”» \t\r\n two\n\nlines \\ " é e\u0301 \ufeff end'


def spelled(end: str, cut: int | None) -> list[Step]:
    """The text in pieces of three characters, in a stream with these line ends and all that SSE allows besides."""
    blocks = [chat_chunk(TEXT[place : place + 3]) for place in range(0, len(TEXT), 3)]
    body = b"\xef\xbb\xbf: a comment\n\n" + b": another\nevent: message\nid: 7\nretry: 10\n".join([b"", *blocks])
    body += chat_chunk(finish="stop") + b":\n\n" + DONE
    return [Status(), Send(body.replace(b"\n", end.encode()), cut), EndCleanly()]


async def test_text_is_exact_however_it_is_sent(data_dir: Path) -> None:
    """Fault 20: split characters, CR, LF, CRLF, a byte order mark, comments."""
    ends = {"LF": "\n", "CR": "\r", "CRLF": "\r\n"}
    scripts = {f"{name} by {cut}": spelled(end, cut) for name, end in ends.items() for cut in (1, 2, 3, 5, 64, None)}
    async with ScriptedUpstream(by_prompt(scripts)) as upstream, with_upstream(data_dir, upstream) as product:
        scene = Scene(product)

        async def play(name: str) -> None:
            run = await scene.start(name, model=SCRIPTED, answer=TEXT)
            reader = scene.reader(run)
            await reader.read_on(scene.port)
            final = await scene.end(run)
            assert final.type == "complete", (name, final)
            assert final.data["final_response"] == TEXT
            assert (await scene.show(run))["snapshot"]["text"] == TEXT
            scene.note_upstream(name, TEXT, whole=True)

        await side_by_side(map(play, scripts), 6)
        await scene.judge()

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable

import pytest
from typer.testing import CliRunner, Result

from headwater.cli import app
from headwater.domain import event as ev
from headwater.wire.sse import encode_event
from tests.kit.run_log import (
    RUN,
    SSE_HEAD,
    after,
    in_thread,
    json_answer,
    log_of,
    open_with,
    problem,
    run_json,
    sse,
    whole,
)
from tests.kit.terminal import CTRL_C, CTRL_D, Terminal
from tests.kit.upstream import EndWithoutTerminator, Received, Script, Send, Stall, Status, Step

COMPLETE = log_of("Hello", " wörld")
FAILED = log_of("Hello", final=ev.Error("SERVER", "It fell over.", True))
CANCELLED = log_of("Hello", final=ev.Cancelled("user", 5))


def chat(arguments: list[str], *scripts: Script, stdin: str | None = None) -> tuple[Result, list[Received]]:
    with in_thread(*scripts) as upstream:
        result = CliRunner().invoke(app, ["chat", *arguments, "--url", upstream.origin], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, upstream.requests


@pytest.mark.parametrize(
    ("log", "code", "said"), [(COMPLETE, 0, ""), (FAILED, 1, "fell over"), (CANCELLED, 130, "not whole")]
)
def test_the_answer_is_on_stdout_and_its_end_is_the_exit_code(log: list[ev.Record], code: int, said: str) -> None:
    result, _ = chat(["Hi"], whole(log))
    assert result.stdout == ("Hello wörld\n" if code == 0 else "Hello\n")
    assert said in result.stderr
    assert result.exit_code == code


def test_what_is_sent() -> None:
    _, requests = chat(["Hi", "-m", "mock", "-s", "Be brief."], whole(COMPLETE))
    assert requests[0].json["model"] == "mock"
    assert requests[0].json["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_the_page_can_name_what_was_asked_here() -> None:
    _, requests = chat(["Where does\nit begin? " + "x" * 100], whole(COMPLETE))
    metadata = requests[0].json["metadata"]
    assert metadata["title"].startswith("Where does it begin? xxx")
    assert len(metadata["title"]) == 80
    assert set(metadata) == {"title", "conversation"}


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_the_prompt_may_come_from_stdin(arguments: list[str]) -> None:
    _, requests = chat(arguments, whole(COMPLETE), stdin="From a pipe\n")
    assert requests[0].json["messages"] == [{"role": "user", "content": "From a pipe\n"}]


def test_nothing_to_ask_is_a_wrong_command_line() -> None:
    result, requests = chat([], whole(COMPLETE), stdin=" \n")
    assert result.exit_code == 2
    assert requests == []


def test_a_cut_is_not_noticed() -> None:
    def cut_once(received: Received) -> Iterable[Step]:
        if received.number == 1:
            return [*open_with(*COMPLETE[:2]), EndWithoutTerminator()]
        return whole(COMPLETE, after(received))

    result, _ = chat(["Hi"], cut_once)
    assert (result.stdout, result.stderr, result.exit_code) == ("Hello wörld\n", "", 0)


def test_a_server_that_is_gone_for_long_is_waited_for_and_told_of_once() -> None:
    at_once = encode_event(None, retry_ms=1)

    def gone(received: Received) -> Iterable[Step]:
        if received.number == 1:
            return [Status(200, SSE_HEAD), Send(at_once + sse(COMPLETE[:2])), EndWithoutTerminator()]
        if received.number < 10:
            return [EndWithoutTerminator()]
        return whole(COMPLETE, after(received))

    result, requests = chat(["Hi"], gone)
    assert (result.stdout, result.exit_code) == ("Hello wörld\n", 0)
    assert result.stderr.count("\n") == 1
    assert "as soon as the server is back" in result.stderr
    assert len(requests) == 10


def test_a_refusal_is_a_sentence() -> None:
    result, _ = chat(["Hi"], problem(422, "UNSUPPORTED"))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "headwater: Said UNSUPPORTED.\n")


def cancellable(received: Received) -> Iterable[Step]:
    """A server whose run says one word and waits to be cancelled."""
    if received.method == "GET":
        return whole(CANCELLED, after(received))
    if received.path.endswith("/cancel"):
        return json_answer(run_json(), 202)
    return [*open_with(*CANCELLED[:2]), Stall()]


def never_cancelled(received: Received) -> Iterable[Step]:
    return [Stall()] if received.path.endswith("/cancel") else cancellable(received)


@pytest.mark.slow
def test_ctrl_c_cancels_the_run_and_shows_its_end() -> None:
    with in_thread(cancellable) as upstream:
        with Terminal("chat", "Hi", "--url", upstream.origin) as terminal:
            terminal.wait_for("Hello")
            terminal.press(CTRL_C)
            assert terminal.wait() == 130
        assert "Cancelled." in terminal.shown
        assert "Traceback" not in terminal.shown
        assert [(request.method, request.path) for request in upstream.requests] == [
            ("POST", "/api/v1/runs"),
            ("POST", f"/api/v1/runs/{RUN}/cancel"),
            ("GET", f"/api/v1/runs/{RUN}/events?after=2"),
        ]


@pytest.mark.slow
def test_ctrl_c_twice_leaves() -> None:
    with in_thread(never_cancelled) as upstream:
        with Terminal("chat", "Hi", "--url", upstream.origin) as terminal:
            terminal.wait_for("Hello")
            terminal.press(CTRL_C)
            terminal.wait_for("once more leaves")
            terminal.press(CTRL_C)
            assert terminal.wait() == 130, terminal.shown
        assert "Traceback" not in terminal.shown


def test_a_signal_cancels_in_a_pipe_too() -> None:
    with in_thread(cancellable) as upstream:
        command = [sys.executable, "-m", "headwater", "chat", "Hi", "--url", upstream.origin]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.read(5) == b"Hello"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
    assert (process.returncode, out) == (130, b"\n")
    assert b"not whole" in err


@pytest.mark.slow
def test_a_conversation_keeps_what_was_said() -> None:
    with in_thread(whole(COMPLETE), problem(503, "QUEUE_FULL"), whole(COMPLETE)) as upstream:
        with Terminal("chat", "--url", upstream.origin) as terminal:
            terminal.wait_for("›")
            terminal.press(b"\r")
            terminal.wait_for("›")
            terminal.press(b"One\r")
            terminal.wait_for("tokens")
            terminal.wait_for("›")
            terminal.press(b"\xe9t\xe9\r")
            terminal.wait_for("UTF-8")
            terminal.wait_for("›")
            terminal.press(b"Two\r")
            terminal.wait_for("Said QUEUE_FULL.")
            terminal.wait_for("›")
            terminal.press(b"Three\r")
            terminal.wait_for("tokens")
            terminal.wait_for("›")
            terminal.press(CTRL_D)
            assert terminal.wait() == 0
        assert [[m["content"] for m in request.json["messages"]] for request in upstream.requests] == [
            ["One"],
            ["One", "Hello wörld", "Two"],
            ["One", "Hello wörld", "Three"],
        ]
        [metadata, *others] = [request.json["metadata"] for request in upstream.requests]
        assert metadata["title"] == "One"
        assert others == [metadata] * 2

"""The child's program with the real model: it serves, keeps strangers out, and never outlives its parent."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psutil
import pytest

from headwater.local.child import EXIT_BAD_LAUNCH, EXIT_ORPHANED, Launch, Listening
from headwater.local.packages import weights
from headwater.local.process import COMMAND

pytestmark = [pytest.mark.slow]

KEY = "key-of-this-test"
#: in the place of a process's number that is not known yet
UNKNOWN = 999_999_999

# A parent that starts a child, says where it is, and then only waits to be killed.
PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
child.stdin.write(sys.argv[1].replace("PARENT", str(__import__("os").getpid())).encode() + b"\\n")
child.stdin.flush()
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def launch(**changes: Any) -> Launch:
    usual = {
        "weights": str(weights()),
        "model": "small",
        "key": KEY,
        "slots": 1,
        "context_tokens": 256,
        "threads": 1,
        "parent": os.getpid(),
    }
    return Launch(**{**usual, **changes})


@contextmanager
def child(order: bytes) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(order + b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def listening(process: subprocess.Popen[bytes]) -> Listening:
    assert process.stdout is not None
    return msgspec.json.decode(process.stdout.readline(), type=Listening)


def ask(url: str, key: str, **headers: str) -> tuple[int, Any, Any]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    body = {"model": "small", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {key}", **headers})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, answer.headers, content


def test_it_serves_on_loopback_until_it_is_let_go_of() -> None:
    with child(msgspec.json.encode(launch())) as process:
        url = listening(process).url
        assert urlsplit(url).hostname == "127.0.0.1"
        status, _, content = ask(url, KEY)
        assert (status, content["usage"]["completion_tokens"]) == (200, 4)
        connections = psutil.Process(process.pid).net_connections("tcp")
        assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        # Neither of these is for it: what ends a whole group of processes lets the parent end its runs first.
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert ask(url, KEY)[0] == 200
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == EXIT_ORPHANED


def test_only_its_parent_may_call_it() -> None:
    with child(msgspec.json.encode(launch())) as process:
        status, headers, _ = ask(listening(process).url, "another", origin="https://evil.example")
        assert status == 401
        assert not headers["access-control-allow-origin"]
        assert KEY not in " ".join(psutil.Process(process.pid).cmdline())


def test_it_prints_no_prompt() -> None:
    with child(msgspec.json.encode(launch())) as process:
        url = listening(process).url
        ask(url, KEY)
        ask(url, "another")
        assert process.stdin is not None
        process.stdin.close()
        assert process.stderr is not None
        printed = process.stderr.read()
        assert b"Hello" not in printed
        assert KEY.encode() not in printed


def test_it_dies_with_its_parent() -> None:
    order = msgspec.json.encode(launch(parent=UNKNOWN)).decode().replace(str(UNKNOWN), "PARENT")
    command = [sys.executable, "-c", PARENT, order, *COMMAND]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
    gone, _ = psutil.wait_procs([orphan], timeout=30)
    assert gone == [orphan]


@pytest.mark.parametrize("order", [b"", b"not JSON", b'{"weights": 1}'])
def test_an_order_that_it_does_not_understand_ends_it(order: bytes) -> None:
    with child(order) as process:
        assert process.wait() == EXIT_BAD_LAUNCH


def test_a_parent_that_has_gone_ends_it() -> None:
    # The parent that it is told of is not the one that it has.
    with child(msgspec.json.encode(launch(parent=1))) as process:
        assert process.wait() == EXIT_ORPHANED
        assert process.stdout is not None
        assert process.stdout.read() == b""


def test_weights_that_are_no_model_end_it_with_words() -> None:
    with child(msgspec.json.encode(launch(weights=os.devnull))) as process:
        assert process.wait() not in (EXIT_ORPHANED, EXIT_BAD_LAUNCH)
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.stderr is not None
        assert b"model" in process.stderr.read()

"""What a sandbox's process has given up before it is one. A shell stands for the interpreter: it can look around."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.workflows.arc import sandbox_worker
from headwater.workflows.arc.sandbox import GRACE_S, PROGRAMS_PER_PROCESS, Limits


def become(
    *command: str, before: Callable[[], None] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    worker = [sys.executable, "-I", "-S", sandbox_worker.__file__, *command]
    with Path(__file__).open("rb") as held:
        return subprocess.run(
            worker,
            capture_output=True,
            text=True,
            env=variables,
            pass_fds=[held.fileno()],
            preexec_fn=before,
            timeout=20,
            check=False,
        )


def in_shell(script: str, before: Callable[[], None] | None = None, **variables: str) -> str:
    done = become("/bin/sh", "-c", script, before=before, **variables)
    assert done.returncode == 0, done
    return done.stdout


def may_be_alone() -> bool:
    """Whether the system lets a process without rights have a network of its own."""

    def leave() -> None:
        sandbox_worker._drop_root()
        if ctypes.CDLL(None).unshare(sandbox_worker._CLONE_NEWUSER | sandbox_worker._CLONE_NEWNET) != 0:
            os._exit(1)

    return subprocess.run(["/bin/sh", "-c", ":"], preexec_fn=leave, timeout=20, check=False).returncode == 0


def test_there_is_no_environment() -> None:
    # what a shell sets by itself is there
    assert "canary" not in in_shell("/usr/bin/env", OPENAI_API_KEY="sk-canary", PATH="/canary")


def test_it_stands_where_nothing_is_relative() -> None:
    assert in_shell("pwd") == "/\n"


def test_only_its_three_files_are_open() -> None:
    # the highest is that of the listing itself
    listed = in_shell("ls /dev/fd/").split() if sys.platform == "linux" else ["0", "1", "2"]
    assert set(listed) <= {"0", "1", "2", "3"}


def test_no_file_can_grow(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    done = become("/bin/sh", "-c", f"echo text > {tmp_path}/file")
    assert done.returncode != 0
    assert not (tmp_path / "file").exists() or (tmp_path / "file").read_text() == ""


def test_it_is_not_root() -> None:
    assert in_shell("id -u").strip() != "0"


def test_what_it_says_to_the_operator_is_heard_by_nobody() -> None:
    done = become("/bin/sh", "-c", "echo told >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_asks_the_server_to_end_does_not_end_it() -> None:
    assert in_shell("kill -INT $$; kill -TERM $$; kill -HUP $$; echo goes on") == "goes on\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel knows no such promise")
def test_it_can_gain_no_rights() -> None:
    assert "NoNewPrivs:\t1" in in_shell("cat /proc/self/status")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not hold to it")
def test_its_memory_is_bounded() -> None:
    assert in_shell("ulimit -v").strip() == str(sandbox_worker.ADDRESS_SPACE_BYTES // 1024)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the interpreter keeps programs from the network")
def test_there_is_nobody_in_its_network() -> None:
    if not may_be_alone():
        pytest.skip("this system gives a process without rights no network of its own")
    assert in_shell("readlink /proc/self/ns/net").strip() != os.readlink("/proc/self/ns/net")
    # below its head: no way to anybody
    assert in_shell("cat /proc/net/route").splitlines()[1:] == []


def test_few_files_can_be_open() -> None:
    assert int(in_shell("ulimit -n")) <= sandbox_worker.FILES_MAX


def test_its_work_is_bounded_by_more_than_its_programs_may_take() -> None:
    limits = Limits()
    # its text, its grids until their time is over, and the one that was begun just before
    each_s = limits.call_s + limits.program_s + limits.call_s + GRACE_S
    assert int(in_shell("ulimit -t")) >= PROGRAMS_PER_PROCESS * each_s


def test_a_lower_limit_is_kept() -> None:
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    assert in_shell("ulimit -n", before=lower).strip() == "32"


def test_it_ends_where_it_can_not_become_the_interpreter() -> None:
    assert become("/nowhere/monty").returncode == sandbox_worker.EXIT_UNCONFINED
    assert become(os.devnull).returncode == sandbox_worker.EXIT_UNCONFINED

"""The parent's side, with real child processes whose program is of the test: what fails, dies, and starts again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import structlog

from headwater.clock import SystemClock
from headwater.errors import ErrorCode, ProviderError
from headwater.local import process
from headwater.local.process import Address, LocalProcess, Plan, rest_s
from headwater.runs.supervisor import Tasks

PLAN = Plan(Path("no.gguf"), "small")

# Says where it listens, then does what its parent's end has it do: nothing more.
SERVES = """
import sys, json
order = json.loads(sys.stdin.readline())
print(json.dumps({"url": "http://127.0.0.1:" + str(%d)}), flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def kept(program: str, *, command: list[str] | None = None) -> AsyncIterator[LocalProcess]:
    tasks = Tasks()
    kept = LocalProcess(
        PLAN, spawn=tasks.spawn, clock=SystemClock(), command=command or [sys.executable, "-c", program]
    )
    kept.start()
    try:
        yield kept
    finally:
        assert await tasks.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # a process's death is seen by asking only
            await asyncio.sleep(0.005)  # paces: asks again


async def refused(kept: LocalProcess, limit_s: float | None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await kept.address(limit_s)
    return caught.value


def test_rests_grow_and_are_bounded() -> None:
    rests = [rest_s(failures) for failures in range(1, 100)]
    assert rests[:4] == [0.5, 1.0, 2.0, 4.0]
    assert rests == sorted(rests)
    assert rests[-1] == 30.0


async def test_a_caller_waits_until_the_model_is_there() -> None:
    async with kept(SERVES % 1234) as local:
        assert local.pid is None
        waiting = [asyncio.create_task(local.address(None)) for _ in range(3)]
        addresses = {address.base_url for address in await asyncio.gather(*waiting)}
    assert addresses == {"http://127.0.0.1:1234/v1"}


async def test_a_caller_whose_time_is_up_may_try_again() -> None:
    async with kept("import sys; sys.stdin.read()") as local:
        error = await refused(local, 0.01)
    assert (error.code, error.retryable, error.phase) == (ErrorCode.OVERLOADED, True, "connect")
    assert error.retry_after_ms is not None


async def test_one_that_was_killed_is_started_again_with_another_key() -> None:
    async with kept(SERVES % 1234) as local:
        first, pid = await local.address(None), local.pid
        assert pid is not None
        psutil.Process(pid).kill()
        await until(lambda: local.pid != pid)
        again = await local.address(None)
        assert local.pid not in (None, pid)
        assert again.key.reveal() != first.key.reveal()


async def test_the_end_of_the_tasks_is_the_end_of_the_child() -> None:
    async with kept(SERVES % 1234) as local:
        await local.address(None)
        assert local.pid is not None
        child = psutil.Process(local.pid)
    assert not child.is_running()
    assert (await refused(local, None)).code is ErrorCode.DRAINING


async def test_one_that_does_not_start_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_REST_FIRST_S", 0.001)
    program = "import sys; print('x' * 100_000, file=sys.stderr); sys.exit('the weights are torn')"
    with structlog.testing.capture_logs() as logs:
        async with kept(program) as local:
            # No limit: it is the failures that end the wait.
            error = await refused(local, None)
    assert (error.code, error.retryable) == (ErrorCode.OVERLOADED, True)
    told = [line for line in logs if line["event"] == "the local model's process ended"]
    assert len(told) >= 3
    assert told[0]["fault"] == "exit code 1"
    assert told[0]["output"].endswith("the weights are torn")
    assert len(told[0]["output"]) <= 2_000


async def test_what_it_prints_of_requests_is_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """llama.cpp quotes schemas that it can not read."""
    gate = tmp_path / "gate"
    monkeypatch.setattr(process, "_REST_FIRST_S", 0.001)
    prints = f"import os\nwhile not os.path.exists({str(gate)!r}): pass\nsys.exit('unrecognized type: a secret')"
    program = SERVES.replace("sys.stdin.read()", prints) % 1
    with structlog.testing.capture_logs() as logs:
        async with kept(program) as local:
            await local.address(None)
            gate.touch()
            await until(lambda: any("fault" in line for line in logs))
    told = next(line for line in logs if "fault" in line)
    assert (told["fault"], told["output"]) == ("exit code 1", "")


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("print('hello')", "it does not say where it listens"),
        ("print('x' * 1_000_000)", "it does not say where it listens: ValueError"),
        ("import os; os.close(0); os.kill(os.getpid(), 9)", "exit code -9"),
    ],
)
async def test_one_that_says_something_else_is_a_failure(program: str, fault: str) -> None:
    with structlog.testing.capture_logs() as logs:
        async with kept(program) as local:
            await until(lambda: local.failures == 1)
            await until(lambda: any("fault" in line for line in logs))
            assert local.pid is None
    assert logs[0]["fault"] == fault


async def test_one_that_can_not_be_started_is_a_failure(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with kept("", command=[str(tmp_path / "nothing")]) as local:
            await until(lambda: local.failures == 1)
    assert logs[0]["fault"] == "it can not be started: No such file or directory"


@pytest.mark.parametrize(
    "variable", ["OPENAI_API_KEY", "LANGCHAIN_API_KEY", "LANGSMITH_API_KEY", "HOME_ASSISTANT_TOKEN"]
)
async def test_no_key_is_given_on(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(variable, "sk-secret")
    seen = tmp_path / "seen"
    program = f"import os; open({str(seen)!r}, 'w').write(chr(10).join(os.environ))\n" + SERVES % 1
    async with kept(program) as local:
        await local.address(None)
    names = seen.read_text().splitlines()
    assert "PATH" in names
    assert variable not in names


async def test_its_key_is_not_shown() -> None:
    async with kept(SERVES % 1234) as local:
        address: Address = await local.address(None)
        assert address.key.reveal() not in f"{address} {address!r}"

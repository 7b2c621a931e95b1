"""The blocking face, against a server in a thread of its own."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headwater.client import (
    BlockingClient,
    FileCursorStore,
    FollowStatus,
    Message,
    NotFound,
    RunRequest,
    RunState,
    Timing,
)
from headwater.client.blocking import Portal
from tests.kit.run_log import (
    RUN,
    Naps,
    after,
    in_thread,
    json_answer,
    log_of,
    open_with,
    problem,
    run_json,
    whole,
)
from tests.kit.upstream import EndWithoutTerminator, Received, Script, Stall, Step

LOG = log_of("Hello", " wörld")
REQUEST = RunRequest(model="simulated", messages=[Message("user", "Hi")])


@contextmanager
def client_of(*scripts: Script) -> Iterator[BlockingClient]:
    with in_thread(*scripts) as upstream, BlockingClient(upstream.origin, timing=Timing(sleep=Naps())) as client:
        yield client


def resumed(received: Received) -> Iterable[Step]:
    cursor = after(received)
    return whole(LOG, cursor) if cursor else [*open_with(*LOG[:2]), EndWithoutTerminator()]


def test_follows_from_a_plain_thread() -> None:
    with client_of(resumed) as client, client.follow(RUN) as records:
        assert list(records) == LOG
        assert records.cursor == len(LOG)
        assert records.run == RUN


def test_follows_from_several_threads_at_once() -> None:
    results: list[object] = []
    with client_of(resumed) as client:
        threads = [threading.Thread(target=lambda: results.append(list(client.follow(RUN)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [LOG] * 8


async def test_follows_from_within_a_running_loop() -> None:
    with client_of(resumed) as client:
        assert list(client.follow(RUN)) == LOG
    assert asyncio.get_running_loop().is_running()


def test_starts_and_follows() -> None:
    with client_of(whole(LOG)) as client, client.start_and_follow(REQUEST) as records:
        assert records.run is None
        assert list(records) == LOG
        assert records.run == RUN


def test_resumes_from_a_saved_cursor(tmp_path: Path) -> None:
    store = FileCursorStore(tmp_path)
    with client_of(resumed) as client:
        store.save(RUN, 1)
        assert list(client.resume(RUN, store)) == LOG[1:]
        assert store.load(RUN) == len(LOG)


def test_the_calls_are_the_async_clients() -> None:
    def script(received: Received) -> Iterable[Step]:
        match received.method, received.path.removeprefix("/api/v1").partition("?")[0]:
            case "GET", "/models":
                return json_answer(b'{"models":[{"name":"simulated"}]}')
            case "GET", "/runs":
                return json_answer(b'{"runs":[%b],"next":null}' % run_json())
            case "DELETE", _:
                return json_answer(b"")
            case "POST", path if path.endswith("/cancel"):
                return json_answer(run_json("cancelled"))
            case _:
                return json_answer(run_json())

    with client_of(script) as client:
        assert [model.name for model in client.models()] == ["simulated"]
        assert [run.id for run in client.list(limit=1).runs] == [RUN]
        assert client.start(REQUEST).id == client.get(RUN).id == client.retry(RUN).id == RUN
        assert client.cancel(RUN).state is RunState.CANCELLED
        client.delete(RUN)


def test_errors_come_through_typed() -> None:
    with client_of(problem(404, "NOT_FOUND")) as client:
        with pytest.raises(NotFound):
            client.get(RUN)
        with pytest.raises(NotFound):
            next(client.follow(RUN))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as at a terminal: a shell starts what runs in its background with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_wait_and_another_subscription_goes_on() -> None:
    interrupted = threading.Event()

    def stalls_first(received: Received) -> Iterable[Step]:
        if received.number > 1:
            return whole(LOG, after(received))
        return [*open_with(*LOG[:2]), Stall()]

    def interrupt(status: FollowStatus) -> None:
        if status.state == "streaming":
            interrupted.set()

    def ctrl_c() -> None:
        interrupted.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with client_of(stalls_first) as client:
        records = client.follow(RUN, on_status=interrupt)
        sender = threading.Thread(target=ctrl_c)
        got = []
        with pytest.raises(KeyboardInterrupt):
            sender.start()
            for record in records:
                got.append(record)
        sender.join()
        records.close()
        assert got + list(client.follow(RUN, after=len(got))) == LOG


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_that_wakes_nobody_is_heard() -> None:
    """A signal that comes just before the wait does not end it: `interrupt_main` is like that at any time."""
    with client_of([*open_with(*LOG[:2]), Stall()]) as client:
        records = client.follow(RUN)
        assert [next(records), next(records)] == LOG[:2]
        pressing = threading.Timer(0.01, _thread.interrupt_main)
        with pytest.raises(KeyboardInterrupt):
            pressing.start()
            next(records)
        pressing.join()


def test_a_closed_client_says_so() -> None:
    with in_thread(whole(LOG)) as upstream:
        client = BlockingClient(upstream.origin)
        client.close()
        with pytest.raises(RuntimeError):
            client.get(RUN)
        with pytest.raises(RuntimeError):
            client.close()


def test_closing_ends_the_thread_and_what_still_runs(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with in_thread([*open_with(*LOG[:1]), Stall()]) as upstream:
        client = BlockingClient(upstream.origin)
        records = client.follow(RUN)
        assert next(records) == LOG[0]
        client.close()
    assert set(threading.enumerate()) <= before
    assert caplog.records == []


def test_a_blocking_call_from_a_callback_is_refused_and_does_not_hang() -> None:
    with in_thread(whole(LOG)) as upstream, BlockingClient(upstream.origin) as client:
        with pytest.raises(RuntimeError):
            list(client.follow(RUN, on_status=lambda status: client.delete(RUN)))


def test_a_bad_address_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ValueError):
        BlockingClient("localhost")
    assert set(threading.enumerate()) == before


def test_a_portal_closes_twice() -> None:
    portal = Portal()
    portal.close()
    portal.close()

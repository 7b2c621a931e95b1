"""Names are looked up beside the loop, and nobody waits for a resolver that does not answer."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from headwater.cli.checkup.lookup import look_up


async def test_a_name_is_looked_up_as_the_system_does() -> None:
    assert set(await look_up("localhost", 80)) <= {"127.0.0.1", "::1"}
    with pytest.raises(socket.gaierror):
        await look_up("no-such-host.invalid", 80)


def test_a_resolver_that_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the loop's end nor the program's: the thread is the system's to end."""
    answers = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        answers.wait()
        return []

    async def impatient() -> None:
        async with asyncio.timeout(0.05):
            await look_up("example.com", 443)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    (thread,) = [each for each in threading.enumerate() if each.name == "headwater-look-up"]
    assert thread.daemon
    answers.set()
    thread.join()

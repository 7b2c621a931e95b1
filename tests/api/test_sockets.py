"""The sockets that the server listens on."""

from __future__ import annotations

import errno
import resource
import socket
import sys

import pytest

from headwater.api import sockets
from headwater.api.sockets import address_of, listen, raise_file_limit
from headwater.errors import ConfigError


def test_what_is_accepted_has_the_options_from_its_first_moment() -> None:
    [listening] = listen("127.0.0.1", 0)
    with listening, socket.create_connection(address_of([listening])):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            # The kernel answers with twice what was asked for; macOS does not double it.
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (64 * 1024, 128 * 1024)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) in (64 * 1024, 128 * 1024)
            if sys.platform == "linux":
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "10.0.0.1", "169.254.1.1"])
def test_what_others_can_reach_is_refused_with_a_reason(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback only"):
        listen(host, 0)


def test_where_keys_are_asked_for_it_may_be_anywhere() -> None:
    [listening] = listen("0.0.0.0", 0, anywhere=True)
    assert listening.getsockname()[0] == "0.0.0.0"
    listening.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1.", "x" * 300, "a..b"])
def test_a_name_without_an_address_is_refused(host: str) -> None:
    with pytest.raises(ConfigError):
        listen(host, 0)


@pytest.mark.linux
def test_a_name_is_served_on_all_its_addresses_and_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: object, **options: object) -> list[object]:
        return [(0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("127.0.0.2", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    listening = listen("localhost", 0)
    try:
        names = [each.getsockname() for each in listening]
        assert [name[0] for name in names] == ["127.0.0.1", "127.0.0.2"]
        assert len({name[1] for name in names}) == 1
    finally:
        for each in listening:
            each.close()


def test_a_machine_without_ipv6_listens_on_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: object, **options: object) -> list[object]:
        return [(0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("::1", 0))]

    bind = sockets._listen_on

    def without(address: str, port: int) -> socket.socket:
        if address == "::1":
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return bind(address, port)

    monkeypatch.setattr(socket, "getaddrinfo", both)
    monkeypatch.setattr(sockets, "_listen_on", without)
    [listening] = listen("localhost", 0)
    listening.close()


@pytest.mark.linux
@pytest.mark.parametrize("tries", [1, 100])
def test_a_chosen_port_that_is_taken_on_the_other_address(tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another port is chosen, some times; then it is said."""
    bind, taken = sockets._listen_on, iter(range(tries))

    def sometimes(address: str, port: int) -> socket.socket:
        if address == "127.0.0.2" and next(taken, None) is not None:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return bind(address, port)

    monkeypatch.setattr(sockets, "_addresses", lambda host: ["127.0.0.1", "127.0.0.2"])
    monkeypatch.setattr(sockets, "_listen_on", sometimes)
    if tries == 1:
        listening = listen("localhost", 0)
        assert len({each.getsockname()[1] for each in listening}) == 1
        for each in listening:
            each.close()
    else:
        with pytest.raises(ConfigError, match="No port is free"):
            listen("localhost", 0)


def test_a_taken_port_is_named() -> None:
    [first] = listen("127.0.0.1", 0)
    with first:
        port = address_of([first])[1]
        with pytest.raises(ConfigError, match=rf"{port}.*--port"):
            listen("127.0.0.1", port)


def test_a_port_can_be_taken_again_at_once() -> None:
    """A restarted server must not wait for its own last connections."""
    [first] = listen("127.0.0.1", 0)
    port = address_of([first])[1]
    first.setblocking(True)
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = first.accept()
        accepted.close()
    first.close()
    [again] = listen("127.0.0.1", port)
    again.close()


def test_the_file_limit_is_raised_to_what_is_allowed() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        assert raise_file_limit() >= 256
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""The sockets that the server listens on: bound by us, because how a connection may stall is decided here.

Options set on a listening socket are inherited by what it accepts (Linux, tcp(7)), so there is no
moment at which a connection is without them.
"""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket
import sys
from collections.abc import Iterable

from headwater.errors import ConfigError

#: What the kernel may hold back for a reader that does not read; it counts twice that with its own overhead.
SEND_BUFFER_BYTES = 64 * 1024
#: What a client can send before we read it.
RECEIVE_BUFFER_BYTES = 64 * 1024
#: How long sent bytes may stay unacknowledged, or a window shut, before the kernel gives the peer up.
PEER_TIMEOUT_MS = 15_000
BACKLOG = 4096

#: macOS has its own name and unit (seconds) for the same limit; Python has no constant for it.
_DARWIN_TCP_RXT_CONNDROPTIME = 0x80
_PORT_TRIES = 8


def listen(host: str, port: int, *, anywhere: bool = False) -> list[socket.socket]:
    """Sockets that listen on every address that the name has, all on one port; 0 chooses a free one.

    Raises `ConfigError` for a name that is none, a port that is taken, and, unless it may be `anywhere`, for an address
    that is not loopback.
    """
    addresses = _addresses(host)
    if not anywhere:
        _check_loopback(host, addresses)
    for _ in range(_PORT_TRIES):
        listening = _listen_on_all(addresses, port)
        if listening:
            return listening
    raise ConfigError(f"No port is free on all of {', '.join(addresses)}.")


def address_of(listening: Iterable[socket.socket]) -> tuple[str, int]:
    """The first socket's address and port."""
    host, port = next(iter(listening)).getsockname()[:2]
    return host, port


def raise_file_limit() -> int:
    """Lets this process have as many open files as it may, for every reader is one; returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard
    if sys.platform == "darwin":
        # There the hard limit may be "infinite" while the kernel refuses more than this.
        wanted = min(hard, 10_240) if hard != resource.RLIM_INFINITY else 10_240
    if wanted != soft and (soft != resource.RLIM_INFINITY):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return soft
    return sys.maxsize if wanted == resource.RLIM_INFINITY else wanted


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise ConfigError(f"The host `{host}` has no address.") from None
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _check_loopback(host: str, addresses: list[str]) -> None:
    for address in addresses:
        if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            raise ConfigError(
                f"The host `{host}` is {address}, which others can reach, and this server asks nobody for a key: "
                "it listens on loopback only (127.0.0.1, ::1, localhost). Have it ask for keys (server.keys), or put a "
                "proxy that checks who calls before it."
            )


def _listen_on_all(addresses: list[str], port: int) -> list[socket.socket]:
    """One socket an address. Empty where a port that the system chose for the first is taken on another."""
    listening: list[socket.socket] = []
    chosen = port
    for address in addresses:
        try:
            listening.append(_listen_on(address, chosen))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and len(addresses) > 1:
                continue  # "localhost" names ::1 on machines that have no IPv6
            for each in listening:
                each.close()
            if error.errno == errno.EADDRINUSE and port == 0:
                return []
            taken = error.errno == errno.EADDRINUSE
            hint = " Choose another one with --port, or 0 for a free one." if taken else ""
            raise ConfigError(f"Can not listen on {address} port {chosen}: {error.strerror}.{hint}") from None
        chosen = listening[0].getsockname()[1]
    if not listening:
        raise ConfigError(f"None of {', '.join(addresses)} is an address of this machine.")
    return listening


def _listen_on(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_TIMEOUT_MS)
        elif sys.platform == "darwin":
            listening.setsockopt(socket.IPPROTO_TCP, _DARWIN_TCP_RXT_CONNDROPTIME, PEER_TIMEOUT_MS // 1000)
        listening.bind((address, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening

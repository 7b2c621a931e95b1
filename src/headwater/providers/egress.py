"""Where the server may call: base URLs are the operator's, and the address behind a name is checked as it is used.

A caller names a model and never a host. A base URL is checked when the configuration is read (`check_base_url`);
what its name resolves to is checked each time a connection is made, in the resolver, and once more on the socket
itself, so that what was checked is what is connected to (no DNS rebinding). Redirects are never followed.

The ranges are the special-purpose registries of IANA (RFC 6890 and what was added since).
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from headwater.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: A host name and a port to addresses. Raises OSError.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_ADDRESSES_MAX = 16
_DNS_CACHE_S = 10
#: Below the 5 s that many model servers keep an idle connection, so that one is seldom used as it is being closed.
_KEEPALIVE_S = 4.0
#: A peer that acknowledges nothing for so long is dead.
_DEAD_PEER_S = 30


class Egress(NamedTuple):
    """Where one provider may call. `allow_private` is the operator's word that its server is on loopback or inside."""

    allow_private: bool = False
    #: None is the system's resolver
    resolve: Resolve | None = None
    #: the only hosts that are ever called, as `check_base_url` takes them; none is any
    hosts: Sequence[str] = ()

    def connector(self, connections_max: int) -> aiohttp.TCPConnector:
        """Connections that only go where they may. Must be made inside the loop that uses them."""
        return aiohttp.TCPConnector(
            resolver=_CheckedResolver(self.resolve or _system_resolve, self.allow_private),
            use_dns_cache=self.resolve is None,
            ttl_dns_cache=_DNS_CACHE_S,
            socket_factory=self._socket,
            limit=connections_max,
            keepalive_timeout=_KEEPALIVE_S,
            # A limit of 10 s is 10 s, not rounded up to the next whole second.
            timeout_ceil_threshold=3_600,
        )

    def _socket(self, addr_info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """The socket of a connection that is about to be made to exactly this address."""
        family, kind, protocol, _, address = addr_info
        _refuse(str(address[0]), str(address[0]), self.allow_private)
        sock = socket.socket(family, kind, protocol)
        try:
            watch_peer(sock)
        except OSError:
            sock.close()
            raise
        return sock


class EgressRefused(OSError):
    """A name or an address that this provider must not call. The message is the operator's."""


# Addresses.

#: Reached only where the operator allows it: this machine and networks of one's own.
_PRIVATE = {
    "127.0.0.0/8": "loopback",
    "10.0.0.0/8": "private",
    "172.16.0.0/12": "private",
    "192.168.0.0/16": "private",
    "100.64.0.0/10": "shared (carrier-grade NAT)",
    "198.18.0.0/15": "for benchmarks",
    "::1/128": "loopback",
    "fc00::/7": "private",
}

#: Never reached: there is no model server there, and with link-local the keys of many clouds.
_SPECIAL = {
    "0.0.0.0/8": "“this host”; 127.0.0.1 is its address",
    "169.254.0.0/16": "link-local",
    "192.0.0.0/24": "for protocols",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "6to4 relays",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/128": "“this host”; ::1 is its address",
    "100::/64": "discarded",
    "2001::/23": "for protocols",
    "2001:db8::/32": "for documentation",
    "3fff::/20": "for documentation",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}

#: An IPv4 address inside an IPv6 one, by the number of bits after it.
_EMBEDDING = {
    "::ffff:0:0/96": (0, "IPv4-mapped"),
    "64:ff9b::/96": (0, "NAT64"),
    "2002::/16": (80, "6to4"),
    "::/96": (0, "IPv4-compatible"),
}

_Networks = list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]]
_private: _Networks = [(ipaddress.ip_network(net), kind) for net, kind in _PRIVATE.items()]
_special: _Networks = [(ipaddress.ip_network(net), kind) for net, kind in _SPECIAL.items()]
_embedding = [(ipaddress.IPv6Network(net), shift, kind) for net, (shift, kind) in _EMBEDDING.items()]
_unicast6 = ipaddress.IPv6Network("2000::/3")

Reach = Literal["public", "private", "never"]


def reach(address: Address) -> tuple[Reach, str]:
    """Who may call an address, and what kind of address it is.

    An IPv6 address that holds an IPv4 one is private at best: what it leads to is another network's choice.
    """
    for kinds, verdict in ((_private, "private"), (_special, "never")):
        for network, kind in kinds:
            if address in network:
                return ("private" if verdict == "private" else "never"), kind
    if isinstance(address, ipaddress.IPv6Address):
        for embedding, shift, kind in _embedding:
            if address in embedding:
                inner = ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
                return ("never" if reach(inner)[0] == "never" else "private"), f"{kind} for {inner}"
        if address not in _unicast6:
            return "never", "not unicast"
    # The standard library's own table, which may know of newer ranges.
    return ("public", "public") if address.is_global else ("never", "reserved")


@functools.lru_cache(maxsize=1024)
def _reach_of(address: str) -> tuple[Reach, str] | None:
    """`reach` of an address as text, once for all connections to it; None for one with a zone. Raises ValueError."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id is not None:
        return None
    return reach(parsed)


def _refuse(host: str, address: str, allow_private: bool) -> None:
    """Raises `EgressRefused` where this address must not be called."""
    try:
        found = _reach_of(address)
    except ValueError:
        raise EgressRefused(f"{host} resolves to something that is no address") from None
    if found is None:
        raise EgressRefused(f"{host} resolves to an address with a zone")
    allowed, kind = found
    named = host if host == address else f"{host} ({address})"
    if allowed == "never":
        raise EgressRefused(f"{named} is {kind}: no model is called there")
    if allowed == "private" and not allow_private:
        raise EgressRefused(f"{named} is {kind}: set allow_private = true for this model to call it")


# URLs.

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)")
_URL_CHARACTERS = re.compile(r"[!-~]+")


def check_base_url(url: str, *, allow_private: bool = False, hosts: Sequence[str] = ()) -> str:
    """The base URL without a slash at its end. Raises `ConfigError` saying what is wrong with it.

    Where `hosts` are named no other is called: each is a name or an address, or `*.example.com` for every name below.

    Refused: anything but http and https; user names, queries and fragments; names that are not plain ASCII host
    names; IPv4 addresses in any form but four decimal numbers; zones; addresses that must not be called; and http
    where `allow_private` is not set, for the key and the conversation would cross the Internet in the clear.
    """
    if not _URL_CHARACTERS.fullmatch(url) or "\\" in url:
        raise ConfigError("base_url has a blank, a backslash or a letter outside ASCII in it.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ConfigError(f"base_url is not a URL: {exc}.") from None
    if parts.scheme not in {"http", "https"}:
        raise ConfigError("base_url must begin with https:// or http://.")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("base_url must not hold a user name or a password; keys come from api_key_env.")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ConfigError("base_url must not have a query or a fragment.")
    if not host or port == 0:
        raise ConfigError("base_url has no host, or no port that could be called.")
    _check_host(host, bracketed="[" in parts.netloc, allow_private=allow_private)
    if hosts and not _is_among(host, hosts):
        raise ConfigError(f"base_url leads to {host[:100]}, which is not among the hosts of [egress].")
    if parts.scheme == "http" and not allow_private:
        raise ConfigError("base_url is http: use https, or set allow_private = true for a server inside your network.")
    return url.rstrip("/")


def _check_host(host: str, *, bracketed: bool, allow_private: bool) -> None:
    if bracketed:
        if "%" in host:
            raise ConfigError("base_url has an IPv6 zone, which is not supported.")
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ConfigError("base_url has brackets around something that is no IPv6 address.") from None
        _check_address(host, allow_private)
        return
    if len(host) > 253 or not _HOST_NAME.fullmatch(host):
        raise ConfigError("base_url has a host name that is not one; write an international name in its xn-- form.")
    # What ends in a number is an IPv4 address to every resolver, in forms that read like something else
    # (WHATWG URL, "ends in a number"): 2130706433, 0x7f.1, 0177.0.0.1, 127.1.
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ConfigError("base_url has an IPv4 address that is not four decimal numbers.") from None
        _check_address(host, allow_private)
        return
    name = host.rstrip(".").lower()
    if (name == "localhost" or name.endswith(".localhost")) and not allow_private:
        raise ConfigError("base_url is this machine: set allow_private = true for this model to call it.")


def _is_among(host: str, hosts: Sequence[str]) -> bool:
    name = host.rstrip(".").lower()
    for allowed in hosts:
        pattern = allowed.rstrip(".").lower()
        # The dot belongs to what is compared: evilexample.com is not below example.com.
        if name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:])):
            return True
    return False


def _check_address(host: str, allow_private: bool) -> None:
    try:
        _refuse(host, host, allow_private)
    except EgressRefused as exc:
        raise ConfigError(f"base_url: {exc}.") from None


# At connect time.


async def _system_resolve(host: str, port: int) -> Sequence[str]:
    return addresses_of(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


def addresses_of(infos: Sequence[tuple[Any, Any, Any, Any, tuple[Any, ...]]]) -> list[str]:
    """The addresses in what `getaddrinfo` returned; a zone is kept, as `address%interface`, so that it is refused."""
    return [
        f"{address[0]}%{address[3]}" if len(address) == 4 and address[3] and "%" not in address[0] else str(address[0])
        for _, _, _, _, address in infos
    ]


class _CheckedResolver(AbstractResolver):
    """Gives addresses only if every one of them may be called: a name that is half inside is wholly refused."""

    def __init__(self, resolve: Resolve, allow_private: bool) -> None:
        self._resolve = resolve
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = list(dict.fromkeys(await self._resolve(host, port)))[:_ADDRESSES_MAX]
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            _refuse(host, address, self._allow_private)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _options() -> Iterator[tuple[int, int]]:
    # macOS has its own name for the first; what a platform lacks it does without.
    for names, value in (
        (("TCP_KEEPIDLE", "TCP_KEEPALIVE"), _DEAD_PEER_S // 2),
        (("TCP_KEEPINTVL",), _DEAD_PEER_S // 6),
        (("TCP_KEEPCNT",), 3),
        (("TCP_USER_TIMEOUT",), _DEAD_PEER_S * 1000),
    ):
        option = next((found for name in names if (found := getattr(socket, name, None)) is not None), None)
        if option is not None:
            yield option, value


_OPTIONS = tuple(_options())


def watch_peer(sock: socket.socket) -> None:
    """Makes the kernel find a dead peer within half a minute, for a model may rightly be silent for longer."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _OPTIONS:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)

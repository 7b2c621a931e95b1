"""Where the server may call: the table of addresses, the forms of a URL, and names that change their mind."""

import ipaddress
import socket
from collections.abc import Sequence

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ConfigError
from headwater.providers.egress import Egress, EgressRefused, check_base_url, reach, watch_peer
from tests.kit.upstream import ScriptedUpstream

PUBLIC = ["1.1.1.1", "8.8.8.8", "104.18.6.192", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::6812:6c0"]

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "198.18.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "64:ff9b::10.0.0.1",
    "2002:808:808::1",
    "2002:7f00:1::",
    "::127.0.0.1",
]

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "64:ff9b:1::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "2002:e000:1::",
]


class TestReach:
    @pytest.mark.parametrize(
        ("address", "expected"),
        [(a, "public") for a in PUBLIC] + [(a, "private") for a in PRIVATE] + [(a, "never") for a in NEVER],
    )
    def test_the_table(self, address: str, expected: str) -> None:
        assert reach(ipaddress.ip_address(address))[0] == expected

    @given(st.ip_addresses())
    def test_whatever_the_standard_library_calls_special_is_never_public(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address
    ) -> None:
        special = (
            address.is_private
            or address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_reserved
            or address.is_unspecified
        )
        if special:
            assert reach(address)[0] != "public"

    @given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "::"]))
    def test_an_address_inside_another_is_never_public(self, inner: ipaddress.IPv4Address, prefix: str) -> None:
        outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner))
        assert reach(outer)[0] != "public"


class TestBaseUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "https://api.openai.com/v1",
            "https://api.openai.com",
            "https://API.example.com:8443/a/b",
            "https://1.1.1.1/v1",
            "https://[2606:4700::6812:6c0]/v1",
            "https://my_host.example/v1",
            "https://xn--mnchen-3ya.example/v1",
            "https://1e100.net/v1",
        ],
    )
    def test_public_https_is_fine(self, url: str) -> None:
        assert check_base_url(url) == url
        assert check_base_url(url + "/") == url

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:8000/v1",
            "http://localhost:11434/v1",
            "http://models.internal/v1",
            "http://10.0.0.5/v1",
            "http://[::1]:8080",
            "http://[fd00::1]/v1",
            "http://[::ffff:127.0.0.1]/v1",
            "http://api.localhost./v1",
        ],
    )
    def test_private_ones_need_the_operators_word(self, url: str) -> None:
        assert check_base_url(url, allow_private=True) == url
        with pytest.raises(ConfigError, match="allow_private"):
            check_base_url(url)
        https = url.replace("http:", "https:")
        if "internal" in url:
            # What a name leads to is only known when it is resolved.
            assert check_base_url(https) == https
        else:
            with pytest.raises(ConfigError, match="allow_private"):
                check_base_url(https)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "api.openai.com/v1",
            "//api.openai.com/v1",
            "ftp://api.openai.com/v1",
            "file:///etc/passwd",
            "gopher://example.com/",
            "https://",
            "https:///v1",
            "https://user@example.com/v1",
            "https://user:pass@example.com/v1",
            "https://api.openai.com@127.0.0.1/v1",
            "https://example.com/v1?key=1",
            "https://example.com/v1?",
            "https://example.com/v1#top",
            "https://example.com:0/v1",
            "https://example.com:99999/v1",
            "https://example.com:abc/v1",
            "https://exa mple.com/v1",
            "https://exam\tple.com/v1",
            "https://example.com\\@127.0.0.1/v1",
            "https://example.com/v1\n",
            "https://ex%61mple.com/v1",
            "https://münchen.example/v1",
            "https://１２７.０.０.１/v1",
            "https://127。0。0。1/v1",
            "https://-bad.example/v1",
            "https://a..b/v1",
            "https://.example.com/v1",
            f"https://{'a' * 64}.example/v1",
            f"https://{'a.' * 130}example/v1",
            # IPv4 in other clothes
            "https://2130706433/v1",
            "https://0x7f000001/v1",
            "https://0x7f.0.0.1/v1",
            "https://0177.0.0.1/v1",
            "https://127.1/v1",
            "https://127.0.1/v1",
            "https://127.0.0.1./v1",
            "https://127.0.0.0x1/v1",
            "https://127.0.0.1.1/v1",
            "https://256.1.1.1/v1",
            "https://1.1.1.1.0x/v1",
            "https://017700000001/v1",
            # IPv6
            "https://[fe80::1%25eth0]/v1",
            "https://[fe80::1%eth0]/v1",
            "https://[1.1.1.1]/v1",
            "https://[::1/v1",
            "https://::1/v1",
            "https://[v1.x]/v1",
        ],
    )
    @pytest.mark.parametrize("allow_private", [False, True])
    def test_what_is_not_plainly_a_server_is_refused(self, url: str, allow_private: bool) -> None:
        with pytest.raises(ConfigError):
            check_base_url(url, allow_private=allow_private)

    @pytest.mark.parametrize(
        ("url", "hosts", "allowed"),
        [
            ("https://api.openai.com/v1", [], True),
            ("https://api.openai.com/v1", ["api.anthropic.com", "API.OpenAI.com."], True),
            ("https://API.openai.com./v1", ["api.openai.com"], True),
            ("https://api.openai.com/v1", ["openai.com"], False),
            ("https://a.b.azure.com/v1", ["*.azure.com"], True),
            ("https://azure.com/v1", ["*.azure.com"], False),
            ("https://evilazure.com/v1", ["*.azure.com"], False),
            ("https://azure.com.evil.example/v1", ["*.azure.com", "azure.com"], False),
            ("http://127.0.0.1:8080/v1", ["127.0.0.1"], True),
            ("http://127.0.0.2:8080/v1", ["127.0.0.1", "*.0.0.1"], False),
            ("http://[::1]:8080/v1", ["::1"], True),
        ],
    )
    def test_only_the_hosts_that_the_operator_names(self, url: str, hosts: list[str], allowed: bool) -> None:
        if allowed:
            assert check_base_url(url, allow_private=True, hosts=hosts) == url
        else:
            with pytest.raises(ConfigError, match="egress"):
                check_base_url(url, allow_private=True, hosts=hosts)

    @pytest.mark.parametrize("address", NEVER)
    @pytest.mark.parametrize("allow_private", [False, True])
    def test_special_addresses_are_refused_whoever_allows_them(self, address: str, allow_private: bool) -> None:
        host = f"[{address}]" if ":" in address else address
        with pytest.raises(ConfigError):
            check_base_url(f"https://{host}/v1", allow_private=allow_private)

    @given(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=40))
    def test_anything_at_all_is_accepted_or_a_typed_error(self, text: str) -> None:
        for url in (text, f"https://{text}", f"https://{text}/v1", f"https://[{text}]/"):
            try:
                check_base_url(url, allow_private=True)
            except ConfigError:
                pass


class _Names:
    """A resolver whose answer is another one each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return answer


async def _get(egress: Egress, url: str) -> int:
    async with aiohttp.ClientSession(connector=egress.connector(4)) as session:
        async with session.get(url) as response:
            return response.status


class TestConnecting:
    async def test_the_address_that_was_checked_is_the_one_that_is_called(self) -> None:
        async with ScriptedUpstream() as upstream:
            names = _Names(["127.0.0.1"])
            assert await _get(Egress(True, names), f"http://models.test:{upstream.port}/") == 200
            assert upstream.requests[0].headers["host"] == f"models.test:{upstream.port}"
            assert names.asked == 1

    async def test_a_name_that_turns_inward_is_refused_when_it_does(self) -> None:
        """DNS rebinding: the first answer is fit to call, the second is this machine."""
        async with ScriptedUpstream() as upstream:
            names = _Names(["169.254.169.254"], ["127.0.0.1"])
            egress = Egress(True, names)
            url = f"http://models.test:{upstream.port}/"
            with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
                await _get(egress, url)
            assert isinstance(caught.value.os_error, EgressRefused)
            assert upstream.accepted == 0
            assert await _get(egress, url) == 200
            public_only = Egress(False, _Names(["127.0.0.1"]))
            with pytest.raises(aiohttp.ClientConnectorDNSError):
                await _get(public_only, url)
            assert upstream.accepted == 1

    @pytest.mark.parametrize(
        "answer",
        [
            ["127.0.0.1"],
            ["1.1.1.1", "127.0.0.1"],
            ["2606:4700::1", "::1"],
            ["::ffff:127.0.0.1"],
            ["10.0.0.1"],
            ["fe80::1%eth0"],
            ["2606:4700::1%2"],
            ["not an address"],
            [],
        ],
        ids=str,
    )
    async def test_every_address_of_a_name_has_to_be_fit(self, answer: list[str]) -> None:
        async with ScriptedUpstream() as upstream:
            with pytest.raises(aiohttp.ClientConnectorDNSError):
                await _get(Egress(False, _Names(answer)), f"http://models.test:{upstream.port}/")
            assert upstream.accepted == 0

    async def test_an_address_in_the_url_is_checked_on_the_socket(self) -> None:
        """A literal address never meets the resolver."""
        async with ScriptedUpstream() as upstream:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await _get(Egress(False), f"{upstream.origin}/")
            assert isinstance(caught.value.os_error, EgressRefused)
            assert upstream.accepted == 0

    async def test_the_systems_own_answers_are_checked_too(self) -> None:
        async with ScriptedUpstream() as upstream:
            with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
                await _get(Egress(False), f"http://localhost:{upstream.port}/")
            assert "loopback" in str(caught.value.os_error)
            assert upstream.accepted == 0


def test_a_dead_peer_is_watched_for() -> None:
    with socket.socket() as sock:
        watch_peer(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15

"""A second machine, as far as the kernel can tell: a network namespace joined to ours by a virtual cable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ipaddress import IPv4Network
from types import TracebackType

#: For tests between networks (RFC 2544), so no other machine has them.
ADDRESSES = IPv4Network("198.18.0.0/15")


def missing() -> str | None:
    """Why there can be no such network on this machine; None where there can."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "unshare", "nsenter"):
        if shutil.which(program) is None:
            return f"network namespaces need the program `{program}`"
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this kernel or container allows no network namespaces"


class OtherMachine:
    """`here` is our end of the cable, `there` the other's. `unplug` takes the other end down without a word."""

    def __init__(self) -> None:
        # Of each process its own, for where two have the same address the one does not reach the other's machine.
        place = os.getpid() % (ADDRESSES.num_addresses // 4)
        self.here, self.there = (str(ADDRESSES[4 * place + end]) for end in (1, 2))
        self._cable = f"hw{os.getpid() % 100_000}"
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OtherMachine:
        self._holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()  # the namespace is there once its process speaks
        peer = f"{self._cable}p"
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", peer, "netns", str(self._holder.pid))
        _ip("address", "add", f"{self.here}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        self._there("ip", "address", "add", f"{self.there}/30", "dev", peer)
        self._there("ip", "link", "set", peer, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["ip", "link", "delete", self._cable], capture_output=True, check=False)
        if self._holder is not None:
            self._holder.kill()
            self._holder.communicate()

    def command(self, *command: str) -> list[str]:
        """The command, as it is run over there."""
        assert self._holder is not None
        return ["nsenter", "-t", str(self._holder.pid), "-n", *command]

    def unplug(self) -> None:
        self._there("ip", "link", "set", f"{self._cable}p", "down")

    def _there(self, *command: str) -> None:
        subprocess.run(self.command(*command), check=True, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)

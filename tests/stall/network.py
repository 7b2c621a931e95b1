"""A second machine, as far as the kernel can tell: a network namespace joined to ours by a virtual cable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from types import TracebackType

HERE, THERE = "198.18.77.1", "198.18.77.2"


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
    """`HERE` is our end of the cable, `THERE` the other's. `unplug` takes the other end down without a word."""

    def __init__(self) -> None:
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
        _ip("address", "add", f"{HERE}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        self._there("ip", "address", "add", f"{THERE}/30", "dev", peer)
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

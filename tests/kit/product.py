"""The product itself, as its users start it: a process of its own, to be called, killed and started again."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.kit.nursery import Child, Nursery

START_LIMIT_S = 30.0
#: Where the modules of the tests are found.
_ROOT = Path(__file__).resolve().parents[2]


#: Below the ports that Linux and macOS give to outgoing connections: one of those could take a port between our look
#: and the product's start, or while the product is down.
_PORTS = range(20_000, 32_000)
_ports = itertools.count(os.getpid() * 97)

#: Variables that an interpreter or the loader reads as it begins, and those by which coverage is measured in it.
_TO_THE_INTERPRETER = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "LANG", "LC_", "TZ")
_MEASURED = {"COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_RUN"}
_nursery = Nursery()


def free_port() -> int:
    """A port that nobody listens on; the product takes it with SO_REUSEADDR, so a restart can have it again."""
    for number in _ports:
        port = _PORTS[number % len(_PORTS)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the count has no end")


def toml_of(config: Mapping[str, Any]) -> str:
    """A configuration file from sections of plain values and lists of tables."""
    lines: list[str] = []
    for section, values in config.items():
        tables = values if isinstance(values, list) else [values]
        for table in tables:
            lines.append(f"[[{section}]]" if isinstance(values, list) else f"[{section}]")
            lines += [f"{key} = {_literal(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_literal(each)}" for key, each in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


#: The key that every product of a test has, and that must be nowhere when it ends (`Product.leaks`).
CANARY_VARIABLE = "HEADWATER_TEST_PROVIDER_KEY"
CANARY_KEY = "sk-canary-" + secrets.token_hex(16)


def compatible_model(name: str, base_url: str, **more: Any) -> dict[str, Any]:
    """A row for a server on loopback that speaks Chat Completions, called with the canary key."""
    row = {"name": name, "provider": "openai_chat", "base_url": base_url, "allow_private": True}
    return {**row, "api_key_env": CANARY_VARIABLE, **more}


class Product:
    """`headwater serve` in a data directory. Its log goes to `<data>/server.log` (`log_text`)."""

    def __init__(
        self,
        data: Path,
        *,
        config: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        wrapper: Sequence[str] = (),
        module: str = "headwater",
    ) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.starts = 0
        self._config = config or {}
        #: what the next start has in its environment beside the test's own
        self.environ = {CANARY_VARIABLE: CANARY_KEY, **(environ or {})}
        self._arguments = list(arguments)
        #: a command that the server runs under, e.g. strace
        self._wrapper = list(wrapper)
        #: what is run in place of the product: a module of the tests that puts something between its parts
        self._module = module
        self._process: asyncio.subprocess.Process | Child | None = None

    @property
    def _is_plain(self) -> bool:
        """Whether nothing is said to the interpreter or the loader, so that a copy of another server is the same.

        On Linux only: macOS' own libraries, which tell of proxies and certificates, do not bear being copied.
        """
        if sys.platform != "linux" or self._module != "headwater" or self._wrapper:
            return False
        named = any(name.startswith(_TO_THE_INTERPRETER) for name in self.environ)
        return not named and _MEASURED.isdisjoint(os.environ)

    @property
    def log_path(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    @property
    def log_text(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def process(self) -> asyncio.subprocess.Process | Child:
        assert self._process is not None, "the product was not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def start(self) -> None:
        """Starts it and returns when it is ready. Raises AssertionError with its log if it ends instead."""
        self.data.mkdir(parents=True, exist_ok=True)
        config = self.data.parent / f"{self.data.name}.toml"
        config.write_text(toml_of(self._config))
        arguments = ["serve", "--port", str(self.port), "--data", str(self.data), "--config", str(config)]
        arguments += self._arguments
        environ = {**os.environ, **self.environ}
        if self._is_plain:
            self._process = await _nursery.start(arguments, environ=environ, log=self.log_path)
        else:
            with self.log_path.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._wrapper,
                    *(sys.executable, "-m", self._module),
                    *arguments,
                    cwd=None if self._module == "headwater" else _ROOT,
                    env=environ,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        self.starts += 1
        async with asyncio.timeout(START_LIMIT_S):
            while not await self._ready():
                assert self.process.returncode is None, f"the server ended:\n{self.log_text[-4000:]}"
                await asyncio.sleep(0.02)  # paces: asks again whether the port answers

    async def _ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            return (await reader.readline()).startswith(b"HTTP/1.1 200")
        except OSError:
            return False
        finally:
            writer.close()

    async def kill(self) -> None:
        """SIGKILL: what is not on disk is gone."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def __aenter__(self) -> Product:
        await self.start()
        return self

    def leaks(self) -> list[Path]:
        """Files that hold the canary key: the log, and everything in the data directory."""
        files = [self.log_path, *(path for path in self.data.rglob("*") if path.is_file())]
        return [path for path in files if path.exists() and CANARY_KEY.encode() in path.read_bytes()]

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await self.kill()
        assert not self.leaks(), "the provider's key was written down"

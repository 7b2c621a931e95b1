"""The product for tests that block: the same process as elsewhere, driven over a loop in a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from headwater.client.blocking import Portal
from tests.kit.product import Product


class Server:
    """`headwater serve`, to be killed and started again while a page looks at it. It keeps its port and its data."""

    def __init__(self, portal: Portal, data: Path, *, config: Mapping[str, Any] | None = None) -> None:
        self._portal = portal
        self.product = Product(data, config=config)
        self.url = self.product.url
        # verify: plain HTTP needs none of the certificates that httpx would read
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30, verify=False)

    def start(self) -> None:
        """Returns when it is ready."""
        self._portal.call(self.product.start())

    def kill(self) -> None:
        """SIGKILL: what is not on disk is gone."""
        self._portal.call(self.product.kill())

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._portal.call(self.product.terminate())

    def ask(self, question: str, *, model: str = "scripted", **asked: Any) -> str:
        """Starts a run that no page has asked for, and returns its id."""
        body = {"model": model, "messages": [{"role": "user", "content": question}], **asked}
        answer = self.http.post("/api/v1/runs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, run: str) -> dict[str, Any]:
        """The run as the API shows it."""
        answer = self.http.get(f"/api/v1/runs/{run}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def ended(self, run: str) -> None:
        """Returns once the run has ended: the answer is its log, to the final record."""
        accept = {"accept": "application/x-ndjson"}
        assert self.http.get(f"/api/v1/runs/{run}/events", headers=accept).status_code == 200

    def runs(self) -> list[dict[str, Any]]:
        """Its runs, newest first, up to 200."""
        listed: list[dict[str, Any]] = self.http.get("/api/v1/runs", params={"limit": 200}).json()["runs"]
        return listed

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.http.close()
        self._portal.call(self.product.__aexit__(kind, error, at))

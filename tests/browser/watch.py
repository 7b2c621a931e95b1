"""What a page does that no page of ours may do: errors on its console, violations of its policy, calls elsewhere."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

#: Puts on the console what the browser tells the page of its policy, with the directive and the address.
REPORT_VIOLATIONS: Final = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile ?? ""}`);
}, true);
"""
#: What the browser says on its console of a call that came to nothing. That strikes whatever is on the wire: also a
#: font, which is then shown in the system's own letters.
DOWN: Final = (
    "ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING"
    "|ERR_CONTENT_LENGTH_MISMATCH|ERR_SOCKET_NOT_CONNECTED|Failed to decode downloaded font|OTS parsing error"
)
_LOUD: Final = frozenset({"error", "warning", "assert"})
#: Addresses that lead to no host.
_NO_HOST: Final = frozenset({"data", "blob", "about"})


class Watch:
    """Notes the faults of all pages of the contexts that it watches. A test that causes one says which it expects."""

    def __init__(self, own_url: str) -> None:
        self._own = {urlsplit(own_url).netloc}
        self._expected: list[re.Pattern[str]] = []
        self._faults: list[str] = []

    def allow(self, url: str) -> None:
        """Another address of the same server is no other host."""
        self._own.add(urlsplit(url).netloc)

    def expect(self, pattern: str) -> None:
        """Faults that match are no faults in this test, e.g. failed calls while the server is down."""
        self._expected.append(re.compile(pattern))

    @property
    def faults(self) -> list[str]:
        """What was not expected, in order."""
        return [fault for fault in self._faults if not any(each.search(fault) for each in self._expected)]

    def forget(self) -> None:
        """Begins anew; for the test of the watch itself."""
        self._faults.clear()

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("request", self._on_request)
        context.on("weberror", lambda error: self._faults.append(f"uncaught: {error.error}"))
        context.on("page", lambda page: page.on("crash", self._on_crash))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in _LOUD:
            self._faults.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in _NO_HOST and address.netloc not in self._own:
            self._faults.append(f"request to another host: {request.url}")

    def _on_crash(self, page: Page) -> None:
        self._faults.append(f"crashed: {page.url}")

"""Waiting in a page whose content security policy allows no `eval`.

Playwright's own `wait_for_function` looks once as the debugger, whom no policy binds, and from then on by `eval`, which
ours refuses: it fails, but only where the first look came too early.
"""

from __future__ import annotations

from playwright.sync_api import Page

#: How often a page is asked, in ms.
_EACH_MS = 20


def until(page: Page, expression: str) -> None:
    """Returns when a JavaScript expression holds in the page; the test's own time limit is the only one."""
    page.evaluate(f"async () => {{ while (!({expression})) await new Promise(done => setTimeout(done, {_EACH_MS})); }}")

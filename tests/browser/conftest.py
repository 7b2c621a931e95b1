"""What every test with a browser has: a real server, Chromium, and a watch that fails it for what no page may do.

pytest-playwright's fixtures, with two differences. Its driver runs an asyncio loop in the thread of the tests, which
would stay marked as running for every async test that follows; so it lives as long as this package's tests, and not as
long as the session. And the browser is the machine's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from headwater.client.blocking import Portal
from tests.browser import chromium
from tests.browser.chat import PATIENCE_MS
from tests.browser.model import ScriptedModel
from tests.browser.server import Server
from tests.browser.states import States
from tests.browser.watch import Watch
from tests.recordings import PROJECT_ROOT

NewContext = Callable[..., BrowserContext]
Screenshot = Callable[[Page, str], Path]

SCREENSHOTS = PROJECT_ROOT / ".cache" / "screenshots"
#: Sizes of what people look at, in CSS pixels.
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers are not quick, and load a core each."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    reason = chromium.missing()
    if reason is not None and os.environ.get("CI"):
        pytest.fail(f"needed in continuous integration: {reason}")
    if reason is not None:
        pytest.skip(reason)
    # What a machine with other work takes long for is no fault of a page.
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright: Playwright, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=chromium.executable(), args=list(chromium.FLAGS), **browser_type_launch_args
    )
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def browser_context_args() -> dict[str, Any]:
    """None: what is here could not be said otherwise by `new_context`, which has its own."""
    return {}


@pytest.fixture(scope="package")
def portal() -> Iterator[Portal]:
    """A loop in a thread, on which a test that blocks runs the kit's servers and proxies."""
    portal = Portal()
    yield portal
    portal.close()


@pytest.fixture
def model(portal: Portal) -> Iterator[ScriptedModel]:
    """What is behind the server's model `scripted`."""
    with ScriptedModel(portal) as model:
        yield model


@pytest.fixture
def server_config(model: ScriptedModel) -> dict[str, Any]:
    """The server's configuration by section; a module of tests that needs another has its own fixture of this name."""
    return {"models": model.rows("scripted")}


@pytest.fixture
def server(portal: Portal, data_dir: Path, server_config: dict[str, Any]) -> Iterator[Server]:
    with Server(portal, data_dir, config=server_config) as running:
        yield running


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    """Fails the test at its end for every fault of a page that it did not expect."""
    watch = Watch(server.url)
    yield watch
    assert watch.faults == []


@pytest.fixture
def states() -> States:
    """What the answers of all pages have looked like so far."""
    return States()


@pytest.fixture
def new_context(request: pytest.FixtureRequest, new_context: NewContext, server: Server, watch: Watch) -> NewContext:
    """A browser profile of its own: another device. Takes Playwright's options."""
    # To note every state costs more than to draw it: only for tests that ask for them.
    states: States | None = request.getfixturevalue("states") if "states" in request.fixturenames else None
    # No worker of a page's own may answer in the server's place; dates and words are the same everywhere.
    common = {"service_workers": "block", "locale": "en-GB", "timezone_id": "UTC", "viewport": DESKTOP}

    def make(**options: Any) -> BrowserContext:
        context = new_context(**{"base_url": server.url, **common, **options})
        watch.watch(context)
        if states is not None:
            states.watch(context)
        return context

    return make


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Screenshot:
    """Keeps what a page looks like as `.cache/screenshots/<test>-<name>.png`, to be looked at."""

    def take(page: Page, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        test = re.sub(r"[^\w.-]+", "-", cast(str, request.node.name)).strip("-")
        path = SCREENSHOTS / f"{test}-{name}.png"
        # With motion stopped and the caret hidden two pictures of one state are the same.
        page.screenshot(path=path, animations="disabled", caret="hide")
        return path

    return take

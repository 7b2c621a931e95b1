"""The ground of the browser tests: the page is served, runs under its policy, and the watch sees what it must."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect

from headwater.api.pages import CONTENT_SECURITY_POLICY
from tests.browser.chat import Chat
from tests.browser.conftest import PHONE, NewContext, Screenshot
from tests.browser.model import ScriptedModel, told_in_parts
from tests.browser.server import Server
from tests.browser.watch import DOWN, Watch

DEVICES: dict[str, dict[str, Any]] = {
    "phone": {"viewport": PHONE, "is_mobile": True},
    "dark": {"color_scheme": "dark"},
}


def test_the_page_loads_under_its_policy(page: Page, screenshot: Screenshot) -> None:
    answer = page.goto("/")
    assert answer is not None
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    expect(page.locator("#root > *").first).to_be_attached()
    screenshot(page, "light")


def test_the_page_s_files_come_compressed_and_are_kept(page: Page) -> None:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/", wait_until="networkidle")
    scripts = [answer for answer in answers if answer.url.endswith(".js")]
    assert scripts
    for answer in scripts:
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "br"
    page.reload(wait_until="networkidle")
    sent_bytes = page.evaluate("performance.getEntriesByType('resource').map((each) => [each.name, each.transferSize])")
    assert {size for name, size in sent_bytes if name.endswith(".js")} == {0}


@pytest.mark.parametrize("name", DEVICES)
def test_other_devices(new_context: NewContext, screenshot: Screenshot, name: str) -> None:
    page = new_context(**DEVICES[name]).new_page()
    page.goto("/")
    expect(page.locator("#root > *").first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing to scroll sideways"
    screenshot(page, name)


def test_the_server_is_killed_and_comes_back(page: Page, server: Server, watch: Watch) -> None:
    page.goto("/")
    server.kill()
    watch.expect(DOWN)
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        page.goto("/")
    # The browser's own page of the failure is still on its way: a visit that comes before it would be interrupted.
    page.wait_for_url("chrome-error://**")
    server.start()
    page.goto("/")
    expect(page.locator("#root > *").first).to_be_attached()
    assert server.product.starts == 2


def test_an_address_of_no_conversation_says_so_and_a_new_one_can_be_begun(
    page: Page, model: ScriptedModel, watch: Watch
) -> None:
    watch.expect("404")
    chat = Chat(page)
    nowhere = "run_" + "0" * 32
    chat.visit(nowhere)
    expect(page.get_by_role("heading", level=1)).to_have_text("This conversation is not here")
    expect(page.get_by_test_id("send")).to_be_visible()
    expect(page.get_by_test_id("stop")).to_have_count(0)
    model.answers("Anybody here?", told_in_parts([["Yes."]], []))
    page.get_by_test_id("model").select_option("scripted")
    chat.ask("Anybody here?")
    chat.shows("Yes.")


def test_an_address_that_does_not_exist_says_so_and_leads_to_a_chat(page: Page, server: Server, watch: Watch) -> None:
    watch.expect("404")
    answer = page.goto("/nowhere/at/all")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    page.get_by_role("link", name="Start a new chat").click()
    expect(page.get_by_test_id("composer")).to_be_visible()
    licences = page.get_by_role("link", name="Licences").get_attribute("href")
    assert licences is not None
    assert "SIL OPEN FONT LICENSE" in server.http.get(licences).text


# ── the watch ───────────────────────────────────────────────────────────────────────────────────────


LOOKS_MAX = 500

# (what a page does, the fault that is noted).
FAULTS = [
    ("console.error('broken')", "console error: broken"),
    ("console.warn('doubtful')", "console warning: doubtful"),
    ("setTimeout(() => { throw new Error('unforeseen') })", "uncaught: unforeseen"),
    ("Promise.reject(new Error('forgotten'))", "uncaught: forgotten"),
    ("fetch('http://192.0.2.1/').catch(() => 0)", "policy violated: connect-src http://192.0.2.1"),
    ("new Image().src = 'http://192.0.2.1/x.png'", "policy violated: img-src http://192.0.2.1"),
    ("document.body.setAttribute('style', 'color: red')", "policy violated: style-src-attr inline"),
    ("document.body.innerHTML = '<img src=x onerror=run()>'", "policy violated: script-src-attr inline"),
    ("const s = document.createElement('script'); s.text = '1'; document.body.append(s)", "script-src-elem inline"),
    ("open('http://192.0.2.1/')", "request to another host: http://192.0.2.1/"),
]


def test_every_fault_is_seen(context: BrowserContext, watch: Watch) -> None:
    """In a document without the application, where what happens is the test's doing alone."""
    for script, fault in FAULTS:
        bare = context.new_page()
        bare.goto("/livez")
        assert watch.faults == []
        bare.evaluate(f"() => {{ {script} }}")
        for _ in range(LOOKS_MAX):
            if any(fault in each for each in watch.faults):
                break
            # The browser tells of it when it likes.
            bare.wait_for_timeout(20)
        assert [each for each in watch.faults if fault in each], watch.faults
        bare.close()
        watch.forget()

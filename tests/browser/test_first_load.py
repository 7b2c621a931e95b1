"""What a first visit costs: all JavaScript that the browser loads by itself, Markdown's part too, which it asks for at
once and waits for at none."""

from __future__ import annotations

import gzip

from playwright.sync_api import Page, Response

from tests.browser.until import until

FIRST_LOAD_BYTES_MAX = 200_000


def test_the_first_load_is_small(page: Page) -> None:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/")
    # A page that is slow to begin is idle before it asks for its last part.
    until(page, "performance.getEntriesByType('resource').some(({ name }) => /Markdown-.*[.]js$/.test(name))")
    page.wait_for_load_state("networkidle")
    scripts = [answer for answer in answers if answer.request.resource_type == "script"]
    sizes = {answer.url.rpartition("/")[2]: len(gzip.compress(answer.body(), 9)) for answer in scripts}
    # The application and Markdown; what was loaded is what is counted.
    assert len(sizes) >= 2
    loaded = page.evaluate("performance.getEntriesByType('resource').filter((each) => /[.]js$/.test(each.name)).length")
    assert loaded == len(sizes)
    pages = ("ModelsPage", "ExaminerPage", "SolverPage", "AssistantPage")
    assert not [name for name in sizes if name.startswith(pages)], "a page of its own is loaded when it is gone to"
    assert sum(sizes.values()) <= FIRST_LOAD_BYTES_MAX, sizes

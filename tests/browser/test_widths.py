"""Every page at the widths between a phone's and a screen's: nothing is cut off, and nothing scrolls sideways."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.chat import PATIENCE_MS
from tests.browser.conftest import NewContext
from tests.browser.server import Server

#: On both sides of each place where a page is laid out anew, and where one was too wide once.
WIDTHS = [320, 390, 600, 767, 768, 900, 1000, 1023, 1024, 1099, 1100, 1180, 1279, 1280, 1600]

#: A person may scroll code, tables and strips that can be gone to with a key, and three dots say that a name goes on.
#: Anything else whose content is wider than itself is a fault.
TOO_WIDE = """
() => [...document.querySelectorAll("body, body *")].filter((part) => {
  const style = getComputedStyle(part);
  if (style.overflowX === "visible" || style.textOverflow === "ellipsis" || style.position === "absolute") return false;
  if (style.webkitLineClamp !== "none" || part.closest("textarea, select, pre, table")) return false;
  if (part.tabIndex >= 0 && style.overflowX === "auto") return false;
  return part.clientWidth > 0 && part.scrollWidth > part.clientWidth + 1;
}).map((part) => `${part.tagName} ${part.className}: ${part.scrollWidth} in ${part.clientWidth}`)
"""


#: What is there at some widths only comes and goes with the next frame, behind the change of the width.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


@pytest.fixture
def server_config() -> dict[str, Any]:
    """As without a configuration: one model, which needs no key."""
    return {}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/c/{run}", "answer"),
        ("/models", "model-row"),
        ("/examiner", "puzzle"),
        ("/examiner?task=0d3d703e", "puzzle-view"),
        ("/solver", "puzzle"),
        ("/solver?task=0d3d703e", "start"),
        ("/assistant", "composer"),
    ],
)
def test_nothing_is_cut_off(new_context: NewContext, server: Server, path: str, shown: str) -> None:
    run = server.ask("How wide is a river?", model="simulated")
    server.ended(run)
    page = new_context().new_page()
    page.goto(path.format(run=run))
    expect(page.get_by_test_id(shown).first).to_be_visible(timeout=PATIENCE_MS)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert page.evaluate(TOO_WIDE) == [], width


def test_what_an_answer_took_is_on_one_line_of_a_phone(new_context: NewContext, server: Server) -> None:
    run = server.ask("How wide is a river?", model="simulated")
    server.ended(run)
    page = new_context().new_page()
    page.goto(f"/c/{run}")
    expect(page.get_by_test_id("cost")).to_be_visible(timeout=PATIENCE_MS)

    def lines(*figures: str) -> set[float]:
        boxes = [page.get_by_test_id(figure).bounding_box() for figure in figures]
        return {round(box["y"]) for box in boxes if box is not None}

    for width in (767, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(DRAWN)
        assert len(lines("tokens", "rate", "ttft", "elapsed", "cost")) == 1, width
    # narrower ones have not the room, and the cost is not left alone
    page.set_viewport_size({"width": 320, "height": 800})
    page.evaluate(DRAWN)
    assert len(lines("elapsed", "cost")) == 1


@pytest.mark.parametrize(
    ("workflow", "title"), [("analysis", "Analysis of 007bbfb7"), ("visual_solver", "Solve 007bbfb7")]
)
def test_what_a_program_started_is_listed_by_its_puzzle(
    new_context: NewContext, server: Server, workflow: str, title: str
) -> None:
    asked = {"workflow": workflow, "model": "simulated", "input": {"task_id": "007bbfb7"}}
    server.ended(str(server.http.post("/api/v1/runs", json=asked).json()["id"]))
    page = new_context().new_page()
    page.goto("/")
    listed = page.get_by_test_id("runs").get_by_role("link").first
    expect(listed).to_contain_text(title, timeout=PATIENCE_MS)


def test_a_single_model_is_not_told_as_many(new_context: NewContext) -> None:
    page = new_context().new_page()
    page.goto("/models")
    expect(page.get_by_test_id("found")).to_have_text("1 model", timeout=PATIENCE_MS)


@pytest.mark.parametrize("workflow", ["solver", "visual_solver"])
def test_what_was_predicted_is_beside_what_is_right(new_context: NewContext, server: Server, workflow: str) -> None:
    asked = {"workflow": workflow, "model": "simulated", "input": {"task_id": "007bbfb7"}}
    run = str(server.http.post("/api/v1/runs", json=asked).json()["id"])
    server.ended(run)
    page = new_context().new_page()
    page.goto(f"/solver?run={run}")
    grids = [page.get_by_role("img", name=f"Test 1, {which}") for which in ("predicted", "truth")]
    expect(grids[1]).to_be_visible(timeout=PATIENCE_MS)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(DRAWN)
        predicted, truth = (grid.bounding_box() for grid in grids)
        assert predicted is not None
        assert truth is not None
        assert (truth["y"], truth["width"]) == pytest.approx((predicted["y"], predicted["width"]), abs=1), width
        assert truth["x"] >= predicted["x"] + predicted["width"], width

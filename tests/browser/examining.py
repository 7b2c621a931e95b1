"""The Examiner as a person uses it: a puzzle is chosen, analysed by a model, and judged."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from playwright.sync_api import Locator, Page, expect

from tests.browser.chat import PATIENCE_MS
from tests.browser.model import TOKEN_DELAY_S, Gate
from tests.kit.script import Pause, Step, chat_stream

#: A puzzle of ARC-AGI-1 with one test of 3 × 3, and what solves it.
PUZZLE: Final = "0d3d703e"
TRUTH: Final = [[9, 5, 4], [9, 5, 4], [9, 5, 4]]
#: Two of its cells are wrong.
WRONG: Final = [[9, 5, 4], [9, 0, 4], [9, 5, 1]]
PATTERN: Final = "Each colour becomes *another* one, <b onclick=alert(1)>always</b> the same. 泉"
STRATEGY: Final = "Read the table off the examples.\nApply it to every cell."
HINTS: Final = ["Columns keep their place.", "Nothing moves."]


def said(grid: Any, confidence: Any = 85, **more: Any) -> str:
    """An answer as the schema asks for it, and more in it."""
    members = {"patternDescription": PATTERN, "solvingStrategy": STRATEGY, "hints": HINTS, "predictedOutput": grid}
    return json.dumps({**members, "confidence": confidence, **more}, ensure_ascii=False)


def in_parts(text: str, *ends: str) -> list[str]:
    """The text in parts, each to the end of the first occurrence of a piece behind the part before."""
    places = [0]
    for end in ends:
        places.append(text.index(end, places[-1]) + len(end))
    return [text[start:stop] for start, stop in zip(places, [*places[1:], len(text)], strict=True)]


def told(parts: Sequence[str], gates: Sequence[Gate]) -> list[Step]:
    """The parts in small pieces, each but the last with a gate behind it."""
    pieces = [[part[at : at + 5] for at in range(0, len(part), 5)] for part in parts]
    steps = chat_stream([piece for part in pieces for piece in part], finish="stop")
    pending = iter(steps)
    paced: list[Step] = [next(pending)]
    for number, part in enumerate(pieces):
        for _ in part:
            paced += [Pause(seconds=TOKEN_DELAY_S), next(pending)]
        if number < len(gates):
            paced.append(Pause(until=gates[number]))
    return [*paced, *pending]


class Examining:
    """One page with the Examiner on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.puzzles: Final = page.get_by_test_id("puzzle")
        self.analysis: Final = page.get_by_test_id("analysis")
        self.prediction: Final = page.get_by_test_id("prediction")
        self.result: Final = page.get_by_test_id("result")
        self.past: Final = page.get_by_test_id("past-analysis")

    def open(self, puzzle: str | None = PUZZLE, *, model: str = "scripted") -> Examining:
        """A puzzle with a model that was chosen for it, or all puzzles."""
        self.page.goto("/examiner" if puzzle is None else f"/examiner?task={puzzle}")
        if puzzle is not None:
            expect(self.page.get_by_test_id("puzzle-view")).to_be_visible(timeout=PATIENCE_MS)
            self.page.get_by_test_id("model").select_option(model)
        return self

    def analyse(self) -> str:
        """Begins an analysis, and returns the run that comes of it."""
        before = self.page.url
        self.page.get_by_test_id("analyse").click()
        return self.moved(before)

    def moved(self, before: str) -> str:
        """The run of the address that the page goes to from another."""
        self.page.wait_for_url(lambda url: url != before and "run=" in url, timeout=PATIENCE_MS)
        found = re.search(r"run_[0-9a-f]{32}", self.page.url)
        assert found is not None
        return found.group()

    def badge(self, state: str) -> None:
        expect(self.analysis).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    def rows(self, count: int) -> None:
        """Waits until so many rows of the prediction have come."""
        expect(self.prediction).to_have_attribute("data-rows", str(count), timeout=PATIENCE_MS)

    def field(self, name: str) -> Locator:
        """What the model says there; where it stands is told to screen readers elsewhere."""
        return self.page.get_by_test_id(f"field-{name}").locator("dd :is(ul, .model-words > :first-child)")

    def judged(self, words: str) -> None:
        """Waits until the verdict is this."""
        verdict = self.result.get_by_test_id("verdict")
        expect(verdict).to_have_text(words, timeout=PATIENCE_MS)

    def figure(self, name: str) -> Locator:
        return self.result.locator("dl > div").filter(has_text=name).locator("dd")

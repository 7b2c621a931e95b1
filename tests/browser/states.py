"""Every state of an answer that a page shows, noted as the document changes, and what must be true of them all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from playwright.sync_api import BrowserContext

#: Runs before the page's own code. An observer is told after each change that React makes, before anything is drawn.
NOTE_STATES: Final = """
(() => {
  const load = `${performance.timeOrigin} ${Math.random()}`;
  let last = "";
  const look = () => {
    const answers = document.querySelectorAll("[data-testid=answer]");
    if (answers.length === 0) return;
    const { run = "", state, cursor } = answers[0].dataset;
    const text = answers[0].querySelector("[data-testid=answer-text]");
    const now = [run, state, Number(cursor), text.dataset.view, text.textContent, answers.length];
    const key = JSON.stringify(now);
    if (key === last) return;
    last = key;
    void noteAnswer(load, ...now);
  };
  new MutationObserver(look).observe(document, {
    subtree: true, childList: true, characterData: true, attributes: true,
  });
})();
"""


class State(NamedTuple):
    """What one document showed at one moment."""

    #: which document: another one after each load
    load: str
    run: str
    state: str
    cursor: int
    view: str
    text: str
    answers: int


class States:
    """The states of all pages of the contexts that it watches, in the order in which they were shown."""

    def __init__(self) -> None:
        self.all: list[State] = []

    def watch(self, context: BrowserContext) -> None:
        context.expose_binding("noteAnswer", self._note)
        context.add_init_script(NOTE_STATES)

    def _note(self, _source: Any, *state: Any) -> None:
        self.all.append(State(*state))

    def of(self, run: str) -> list[list[State]]:
        """The states of a run, a list for each document that showed it."""
        shown = sorted((state for state in self.all if state.run == run), key=lambda state: state.load)
        return [list(states) for _, states in groupby(shown, key=lambda state: state.load)]

    def badges(self, run: str) -> list[list[str]]:
        """What the badge said one after another, a list for each document."""
        return [[badge for badge, _ in groupby(state.state for state in states)] for states in self.of(run)]

    def check(self, run: str, text: str) -> None:
        """Every text shown of a run is a beginning of `text`, none goes back, and each document ends with the last."""
        documents = self.of(run)
        assert documents, f"no document showed {run}"
        for states in documents:
            for problem in problems(states, text):
                raise AssertionError(problem)


def problems(states: list[State], text: str) -> Iterator[str]:
    before = State(states[0].load, states[0].run, "", 0, "plain", "", 1)
    for at, state in enumerate(states):
        if state.answers != 1:
            yield f"state {at}: {state.answers} answers at once"
        if state.view != "plain":
            yield f"state {at} is not shown as plain text, and can not be judged"
        if not text.startswith(state.text):
            yield f"state {at} is no beginning of the log's text: {state.text!r}, {text[: len(state.text)]!r}"
        if not state.text.startswith(before.text):
            yield f"state {at} takes back what was shown: {before.text[-80:]!r}, {state.text[-80:]!r}"
        if state.cursor < before.cursor:
            yield f"state {at}: the cursor goes from {before.cursor} back to {state.cursor}"
        before = state

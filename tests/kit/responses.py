"""What a server of OpenAI's Responses says, and one whose answers go on when nobody listens.

The events are those of https://platform.openai.com/docs/api-reference/responses-streaming, the answers in the
background those of https://platform.openai.com/docs/guides/background.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.kit.script import Send, Stall, Status, Step, error_answer
from tests.kit.upstream import Received


def responses_event(kind: str, number: int, **members: Any) -> bytes:
    """One event as an SSE block."""
    data = json.dumps({"type": kind, "sequence_number": number, **members}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def responses_events(answer: str, items: Sequence[Sequence[str]], *, input_tokens: int = 7) -> list[bytes]:
    """A whole answer: each item of output is a message of these pieces of text. The n-th has the sequence number n."""
    events: list[bytes] = []

    def add(kind: str, **members: Any) -> None:
        events.append(responses_event(kind, len(events), **members))

    def response(status: str, **members: Any) -> dict[str, Any]:
        common = {"object": "response", "created_at": 1_700_000_000, "model": "scripted", "output": []}
        return {"id": answer, "status": status, **common, **members}

    add("response.created", response=response("in_progress"))
    add("response.in_progress", response=response("in_progress"))
    for place, pieces in enumerate(items):
        where = {"item_id": f"msg_{place}", "output_index": place, "content_index": 0}
        item = {"id": f"msg_{place}", "type": "message", "role": "assistant", "content": []}
        add("response.output_item.added", output_index=place, item={**item, "status": "in_progress"})
        add("response.content_part.added", **where, part={"type": "output_text", "text": "", "annotations": []})
        for piece in pieces:
            add("response.output_text.delta", **where, delta=piece, logprobs=[])
        text = "".join(pieces)
        part = {"type": "output_text", "text": text, "annotations": []}
        add("response.output_text.done", **where, text=text, logprobs=[])
        add("response.content_part.done", **where, part=part)
        add("response.output_item.done", output_index=place, item={**item, "status": "completed", "content": [part]})
    output_tokens = sum(map(len, items))
    usage = {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }
    add("response.completed", response=response("completed", usage=usage))
    return events


class BackgroundAnswers:
    """A script for a server that keeps its answers: `upstream = ScriptedUpstream(answers.script)`.

    Each answer is made once, by a POST, and told to whoever asks for it. Whoever hears it first is told of it up to
    `holds_at` pieces of text, and then nothing any more; whoever asks again is told all the rest. Or each telling of an
    answer is cut by the next of its `cuts`, which are found by the body that asked for it: after the event of a number,
    by a step.
    """

    def __init__(
        self,
        items: Sequence[Sequence[str]],
        *,
        holds_at: int | None = None,
        cuts: Callable[[Any], Sequence[tuple[int, Step]]] = lambda _body: (),
    ) -> None:
        self.holds_at = holds_at
        #: bodies of what was asked to be made, sequence numbers of what was asked for again, answers that were stopped
        self.made: list[Any] = []
        self.asked_after: list[int] = []
        self.stopped: list[str] = []
        #: is told each piece of text with its place, before it is sent, and that the answer was told to its end
        self.on_piece: Callable[[int, str], object] = lambda _place, _piece: None
        self.on_end: Callable[[], object] = lambda: None
        self._items = items
        self._cuts = cuts
        self._cuts_left: dict[str, list[tuple[int, Step]]] = {}
        #: how many pieces of an answer have been billed
        self._billed: Counter[str] = Counter()
        self._forgotten = False

    def forget(self) -> None:
        """As when the time is over for which answers are kept."""
        self._forgotten = True

    def script(self, received: Received) -> Iterator[Step]:
        path = urlsplit(received.path)
        if received.method == "POST" and path.path.endswith("/responses"):
            self.made.append(received.json)
            answer = f"resp_{len(self.made)}"
            self._cuts_left[answer] = [*self._cuts(received.json)]
            yield from self._tell(answer, -1, self.holds_at)
            return
        (answer,) = re.findall(r"/responses/(resp_\d+)", path.path)
        if self._forgotten:
            yield from error_answer(404, f"Response with id '{answer}' not found.")
        elif path.path.endswith("/cancel"):
            self.stopped.append(answer)
            body = json.dumps({"id": answer, "object": "response", "status": "cancelled"}).encode()
            yield Status(200, {"Content-Type": "application/json"}, body, "length")
        else:
            asked = parse_qs(path.query)
            assert (received.method, asked["stream"]) == ("GET", ["true"])
            self.asked_after.append(int(asked["starting_after"][0]))
            yield from self._tell(answer, self.asked_after[-1], None)

    def _tell(self, answer: str, after: int, holds_at: int | None) -> Iterator[Step]:
        said = 0
        cuts = self._cuts_left[answer]
        cut_after, cut = cuts.pop(0) if cuts else (None, None)
        for number, event in enumerate(responses_events(answer, self._items)):
            is_piece = b'"response.output_text.delta"' in event
            is_end = b'"response.completed"' in event
            if said == holds_at and (is_piece or is_end):
                yield Stall()
            if number > after:
                if is_piece:
                    self.on_piece(said, json.loads(event.partition(b"data: ")[2])["delta"])
                if is_end:
                    self.on_end()
                # what was made is billed once, however often it is told
                is_new = is_piece and said == self._billed[answer]
                self._billed[answer] += is_new
                yield Send(event, tokens=int(is_new))
                if cut is not None and number == cut_after:
                    yield cut
                    return
            said += is_piece

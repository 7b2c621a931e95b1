"""Shows a run as it happens: live in a terminal, or as plain text where the output goes elsewhere."""

from __future__ import annotations

from typing import Protocol

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from headwater.cli.text import one_line, printable, settled_chars
from headwater.domain import event as ev

_STATES = {
    "streaming": "",
    "queued": "waiting for a free place",
    "connecting": "asking the model",
    "retrying": "trying again",
    "falling_back": "asking another model",
    "reattaching": "asking for the rest of the answer",
}
#: A try that a crash had cut may be begun anew without what it went on from.
_TAKEN_BACK = "The end of what came no longer counts: the answer goes on from an earlier place."


class View(Protocol):
    """Takes a run's records in order."""

    def show(self, record: ev.Record) -> None: ...

    def note(self, text: str) -> None:
        """Something to say that is not in the log."""
        ...

    def close(self) -> None: ...


class Answers:
    """Which calls' output is the run's answer: all but those that were announced as internal."""

    def __init__(self) -> None:
        self._internal: set[int] = set()

    def take(self, event: ev.Event) -> None:
        if isinstance(event, ev.Call) and event.role != "answer":
            self._internal.add(event.call)

    def has(self, call: int | None) -> bool:
        return (call or 1) not in self._internal


class PlainView:
    """The answer's text on stdout and nothing else there, so that it can be piped; the rest on stderr."""

    def __init__(self) -> None:
        self._answers = Answers()
        self._open = False

    def show(self, record: ev.Record) -> None:
        event = record.event
        self._answers.take(event)
        match event:
            case ev.Chunk(content=content, call=call) | ev.Refusal(content=content, call=call):
                if content and self._answers.has(call):
                    typer.echo(printable(content), nl=False)
                    self._open = not content.endswith("\n")
            case ev.Attempt(supersedes_from=int()):
                self.close()
                self.note(_TAKEN_BACK)
            case ev.Error(message=message):
                self.note(message)
            case ev.Cancelled():
                self.note("Cancelled; the answer above is not whole.")
            case _:
                pass

    def note(self, text: str) -> None:
        # No line is ended on stdout: the answer may go on in it.
        typer.echo(f"headwater: {printable(text)}", err=True)

    def close(self) -> None:
        if self._open:
            typer.echo()
            self._open = False


class LiveView:
    """Reasoning dim, then the answer as Markdown. What will not change any more is printed for good; only the
    paragraph that is growing is drawn again, so that an answer of any length costs the same per token."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._answers = Answers()
        self._kind = ""
        self._tail = ""
        self._live = Live(Growing("", "", "asking the model"), console=console, transient=True, auto_refresh=False)
        self._live.start()

    def show(self, record: ev.Record) -> None:
        event = record.event
        self._answers.take(event)
        match event:
            case ev.Chunk() | ev.Reasoning() | ev.Refusal():
                if self._answers.has(event.call):
                    self._grow(event.type, event.content)
            case ev.Status(state=state, message=message):
                self._draw(printable(message) or _STATES.get(state, state))
            case ev.ToolCall(done=True, name=name):
                self._say(Text(f"→ {one_line(name, 60)}", "dim"))
            case ev.Attempt(supersedes_from=int()):
                self._say(Text(_TAKEN_BACK, "yellow"))
            case ev.Complete(finish_reason=reason, usage=usage):
                ended = "" if reason == "stop" else f" · {_FINISH.get(reason, reason)}"
                self._say(Text(f"{usage.output_tokens} tokens · {record.t / 1000:.1f} s{ended}", "dim"))
            case ev.Cancelled():
                self._say(Text("Cancelled.", "yellow"))
            case ev.Error(message=message):
                self._say(Text(printable(message), "red"))
            case _:
                pass

    def note(self, text: str) -> None:
        self._say(Text(printable(text), "yellow"))

    def close(self) -> None:
        self._settle()
        self._live.update(Text(""))
        self._live.stop()

    def _grow(self, kind: str, content: str) -> None:
        if kind != self._kind:
            self._settle()
            self._kind = kind
        self._tail += printable(content)
        if "\n" in content:
            at = settled_chars(self._tail)
            if at:
                self._print(self._tail[:at])
                # The blank line that settled it; rendered alone, a block loses what parts it from the next.
                self._console.print()
                self._tail = self._tail[at:]
        self._draw("")

    def _settle(self) -> None:
        if self._tail:
            self._print(self._tail)
        self._tail = ""

    def _say(self, text: Text) -> None:
        self._settle()
        self._draw("")
        self._console.print(text)

    def _print(self, text: str) -> None:
        # The live part is cleared first, or the same words would stand below their printed form for a moment.
        self._live.update(Text(""))
        self._console.print(rendered(self._kind, text))

    def _draw(self, state: str) -> None:
        self._live.update(Growing(self._kind, self._tail, state), refresh=True)


_FINISH = {
    "length": "the length limit was reached",
    "content_filter": "stopped by the content filter",
    "tool_calls": "it asks for a tool",
    "refusal": "the model refused",
}


class Growing:
    """The part that is being written: its last lines, as many as the terminal has."""

    def __init__(self, kind: str, tail: str, state: str) -> None:
        self._kind, self._tail, self._state = kind, tail, state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts = [rendered(self._kind, self._tail)] if self._tail else []
        if self._state:
            parts.append(Text(f"… {self._state}", "dim"))
        lines = [line for part in parts for line in console.render_lines(part, options.update(height=None), pad=False)]
        for line in lines[-max(1, console.height - 2) :]:
            yield from line
            yield Segment.line()


def rendered(kind: str, text: str) -> Markdown | Text:
    """A piece of output as it is shown: by `kind`, the type of the events that it came with."""
    if kind == "chunk":
        # Links are written out: a text that points somewhere else than it says is not for an answer to choose.
        return Markdown(text, hyperlinks=False)
    return Text(text.rstrip("\n"), "dim italic" if kind == "reasoning" else "yellow")

"""`headwater chat`: one answer, or a conversation."""

from __future__ import annotations

import sys
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from headwater.cli.group import NOT_UTF_8, Exit, complain, hint
from headwater.cli.interrupt import Interrupts
from headwater.cli.options import DEFAULT_URL, Url, connect
from headwater.cli.text import one_line
from headwater.errors import HeadwaterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headwater.cli.view import View
    from headwater.client import BlockingClient, FollowStatus
    from headwater.domain.message import Message

Prompt = Annotated[str | None, typer.Argument(help="What to ask. Without it a conversation; `-` reads it from stdin.")]
Model = Annotated[str, typer.Option("--model", "-m", help="The model's name, one of `GET /api/v1/models`.")]
System = Annotated[str | None, typer.Option("--system", "-s", help="Instructions that precede the conversation.")]


TITLE_CHARS_MAX = 80
#: From this try in a row on a person is told: one cut is mended before anyone has seen it.
_TOLD_TRY = 2


class Turn(NamedTuple):
    """How an answer ended, and its text, which is a part of it unless it is complete."""

    end: Literal["complete", "error", "cancelled"]
    text: str


def chat(prompt: Prompt = None, model: Model = "simulated", system: System = None, url: Url = DEFAULT_URL) -> None:
    """Ask a model, or talk to it. Ctrl-C cancels the answer and keeps what came; a second one leaves.

    In a pipe only the answer goes to stdout. Exit code: 0 complete, 1 failed, 130 cancelled.
    """
    from headwater.domain.message import Message

    messages = [Message("system", system)] if system else []
    with connect(url) as client:
        if prompt is None and sys.stdin.isatty():
            _converse(client, model, messages)
            return
        text = sys.stdin.read() if prompt in (None, "-") else prompt
        if not text or not text.strip():
            raise typer.BadParameter("there is nothing to ask", param_hint="PROMPT")
        turn = answer(client, model, [*messages, Message("user", text)], make_view(), conversation(text))
    codes = {"complete": Exit.OK, "error": Exit.FAILED, "cancelled": Exit.CANCELLED}
    raise typer.Exit(codes[turn.end])


def conversation(text: str) -> dict[str, str]:
    """The metadata by which the page lists the runs of a conversation that begins with `text` as one, and names it."""
    from headwater.client.service import new_idempotency_key

    return {"conversation": new_idempotency_key(), "title": one_line(text, TITLE_CHARS_MAX)}


def make_view() -> View:
    """Live where a person looks at it."""
    from headwater.cli.view import LiveView, PlainView

    if not sys.stdout.isatty():
        return PlainView()
    from rich.console import Console

    return LiveView(Console(highlight=False, markup=False, emoji=False))


def answer(client: BlockingClient, model: str, messages: list[Message], view: View, metadata: dict[str, str]) -> Turn:
    """Starts a run and shows it to its end. The first Ctrl-C cancels the run, and its end is shown; the second is let
    out as `KeyboardInterrupt`, and the run goes on to its end without us."""
    from headwater.domain.run import RunRequest
    from headwater.domain.snapshot import Fold

    # The client tells how it fares from a thread of its own.
    drawing = Lock()

    def tell(status: FollowStatus) -> None:
        if status.state == "waiting" and status.tries == _TOLD_TRY:
            with drawing:
                view.note("The connection is lost; the answer goes on as soon as the server is back.")

    fold = Fold()
    request = RunRequest(model=model, messages=messages, metadata=metadata)
    subscription = client.start_and_follow(request, on_status=tell)
    cancelling = False
    with Interrupts() as interrupts:
        try:
            while fold.final is None:
                try:
                    record = interrupts.let_in(subscription.__next__)
                except KeyboardInterrupt:
                    run = subscription.run
                    if cancelling or run is None:
                        raise
                    cancelling = True
                    with drawing:
                        view.note("Cancelling; once more leaves at once.")
                    subscription.close()
                    client.cancel(run)
                    # What has been shown is the cursor: the interrupted wait may have lost a record on its way here.
                    subscription = client.follow(run, fold.seq, tell)
                    continue
                fold.apply(record)
                with drawing:
                    view.show(record)
        finally:
            with drawing:
                view.close()
    return Turn(fold.final.type, fold.text)  # type: ignore[arg-type]  # its type is one of the three


def _converse(client: BlockingClient, model: str, messages: list[Message]) -> None:
    """Until Ctrl-D, or Ctrl-C at an empty line."""
    from headwater.domain.message import Message

    read = line_reader()
    typer.echo(f"Talking to {model}. Ctrl-C stops an answer, Ctrl-D ends the conversation.", err=True)
    metadata: dict[str, str] = {}
    while (text := read()) is not None:
        if not text.strip():
            continue
        # The title is the first question that was answered; one that could not be sent names nothing.
        begun = metadata or conversation(text)
        question = Message("user", text)
        try:
            turn = answer(client, model, [*messages, question], make_view(), begun)
        except HeadwaterError as error:
            # The conversation is still here; the person may try again.
            complain(hint(error))
            continue
        except UnicodeError:
            complain(NOT_UTF_8)
            continue
        if turn.text:
            messages += [question, Message("assistant", turn.text)]
            metadata = begun


def line_reader() -> Callable[[], str | None]:
    """Reads a line with the shell's editing keys; None at the end."""
    import readline  # noqa: F401  # its import is what gives `input` history and editing

    def read() -> str | None:
        try:
            return input("\n› ")
        except (EOFError, KeyboardInterrupt):
            typer.echo()
            return None

    return read

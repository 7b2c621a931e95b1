"""How a command ends when something goes wrong: a sentence on stderr and an exit code, never a traceback."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import typer
from typer.core import TyperGroup

from headwater.cli.text import printable
from headwater.errors import ErrorCode, HeadwaterError

NOT_UTF_8 = "what was given is not text in UTF-8"


class Exit(IntEnum):
    """The exit codes. A wrong command line is 2, as everywhere."""

    OK = 0
    FAILED = 1
    #: by Ctrl-C or by a cancel: 128 + SIGINT, as shells have it
    CANCELLED = 130


#: How a command that showed a run to its end exits.
EXIT_BY_FINAL_TYPE: Final = {"complete": Exit.OK, "error": Exit.FAILED, "cancelled": Exit.CANCELLED}


class Commands(TyperGroup):
    """The outermost group: turns errors that a command lets out into words."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except HeadwaterError as error:
            complain(hint(error))
            raise typer.Exit(Exit.FAILED) from None
        except UnicodeError:
            # What Python could not decode reaches us as halves of surrogate pairs, which nothing can encode.
            raise typer.BadParameter(NOT_UTF_8) from None
        except KeyboardInterrupt:
            raise typer.Exit(Exit.CANCELLED) from None
        except BrokenPipeError:
            # Whoever read our output has enough (`headwater runs ls | head`). Nothing may be flushed into it at exit.
            _drop_stdout()
            raise typer.Exit(Exit.OK) from None


def complain(message: str) -> None:
    """Says on stderr what went wrong."""
    typer.echo(f"headwater: {printable(message)}", err=True)


def hint(error: HeadwaterError) -> str:
    """The error in a person's words, with what to do about it where that is known."""
    from headwater.client.errors import NetworkError, ServerError

    message = error.message if error.message.endswith((".", "!", "?")) else error.message + "."
    if isinstance(error, NetworkError) and error.unreachable:
        return f"{message} Start one with `headwater serve`, or name another with --url."
    if isinstance(error, ServerError) and error.code == ErrorCode.AUTH:
        # A run that failed with this code means a key of its provider's.
        return f"{message} The variable HEADWATER_API_KEY is where it is looked for; `headwater keys create` makes one."
    return message


def _drop_stdout() -> None:
    import os
    import sys

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)

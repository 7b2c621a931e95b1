"""`headwater runs`: look at runs, follow them, stop them."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.cli.group import EXIT_BY_FINAL_TYPE, Exit, complain
from headwater.cli.interrupt import Interrupts
from headwater.cli.options import DEFAULT_URL, Json, RunId, Url, connect
from headwater.cli.replay import replay
from headwater.cli.text import one_line, printable
from headwater.domain.run import RunState

if TYPE_CHECKING:
    from headwater.client import FollowStatus, RunResource
    from headwater.domain.event import Record

app = typer.Typer(no_args_is_help=True, help="Look at runs, follow them, stop them.", rich_markup_mode=None)

_SUMMARY_CHARS = 100

State = Annotated[RunState | None, typer.Option(help="Only runs in this state.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many at most.")]
Input = Annotated[bool, typer.Option("--input", help="What it was asked too: messages and settings.")]
After = Annotated[int, typer.Option(min=0, help="Only records after this seq: the cursor of an earlier reading.")]


@app.command("ls")
def ls(state: State = None, limit: Limit = 20, json: Json = False, url: Url = DEFAULT_URL) -> None:
    """List runs, newest first."""
    with connect(url) as client:
        page = client.list(state=state, limit=limit)
    if json:
        _print_json(page)
        return
    if not page.runs:
        typer.echo("No runs yet. Start one with `headwater chat`.", err=True)
    for run in page.runs:
        created = run.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{run.id}  {run.state:<9}  {created}  {run.tail:>6}  {one_line(run.model, 40)}")
    if page.next is not None:
        typer.echo(f"There are more than {limit}.", err=True)


@app.command("show")
def show(run: RunId, input: Input = False, json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show a run and what it has put out."""
    import msgspec

    with connect(url) as client:
        found = client.get(run)
    if not input:
        found = msgspec.structs.replace(found, request=None)
    if json:
        _print_json(found)
        return
    _print_run(found)


@app.command("tail")
def tail(run: RunId, after: After = 0, json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Print a run's records as they come, to its end, over connections that break.

    Exit code: 0 complete, 1 failed, 130 cancelled. Ctrl-C stops reading only: the run goes on.
    """
    seq, end = after, None
    with connect(url) as client:
        try:
            with client.follow(run, after, _tell_waiting) as records, Interrupts() as interrupts:
                # Ctrl-C is let in only here, so that the cursor that is named is what was printed.
                while (record := interrupts.let_in(lambda: next(records, None))) is not None:
                    _print_record(record, json)
                    seq, end = record.seq, record.event.type
        except KeyboardInterrupt:
            complain(f"The run goes on. Read on with: headwater runs tail {run} --after {seq}")
            raise typer.Exit(Exit.CANCELLED) from None
        if end is None:
            # The cursor was at the end already: how it ended is in the run.
            ends: dict[str, str] = {RunState.FAILED: "error", RunState.CANCELLED: "cancelled"}
            end = ends.get(client.get(run).state, "complete")
    raise typer.Exit(EXIT_BY_FINAL_TYPE[end])


app.command("replay")(replay)


@app.command("cancel")
def cancel(run: RunId, url: Url = DEFAULT_URL) -> None:
    """Cancel a run. What it has put out until then is kept."""
    with connect(url) as client:
        found = client.cancel(run)
    typer.echo(f"{found.id} {found.state if found.ended_at else 'is being cancelled'}")


@app.command("retry")
def retry(run: RunId, json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Start a new run with the same input, and print its id."""
    with connect(url) as client:
        again = client.retry(run)
    if json:
        _print_json(again)
    else:
        typer.echo(again.id)


@app.command("rm")
def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="The runs' ids.")], url: Url = DEFAULT_URL
) -> None:
    """Delete runs with everything that they put out. Live ones are cancelled first."""
    with connect(url) as client:
        for run in runs:
            client.delete(run)
            typer.echo(run)


def _json(value: object) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _print_json(value: object) -> None:
    typer.echo(_json(value))


def _print_run(run: RunResource) -> None:
    rows = {
        "run": run.id,
        "state": str(run.state),
        "model": run.model,
        "workflow": run.workflow,
        "created": run.created_at.isoformat(timespec="milliseconds"),
        "ended": run.ended_at.isoformat(timespec="milliseconds") if run.ended_at else None,
        "records": str(run.tail),
        "retry of": run.retry_of,
        "metadata": ", ".join(f"{key}={value}" for key, value in run.metadata.items()) or None,
    }
    snapshot = run.snapshot
    if snapshot is not None and snapshot.usage is not None:
        usage = snapshot.usage
        is_guess = usage.source == "estimated" and (usage.input_tokens or usage.output_tokens)
        guess = " (estimated)" if is_guess else ""
        rows["tokens"] = f"{usage.input_tokens} in, {usage.output_tokens} out{guess}"
        if usage.cost_usd is not None:
            rows["cost"] = f"${_dollars(usage.cost_usd)}{guess}"
    if snapshot is not None and snapshot.error is not None:
        rows["error"] = f"{snapshot.error.code}: {snapshot.error.message}"
    for name, value in rows.items():
        if value is not None:
            typer.echo(f"{name:<9} {one_line(value, 400)}")
    if run.request is not None:
        _print_request(run.request)
    if snapshot is not None and snapshot.text:
        typer.echo(("\n[answer]\n" if run.request is not None else "\n") + printable(snapshot.text))


def _dollars(amount: float) -> str:
    """Two digits that say something, and no fewer than cents: 0.00012, 0.25, 12.30."""
    digits = 2 if amount <= 0 else max(2, 1 - math.floor(math.log10(amount)))
    return f"{amount:.{min(digits, 12)}f}"


def _print_request(request: dict[str, Any]) -> None:
    """Every message under its role; what is not text, and how to generate, as JSON."""
    for message in request.get("messages", ()):
        content = message.get("content", "")
        said = content if isinstance(content, str) else _json(content)
        calls = message.get("tool_calls")
        typer.echo(f"\n[{one_line(str(message.get('role')), 20)}]")
        typer.echo(printable("\n".join(part for part in (said, _json(calls) if calls else "") if part)))
    settings = {name: value for name, value in request.items() if name not in ("messages", "metadata", "model")}
    if settings:
        typer.echo("\n[settings]\n" + printable(_json(settings)))


def _print_record(record: Record, json: bool) -> None:
    from headwater.domain.event import encode_record

    line = encode_record(*record)
    if json:
        typer.echo(line)
    else:
        typer.echo(f"{record.seq:>6}  {record.t / 1000:>8.3f}  {summary(record)}")
    sys.stdout.flush()


def summary(record: Record) -> str:
    """A record in a line: its type, and the data that says most, as JSON, so that a line break shows as one."""
    import msgspec

    from headwater.domain.event import encode_record

    sent = msgspec.json.decode(encode_record(*record))
    data = sent["data"]
    said = data["content"] if isinstance(data, dict) and "content" in data else data
    name = one_line(sent["type"], 20)
    return f"{name:<9} {one_line(msgspec.json.encode(said).decode(), _SUMMARY_CHARS)}"


def _tell_waiting(status: FollowStatus) -> None:
    if status.state == "waiting" and status.error is not None:
        complain(f"{status.error.message}. Trying again in {status.delay_s:.1f} s.")

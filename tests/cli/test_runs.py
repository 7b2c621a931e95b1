from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec
import pytest
from typer.testing import CliRunner, Result

from headwater.cli import app
from headwater.domain import event as ev
from headwater.domain.message import Usage
from headwater.domain.snapshot import fold
from tests.kit.run_log import RUN, after, in_thread, json_answer, log_of, problem, run_json, whole
from tests.kit.terminal import CTRL_C, Terminal
from tests.kit.upstream import EndWithoutTerminator, Received, Script, Send, Stall, Status, Step

COMPLETE = log_of("Hello", " wörld\n")
FAILED = log_of("Hello", final=ev.Error("SERVER", "It fell over.", True))
CANCELLED = log_of("Hello", final=ev.Cancelled("user", 5))


def run(arguments: str, *scripts: Script) -> tuple[Result, list[Received]]:
    with in_thread(*scripts) as upstream:
        result = CliRunner().invoke(app, ["runs", *arguments.split(), "--url", upstream.origin])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, upstream.requests


def test_ls_shows_a_line_a_run() -> None:
    page = b'{"runs":[%b,%b],"next":"more"}' % (run_json(), run_json("failed"))
    result, requests = run("ls --state failed -n 2", json_answer(page))
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [[RUN, "running"], [RUN, "failed"]]
    assert "more than 2" in result.stderr
    assert requests[0].path == "/api/v1/runs?state=failed&limit=2"


def test_ls_of_nothing_says_how_to_begin() -> None:
    result, _ = run("ls", json_answer(b'{"runs":[],"next":null}'))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "headwater chat" in result.stderr


def test_ls_json_is_json() -> None:
    result, _ = run("ls --json", json_answer(b'{"runs":[%b],"next":"c"}' % run_json()))
    page = json.loads(result.stdout)
    assert ([row["id"] for row in page["runs"]], page["next"]) == ([RUN], "c")


def test_show_has_the_state_and_the_text() -> None:
    snapshot = msgspec.json.encode(fold(FAILED)).decode()
    result, _ = run(f"show {RUN}", json_answer(run_json("failed", snapshot=snapshot)))
    assert RUN in result.stdout
    assert "SERVER: It fell over." in result.stdout
    assert result.stdout.endswith("\nHello\n")
    assert json.loads(run(f"show {RUN} --json", json_answer(run_json("failed")))[0].stdout)["state"] == "failed"


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        (Usage(7, 0, 3), None),
        (Usage(7, 0, 3, cost_usd=0.0), "$0.00"),
        (Usage(7, 0, 3, cost_usd=0.000123), "$0.00012"),
        (Usage(7, 0, 3, cost_usd=0.25), "$0.25"),
        (Usage(7, 0, 3, cost_usd=12.3, source="estimated"), "$12.30 (estimated)"),
        (Usage(cost_usd=0.0, source="estimated"), "$0.00"),
    ],
)
def test_show_has_the_cost_where_it_is_known(usage: Usage, shown: str | None) -> None:
    log = [*log_of("Hello")[:-1], ev.Record(99, 1, ev.UsageReport(usage))]
    snapshot = msgspec.json.encode(fold([each._replace(seq=n) for n, each in enumerate(log, 1)])).decode()
    result, _ = run(f"show {RUN}", json_answer(run_json("running", snapshot=snapshot)))
    costs = [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if line.startswith("cost")]
    assert costs == ([] if shown is None else [shown])


ASKED = json.dumps(
    {
        "model": "simulated",
        "messages": [
            {"role": "system", "content": "Be \x1b[2Jbrief."},
            {"role": "user", "content": [{"type": "text", "text": "Look"}]},
            {"role": "assistant", "tool_calls": [{"id": "c1", "name": "find", "arguments": "{}"}]},
        ],
        "settings": {"temperature": 0.5},
    }
)


def test_show_has_what_was_asked_only_if_it_is_wanted() -> None:
    shown = json_answer(run_json("failed", request=ASKED, snapshot=msgspec.json.encode(fold(FAILED)).decode()))
    without = run(f"show {RUN}", shown)[0].stdout + run(f"show {RUN} --json", shown)[0].stdout
    assert "brief" not in without
    assert "temperature" not in without
    result, _ = run(f"show {RUN} --input", shown)
    places = [result.stdout.index(part) for part in ("[system]", "brief.", "[user]", '"Look"', '"find"', "temperature")]
    assert places == sorted(places)
    assert result.stdout.endswith("\n[answer]\nHello\n")
    assert "\x1b" not in result.stdout
    assert json.loads(run(f"show {RUN} --input --json", shown)[0].stdout)["request"] == json.loads(ASKED)


def test_show_has_metadata_and_what_it_repeats() -> None:
    ours = run_json().replace(b'"metadata":{}', b'"metadata":{"a":"b","c":"d"}').replace(b'_of":null', b'_of":"run_0"')
    rows = run(f"show {RUN}", json_answer(ours))[0].stdout.splitlines()
    assert {"metadata  a=b, c=d", "retry of  run_0"} <= set(rows)


@pytest.mark.parametrize(("log", "code"), [(COMPLETE, 0), (FAILED, 1), (CANCELLED, 130)])
def test_tail_prints_every_record_and_exits_as_the_run_did(log: list[ev.Record], code: int) -> None:
    result, _ = run(f"tail {RUN}", whole(log))
    lines = result.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == [record.seq for record in log]
    assert lines[1].split(maxsplit=2)[2] == 'chunk     "Hello"'
    assert result.exit_code == code


def test_tail_json_is_the_records_as_they_were_sent() -> None:
    result, _ = run(f"tail {RUN} --json", whole(COMPLETE))
    assert [ev.decode_record(line.encode()) for line in result.stdout.splitlines()] == COMPLETE


def test_tail_goes_on_over_a_cut() -> None:
    def cut_once(received: Received) -> Iterable[Step]:
        if received.number == 1:
            return [*whole(COMPLETE[:2]), Send(b"id: 3\nda"), EndWithoutTerminator()]
        return whole(COMPLETE, after(received))

    result, requests = run(f"tail {RUN} --json", cut_once)
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [1, 2, 3, 4]
    assert "Trying again in" in result.stderr
    assert [after(request) for request in requests] == [0, 2]


def test_tail_from_a_cursor() -> None:
    result, _ = run(f"tail {RUN} --after 2 --json", lambda received: whole(COMPLETE, after(received)))
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [3, 4]


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1), ("cancelled", 130)])
def test_tail_at_the_end_exits_as_the_run_did_too(state: str, code: int) -> None:
    result, _ = run(f"tail {RUN} --after 4", [Status(204, {}, framing="length")], json_answer(run_json(state)))
    assert (result.exit_code, result.stdout) == (code, "")


@pytest.mark.slow
def test_ctrl_c_leaves_a_tail_and_says_how_to_go_on() -> None:
    with in_thread([*whole(COMPLETE[:2]), Stall()]) as upstream:
        with Terminal("runs", "tail", RUN, "--url", upstream.origin) as terminal:
            terminal.wait_for('"Hello"')
            terminal.press(CTRL_C)
            assert terminal.wait() == 130
            assert f"headwater runs tail {RUN} --after 2" in " ".join(terminal.shown.split())
        assert [request.method for request in upstream.requests] == ["GET"]


@pytest.mark.parametrize(("state", "said"), [("running", "is being cancelled"), ("completed", "completed")])
def test_cancel(state: str, said: str) -> None:
    result, requests = run(f"cancel {RUN}", json_answer(run_json(state), 202))
    assert result.stdout == f"{RUN} {said}\n"
    assert (requests[0].method, requests[0].path) == ("POST", f"/api/v1/runs/{RUN}/cancel")


def test_retry_prints_the_new_id() -> None:
    assert run(f"retry {RUN}", json_answer(run_json(), 201))[0].stdout == f"{RUN}\n"
    assert json.loads(run(f"retry {RUN} --json", json_answer(run_json(), 201))[0].stdout)["id"] == RUN


def test_rm_deletes_each() -> None:
    result, requests = run("rm run_a run_b", [Status(204, {}, framing="length")])
    assert result.stdout == "run_a\nrun_b\n"
    assert [(r.method, r.path) for r in requests] == [("DELETE", f"/api/v1/runs/run_{x}") for x in "ab"]


@pytest.mark.parametrize("command", ["show", "tail", "cancel", "retry", "rm"])
def test_a_run_that_is_not_there_is_a_sentence(command: str) -> None:
    result, _ = run(f"{command} run_x", problem(404, "NOT_FOUND"))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "headwater: Said NOT_FOUND.\n")


def test_what_a_server_says_is_not_obeyed() -> None:
    evil = run_json("failed").replace(b'"simulated"', b'"\\u001b[2J"')
    result, _ = run("ls", json_answer(b'{"runs":[%b],"next":null}' % evil))
    assert "\x1b" not in result.stdout

"""What a token costs on its way through, beside peers: streams of `POST /v1/chat/completions`, in rounds.

    python -m benchmarks.relay [--rounds 5] [--peers nginx,tensorzero] [--harness DIR] [--out results.jsonl]

The harness is a directory of its own: a mock provider and a load client in C that checks every token, and the peers'
setup. It is looked for beside the project (`../shared/bench`); without it there is nothing to measure with, and that
is said. Its work files, the peers' installations among them, are in `$BENCH_WORK` (default `.bench`).

The peers, Headwater with its log on the disk, and Headwater that keeps nothing, are measured in turn in each round,
so that noise hits all alike; a figure is the median of the rounds. Provider and load have one core, what is measured
the other. CPU is that of the whole process tree. Only a ratio within a run means much:

- `sat50`: 50 streams without pauses, so one read brings many tokens;
- `pace200`: 200 streams of 50 tokens a second: a read and a write for each token, as in real life;
- `calm200`: the same, begun over 2 s instead of 0.4 s, and for longer: the tokens' way without a burst of starts;
- `first`: 40 streams, one begins each 50 ms: the time to the first token where nobody is in the way.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from benchmarks.results import print_table, write_results

ROOT: Final = Path(__file__).resolve().parent.parent
HARNESS: Final = ROOT.parent / "shared" / "bench"
UPSTREAM: Final = "http://127.0.0.1:9100/v1"
DISK, MEMORY = "headwater", "memory-only"
PORTS: Final = {DISK: 9300, MEMORY: 9301}
#: streams, tokens of each, µs between tokens, µs between streams
FIRST: Final = (40, 10, 20_000, 50_000)
CALM: Final = (200, 300, 20_000, 10_000)
SCENARIOS: Final = ("sat50", "first", "pace200", "calm200")
START_S: Final = 60

Round = dict[tuple[str, str], dict[str, Any]]


class Figure(NamedTuple):
    """A figure with its target. `of` makes it from one round; the reference is a peer's, made likewise."""

    name: str
    target: float
    of: Callable[[Round, str], float]
    #: whether it has to be at least the target, not at most
    at_least: bool = False


def _cpu(scenario: str) -> Callable[[Round, str], float]:
    return lambda measured, peer: float(measured[peer, scenario]["cpu_us_tok"])


def _over_nginx(scenario: str, what: str, part: str) -> Callable[[Round, str], float]:
    """Milliseconds."""
    return lambda measured, peer: (
        (measured[peer, scenario][what][part] - measured["nginx", scenario][what][part]) / 1000
    )


def _times_nginx(scenario: str) -> Callable[[Round, str], float]:
    cpu = _cpu(scenario)
    return lambda measured, peer: cpu(measured, peer) / cpu(measured, "nginx")


def _kept(measured: Round, peer: str) -> float:
    cpu = _cpu("pace200")
    return cpu(measured, peer) / cpu(measured, MEMORY)


#: What nginx took of CPU for a token on the machine that the targets are from, µs: by that it can be told how fast
#: this one is now.
_NGINX_US: Final = 1.3
_NGINX_PACED_US: Final = 16

FIGURES: Final = (
    Figure("pace200: CPU per token, times nginx", 5.0, _times_nginx("pace200")),
    Figure(
        "sat50: CPU per token, µs where nginx takes 1.3",
        20.0,
        lambda measured, peer: _times_nginx("sat50")(measured, peer) * _NGINX_US,
    ),
    Figure(
        "sat50: tokens a second of one core",
        60_000,
        lambda measured, peer: 1e6 / _cpu("sat50")(measured, peer),
        at_least=True,
    ),
    Figure("pace200: persistence, times memory-only", 1.4, _kept),
    Figure("first: time to first token over nginx, p50, ms", 3.0, _over_nginx("first", "ttft", "p50")),
    Figure("pace200: one-way latency over nginx, p99, ms", 10.0, _over_nginx("pace200", "lat", "p99")),
    Figure("calm200: one-way latency over nginx, p99, ms", 10.0, _over_nginx("calm200", "lat", "p99")),
)


def load_harness(directory: Path, work: Path) -> ModuleType:
    """The harness's own program as a module: how a peer is measured is its matter."""
    os.environ["BENCH_WORK"] = str(work)
    spec = importlib.util.spec_from_file_location("harness", directory / "bench.py")
    assert spec is not None
    assert spec.loader is not None
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    harness.SCEN.update(first=FIRST, calm200=CALM)
    for name, port in PORTS.items():
        harness.PEERS[name] = (port, ["--model", "mock-model"])
    return harness


def set_up(directory: Path, work: Path, peers: Sequence[str]) -> None:
    """Builds the harness and installs the peers, where that has not been done."""
    work.mkdir(parents=True, exist_ok=True)
    missing = "tensorzero" in peers and not (work / "venvs" / "tz").exists()
    if missing or not (work / "load").exists() or ("nginx" in peers and shutil.which("nginx") is None):
        subprocess.run([directory / "setup_peers.sh", *peers], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def started(harness: ModuleType, directory: Path, work: Path, peers: Sequence[str]) -> Iterator[dict[str, int]]:
    """The provider, the peers and both Headwaters, each in a process group of its own; gives their process ids."""
    commands: dict[str, list[str]] = {name: [str(directory / "run_peer.sh"), name] for name in ("upstream", *peers)}
    for name, port in PORTS.items():
        data = work / "data" / name
        shutil.rmtree(data, ignore_errors=True)
        server = [sys.executable, "-m", "benchmarks.relay_server", str(port), str(data), UPSTREAM]
        commands[name] = ["taskset", "-c", "1", *server, *(["--memory"] if name == MEMORY else [])]
    (work / "tz.url").unlink(missing_ok=True)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            with (work / f"{name}.log").open("w") as log:
                processes[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, process_group=0)
            if name == "tensorzero":
                _await_file(work / "tz.url", processes[name])
            port = harness.port_of("direct" if name == "upstream" else name)
            if not harness.wait_port(port, START_S):
                raise RuntimeError(f"{name} does not answer: see {work / name}.log")
        yield {name: process.pid for name, process in processes.items()}
    finally:
        for process in processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes.values():
            process.wait(START_S)


def _await_file(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(START_S * 10):
        if path.exists() and path.read_text().strip():
            return
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"{path.name} did not come: the peer has ended")
    raise RuntimeError(f"{path.name} did not come")


def measure(harness: ModuleType, pids: dict[str, int], peers: Sequence[str], rounds: int) -> list[Round]:
    """Each scenario against each peer in turn. Raises RuntimeError where a stream failed or a token was lost."""
    everyone = [*peers, DISK, MEMORY]
    for name in everyone:
        harness.run(name, "pace10", pids[name])
    measured: list[Round] = []
    for number in range(rounds):
        results: Round = {}
        for scenario in SCENARIOS:
            for name in everyone:
                scale = 4 if name == "nginx" else 1
                result = harness.run(name, scenario, pids[name], scale)
                if result["failed"] or result["lost"]:
                    raise RuntimeError(f"{name}, {scenario}: {result}")
                results[name, scenario] = result
                print(f"  {number + 1} {scenario:8} {name:12} {result['cpu_us_tok']:7.1f} µs a token", flush=True)
        measured.append(results)
    return measured


def table(measured: list[Round], peers: Sequence[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for figure in FIGURES:
        values = [figure.of(each, DISK) for each in measured]
        median = statistics.median(values)
        met = median >= figure.target if figure.at_least else median <= figure.target
        row: dict[str, object] = {"figure": figure.name, "median": round(median, 2)}
        row |= {"least": round(min(values), 2), "most": round(max(values), 2), "target": figure.target, "met": met}
        for peer in (*peers, MEMORY):
            row[peer] = round(statistics.median([figure.of(each, peer) for each in measured]), 2)
        rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="nginx,tensorzero", help="nginx has to be one of them")
    parser.add_argument("--harness", type=Path, default=HARNESS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    peers = given.peers.split(",")
    if not (given.harness / "bench.py").exists():
        print(f"not measured: there is no harness in {given.harness}")
        return 0
    work = Path(os.environ.get("BENCH_WORK", ROOT / ".bench")).resolve()
    harness = load_harness(given.harness, work)
    set_up(given.harness, work, peers)
    with started(harness, given.harness, work, peers) as pids:
        measured = measure(harness, pids, peers, given.rounds)
    rows = table(measured, peers)
    print_table(rows)
    paced = statistics.median([_cpu("pace200")(each, "nginx") for each in measured])
    print(f"pace200: nginx took {paced:.1f} µs a token; where the targets are from, {_NGINX_PACED_US}")
    write_results(given.out, rows)
    if given.out is not None:
        raw = [json.dumps(result) for each in measured for result in each.values()]
        given.out.with_suffix(".raw.jsonl").write_text("\n".join(raw) + "\n")
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Autobahn's fuzzing client against an echo route of the product's own WebSocket connections: `make autobahn`.

The test suite runs on Python 2.7 only, with the packages that it names; both are looked for, the packages are
fetched once, into `.cache/autobahn`. Where there is no Python 2.7 this says so and ends with 3. Set
`AUTOBAHN_PYTHON` for one that is not on PATH and not pyenv's.

Compression (12, 13) is left out, for the product agrees on none. The rest takes a minute or two.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".cache" / "autobahn"
SUITE = "autobahntestsuite==25.10.1"
CASES = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*")
AGENT = "headwater"
EXIT_FAILED, EXIT_NO_PYTHON = 1, 3
#: What a case may come to without being a failure; UNCLEAN and the rest are.
PASSED = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
#: Its packages share names, which only a directory of packages knows how to join.
_RUN = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
"""


def find_python(environ: Mapping[str, str], home: Path) -> str | None:
    """A Python 2.7, or None."""
    candidates = [environ.get("AUTOBAHN_PYTHON")]
    # Before PATH: what pyenv has there is no Python but a question to pyenv, which may answer that there is none.
    candidates += [str(path) for path in sorted((home / ".pyenv" / "versions").glob("2.7*/bin/python2.7"))]
    candidates.append(shutil.which("python2.7", path=environ.get("PATH")))
    return next((each for each in candidates if each and os.access(each, os.X_OK)), None)


def failures(report: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The cases that were not passed, as `case: behaviour, behaviour of the close`. Raises ValueError for no cases."""
    if not report:
        raise ValueError("no case was run")
    return [
        f"{case}: {found['behavior']}, {found['behaviorClose']}"
        for case, found in report.items()
        if not {found["behavior"], found["behaviorClose"]} <= PASSED
    ]


def specification(port: int, cases: Sequence[str]) -> dict[str, object]:
    """What the fuzzing client is told."""
    server = {"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}
    return {"outdir": "reports", "servers": [server], "cases": list(cases), "exclude-cases": []}


def install(python: str) -> None:
    packages = HOME / "packages"
    if (packages / "autobahntestsuite").exists():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(packages), SUITE]
    subprocess.run(command, check=True)


async def fuzz(python: str, cases: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Runs the cases against an echo server of our own; what each came to."""
    sys.path.insert(0, str(ROOT))
    from tests.kit.websocket_echo import echo_server

    async with echo_server() as port:
        (HOME / "spec.json").write_text(json.dumps(specification(port, cases)))
        command = [python, "-c", _RUN, "packages", "-m", "fuzzingclient", "-s", "spec.json"]
        process = await asyncio.create_subprocess_exec(*command, cwd=HOME, stdout=asyncio.subprocess.DEVNULL)
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
    if code:
        raise subprocess.CalledProcessError(code, command)
    report: Mapping[str, Mapping[str, str]] = json.loads((HOME / "reports" / "index.json").read_text())[AGENT]
    return report


def main() -> int:
    python = find_python(os.environ, Path.home())
    if python is None:
        print("Autobahn's test suite needs Python 2.7, and there is none here (AUTOBAHN_PYTHON=path).", file=sys.stderr)
        return EXIT_NO_PYTHON
    install(python)
    report = uvloop.run(fuzz(python, CASES))
    counts = Counter(found["behavior"] for found in report.values())
    print(f"{len(report)} cases: " + ", ".join(f"{count} {behavior}" for behavior, count in counts.most_common()))
    failed = failures(report)
    for line in failed:
        print(f"FAILED {line}")
    print(f"Details: {(HOME / 'reports' / 'index.html').relative_to(ROOT)}")
    return EXIT_FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Node for tests: the wheel's own, with the packages that web/ names installed."""

from __future__ import annotations

import fcntl
import json
import subprocess
from functools import cache
from pathlib import Path

from tests.recordings import PROJECT_ROOT
from tools.pages import NODE, Project

WEB = PROJECT_ROOT / "web"
CLIENT = WEB / "client"


@cache
def installed() -> Path:
    """`web/node_modules`, installed when it is not what the lock file says; one test process does it for all."""
    kept = PROJECT_ROOT / ".cache"
    kept.mkdir(exist_ok=True)
    with (kept / "node_modules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Project(PROJECT_ROOT).install()
    return WEB / "node_modules"


def check_types(directory: Path, *include: str) -> subprocess.CompletedProcess[str]:
    """What TypeScript says of an application's files, by patterns, bundled with our client, React and Node.

    Packages beside these are those of a `node_modules` at the files, or above them.
    """
    modules = installed()
    options = {
        **{"strict": True, "noEmit": True, "skipLibCheck": True, "jsx": "react-jsx", "target": "es2023"},
        **{"module": "preserve", "moduleResolution": "bundler", "allowImportingTsExtensions": True},
        **{"types": ["node"], "typeRoots": [str(modules / "@types")]},
        "lib": ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
        "paths": {
            "@headwater/client": [str(CLIENT / "src" / "index.ts")],
            "@headwater/client/*": [str(CLIENT / "src" / "*.ts")],
            **{name: [str(modules / "@types" / name)] for name in ("react", "react-dom")},
            **{f"{name}/*": [str(modules / "@types" / name / "*")] for name in ("react", "react-dom")},
        },
    }
    project = directory / "tsconfig.json"
    project.write_text(json.dumps({"compilerOptions": options, "include": include}), encoding="utf-8")
    return run_node(modules / "typescript" / "bin" / "tsc", "-p", project)


def run_node(
    *arguments: str | Path, cwd: Path = CLIENT, stdin: str = "", limit_s: float = 100.0
) -> subprocess.CompletedProcess[str]:
    """A Node program with these arguments, run to its end; what it says is in the answer, whatever its exit code."""
    return subprocess.run(
        [NODE, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        env={"NO_COLOR": "1"},
    )

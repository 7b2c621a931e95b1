"""The one file that the sandbox's pool starts. It can not be given arguments of ours, so it has them in it.

It is written once for each installation, below the folder for temporary files, and stays: a server that is killed
leaves nothing that the next one would not use.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Final

from headwater.workflows.arc import sandbox_worker

_DISTRIBUTION: Final = "pydantic-monty-runtime"


def launcher() -> Path:
    """The file, made now if it is not there (any more). Reads and writes files, so not for the event loop's thread.

    Raises OSError, also where the interpreter is not installed, or somebody else could write what would be started.
    """
    text = _text()
    folder = _folder()
    file = folder / f"worker-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not file.exists():
        # Whole from the first moment on, for whoever looks at the same time.
        descriptor, made = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(descriptor, "w") as out:
                out.write(text)
            Path(made).chmod(0o700)
            Path(made).replace(file)
        except OSError:
            # a full disk: it is tried with every program
            Path(made).unlink(missing_ok=True)
            raise
    return file


def _text() -> str:
    interpreter = _interpreter()
    if interpreter is None:
        raise FileNotFoundError("the interpreter `monty` is not installed")
    command = [sys.executable, "-I", "-S", sandbox_worker.__file__, str(interpreter)]
    return f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'


def _interpreter() -> Path | None:
    """Where its distribution has put it, and not what a variable names: what programs run in is no matter of the
    environment. That may be beside the packages of another environment which this one sees.
    """
    try:
        files = metadata.files(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())).resolve() for file in files if file.name == "monty")
    return next((path for path in found if os.access(path, os.X_OK)), None)


def _folder() -> Path:
    """A folder that is ours alone, below one that is everybody's."""
    folder = Path(tempfile.gettempdir()) / f"headwater-sandbox-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not ours alone")
    return folder

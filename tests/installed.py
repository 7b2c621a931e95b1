"""Distributions that are installed for one test: a folder of metadata each, as an installer leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest


def install(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    name: str,
    entry_points: str | bytes,
    modules: dict[str, str] | None = None,
) -> None:
    """Makes a distribution of this name, with these entry points and modules, importable until the test's end."""
    metadata = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    raw = entry_points if isinstance(entry_points, bytes) else entry_points.encode()
    (metadata / "entry_points.txt").write_bytes(raw)
    for module, source in (modules or {}).items():
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)

"""Distributions that are there as far as Python can tell: modules, and entry points that name them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def write_distribution(
    site: Path, name: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]]
) -> Path:
    """Puts modules (by name, their text) and entry points (by group and name) into a directory; returns it."""
    facts = site / f"{name.replace('-', '_')}-1.0.dist-info"
    facts.mkdir(parents=True)
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines: list[str] = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{point} = {place}" for point, place in points.items()), ""]
    (facts / "entry_points.txt").write_text("\n".join(lines))
    return site


def beside(*places: Path) -> dict[str, str]:
    """An environment in which these directories are looked at before what is there."""
    here = [Path(each).resolve() for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    return {"PYTHONPATH": os.pathsep.join(map(str, [*places, *here]))}

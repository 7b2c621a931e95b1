"""A project like ours whose pages are small and need no package from a registry."""

import json
from pathlib import Path

import pytest

from tools.pages import Project

ROOT = Path(__file__).resolve().parents[2]

#: Stands in for Vite: one page, one script that is worth compressing, one that is not.
BUILD = """
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
const out = "../../src/headwater/pages";
rmSync(out, { recursive: true, force: true });
mkdirSync(`${out}/assets`, { recursive: true });
writeFileSync(`${out}/index.html`, readFileSync("text"));
writeFileSync(`${out}/assets/app-1.js`, "call();".repeat(1000));
writeFileSync(`${out}/assets/tiny-1.js`, "call();");
console.log("built");
"""
LOCK = {
    "name": "headwater-web",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {
        "": {"name": "headwater-web", "workspaces": ["app"]},
        "app": {"version": "0.1.0"},
        "node_modules/app": {"resolved": "app", "link": True},
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A tree like ours whose page needs no package from a registry."""
    app = tmp_path / "web" / "app"
    app.mkdir(parents=True)
    scripts = {"build": "node build.js && node ../precompress.ts ../../src/headwater/pages"}
    (app / "package.json").write_text(
        json.dumps({"name": "app", "version": "0.1.0", "type": "module", "scripts": scripts})
    )
    (app / "build.js").write_text(BUILD)
    (app / "text").write_text("one")
    manifest = {"name": "headwater-web", "type": "module", "workspaces": ["app"]}
    (tmp_path / "web" / "package.json").write_text(json.dumps(manifest))
    (tmp_path / "web" / "package-lock.json").write_text(json.dumps(LOCK))
    (tmp_path / "web" / "precompress.ts").write_bytes((ROOT / "web" / "precompress.ts").read_bytes())
    return Project(tmp_path)

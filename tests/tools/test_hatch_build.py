"""The build hook: a wheel holds its pages or is not made; a checkout is installed all the same."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.pages import Project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(project: Project) -> Project:
    """The small project with what our own wheel is built from, and no code but the version."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore", "tools/pages.py"):
        target = project.root / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)
    package = project.root / "src" / "headwater"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1.2.3"\n')
    return project


def build(project: Project, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "--directory", "out", *more]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)


def held(project: Project) -> dict[str, bytes]:
    (wheel,) = (project.root / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.slow
def test_a_wheel_holds_the_pages(package: Project) -> None:
    done = build(package)
    assert done.returncode == 0, done.stderr
    files = held(package)
    assert files["headwater/pages/index.html"] == b"one"
    assert {"headwater/pages/assets/app-1.js", "headwater/pages/assets/app-1.js.br"} <= files.keys()
    assert not [name for name in files if "web" in name or "node_modules" in name]


@pytest.mark.slow
def test_a_source_archive_holds_what_the_pages_are_built_from(package: Project) -> None:
    assert build(package, "--target", "wheel").returncode == 0
    assert build(package, "--target", "sdist").returncode == 0
    (archive,) = (package.root / "out").glob("*.tar.gz")
    unpacked = package.root / "unpacked"
    shutil.unpack_archive(archive, unpacked, filter="data")
    (inner,) = unpacked.iterdir()
    assert (inner / "web" / "app" / "build.js").is_file()
    assert not (inner / "web" / "node_modules").exists()
    assert not (inner / "src" / "headwater" / "pages").exists()
    again = build(Project(inner), "--target", "wheel")
    assert again.returncode == 0, again.stderr
    assert held(Project(inner)) == held(package)


@pytest.mark.parametrize("fault", ["no sources", "a broken build"])
def test_a_wheel_without_pages_is_not_built(package: Project, fault: str) -> None:
    if fault == "no sources":
        shutil.rmtree(package.web)
    else:
        (package.web / "app" / "build.js").write_text("console.error('the dog ate it'); process.exit(3)")
    done = build(package, "--target", "wheel")
    assert done.returncode != 0
    assert ("no sources of the pages" if fault == "no sources" else "the dog ate it") in done.stderr
    assert "not built" in done.stderr
    assert not list(package.root.glob("out/*.whl"))


@pytest.mark.slow
def test_a_checkout_is_installed_without_its_pages_too(package: Project) -> None:
    """Who works on the server only, and has no registry of packages for Node, can do so."""
    shutil.rmtree(package.web)
    done = build(package, "--target", "wheel:editable")
    assert done.returncode == 0, done.stderr
    assert "no pages" in done.stdout + done.stderr

"""The programs in the how-tos for pages: the AI SDK's are type-checked with its types, AG-UI's does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.product import Product
from tests.recordings import PROJECT_ROOT
from tests.web.node import check_types, run_node
from tests.wire.oracles import ORACLES, installed_packages

pytestmark = pytest.mark.slow

HOW_TO = PROJECT_ROOT / "docs" / "howto"


def shown(page: str, language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", (HOW_TO / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found


def test_use_chat_takes_our_transport_and_the_how_to_s_pages_are_typed(tmp_path: Path) -> None:
    for number, program in enumerate(shown("ai-sdk.md", "tsx")):
        (tmp_path / f"shown{number}.tsx").write_text(program, encoding="utf-8")
    (tmp_path / "page.tsx").write_text((ORACLES / "ai_sdk_page" / "page.tsx").read_text(encoding="utf-8"))
    (tmp_path / "node_modules").symlink_to(installed_packages() / "node_modules")
    done = check_types(tmp_path, "*.tsx")
    assert done.returncode == 0, done.stdout + done.stderr


async def test_ag_ui_s_program_does_what_it_says(data_dir: Path, tmp_path: Path) -> None:
    (program,) = shown("ag-ui.md", "js")
    async with Product(data_dir) as product:
        file = tmp_path / "shown.mjs"
        file.write_text(program.replace("http://127.0.0.1:8000", product.url), encoding="utf-8")
        (tmp_path / "node_modules").symlink_to(installed_packages() / "node_modules")
        done = run_node(file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("This is a simulated answer.")

"""What the documentation takes from the code is kept equal to it."""

from pathlib import Path

import pytest

from headwater.api.openai_parameters import PARAMETERS
from headwater.domain.run import state_diagram
from headwater.errors import CODES
from tools import make_docs


def test_the_files_are_what_the_tool_writes() -> None:
    stale = [
        path.relative_to(make_docs.DOCS).as_posix()
        for path in make_docs.DOCS.rglob("*.md")
        if make_docs.rendered(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")
    ]
    assert not stale, "run python tools/make_docs.py"


def test_each_block_is_used() -> None:
    words = "".join(path.read_text(encoding="utf-8") for path in make_docs.DOCS.rglob("*.md"))
    assert {name for name in make_docs.BLOCKS if f"<!-- generated: {name} -->" in words} == make_docs.BLOCKS.keys()


def test_it_writes_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_docs, "DOCS", tmp_path)
    page = tmp_path / "deep" / "page.md"
    page.parent.mkdir()
    page.write_text("before\n<!-- generated: run-states -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    assert make_docs.main(["--check"]) == 1
    assert "old" in page.read_text(encoding="utf-8")
    assert make_docs.main([]) == 0
    assert make_docs.main(["--check"]) == 0
    words = page.read_text(encoding="utf-8")
    assert words.startswith("before\n<!-- generated: run-states -->\n```mermaid\n")
    assert words.endswith("```\n<!-- end -->\nafter\n")
    assert state_diagram() in words


def test_a_page_without_blocks_is_left_alone() -> None:
    assert make_docs.rendered("# Title\n<!-- a comment -->\n") == "# Title\n<!-- a comment -->\n"


def test_an_unknown_block_is_told() -> None:
    with pytest.raises(KeyError):
        make_docs.rendered("<!-- generated: nothing -->\n<!-- end -->")


def test_the_tables_hold_every_row() -> None:
    codes, servers = make_docs.error_codes(), make_docs.servers()
    assert all(f"| `{code}` | {row.status} |" in codes for code, row in CODES.items())
    assert "| `deepseek` | `openai_chat` | `https://api.deepseek.com/v1` | `DEEPSEEK_API_KEY` | `max_tokens`" in servers
    assert "| `tool_calls` | `tool_calls`, `tool_use`" in make_docs.finish_reasons()
    assert "| `RATE_LIMIT` | `429` |" in make_docs.refusals()
    assert "| `length` | `max_tokens`, `model_context_window_exceeded` |" in make_docs.messages_finish_reasons()
    assert all(make_docs.claude().count(f"`{model}`") == 1 for model in make_docs.CLAUDES)
    parameters = make_docs.parameters()
    assert all(f"| `{name}` | {row.use} | {row.about}" in parameters for name, row in PARAMETERS.items())
    assert '; `"auto"` and `"default"` are let pass |' in parameters
    assert "; `1` is let pass |" in parameters

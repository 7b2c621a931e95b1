from __future__ import annotations

from pathlib import Path

import pytest

from headwater.cli.checkup.configuration import check_configuration
from headwater.cli.checkup.finding import Level


def levels_of(path: Path | None, **environ: str) -> list[Level]:
    return [finding.level for finding in check_configuration(path, None, environ)[1]]


def test_without_a_file_everything_has_its_default() -> None:
    settings, found = check_configuration(None, Path("elsewhere"), {})
    assert settings is not None
    assert settings.data == Path("elsewhere")
    assert [finding.level for finding in found] == [Level.OK]


def test_every_fault_is_a_problem_that_names_its_setting(tmp_path: Path) -> None:
    config = tmp_path / "h.toml"
    config.write_text('[server]\nport = "sk-canary"\nprot = 1\n[runs]\nslots = 0\n')
    settings, found = check_configuration(config, None, {})
    assert settings is None
    assert [finding.level for finding in found] == [Level.PROBLEM] * 3
    assert all(finding.advice for finding in found)
    said = " ".join(finding.text for finding in found)
    assert all(name in said for name in ("`server.port`", "`server.prot`", "`runs.slots`"))
    assert "sk-canary" not in said


@pytest.mark.parametrize("content", [None, "[[", "\x00"])
def test_a_file_that_can_not_be_read_is_one(tmp_path: Path, content: str | None) -> None:
    config = tmp_path / "h.toml"
    if content is not None:
        config.write_text(content)
    assert levels_of(config) == [Level.PROBLEM]


def test_a_log_that_may_lose_its_end_is_a_warning(tmp_path: Path) -> None:
    config = tmp_path / "h.toml"
    config.write_text('[log]\ndurability = "process"\n')
    assert levels_of(config) == [Level.OK, Level.WARNING]


def test_a_misnamed_variable_is_a_warning_without_its_value() -> None:
    _, found = check_configuration(None, None, {"HEADWATER_SERVER_PORT": "canary"})
    assert [finding.level for finding in found] == [Level.OK, Level.WARNING]
    assert "HEADWATER_SERVER__PORT would" in found[1].text
    assert "canary" not in found[1].text

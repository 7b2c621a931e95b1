"""`headwater keys`: what is made is shown once, listed without it, and over when it was revoked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headwater.cli import app
from headwater.domain.api_key import id_in
from headwater.storage.directory import DataDirectory
from headwater.storage.key_file import KeyFile


def keys(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments, "--data", str(data)])


def listed(data: Path) -> list[dict[str, Any]]:
    done = keys(data, "ls", "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["keys"]
    return found


def test_a_key_is_shown_once_and_only_its_hash_is_kept(data_dir: Path) -> None:
    made = keys(data_dir, "create", "my laptop")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    assert re.fullmatch(r"hw_[0-9a-f]{16}_[0-9a-f]{64}", text)
    assert "not shown again" in made.stderr
    random = text.rpartition("_")[2]
    assert random not in made.stderr
    said = keys(data_dir, "ls")
    assert (id_in(text) or "") in said.stdout
    assert "active" in said.stdout
    assert "local/local" in said.stdout
    assert "my laptop" in said.stdout
    everything = [said.output, keys(data_dir, "ls", "--json").output]
    everything += [path.read_bytes().decode("latin-1") for path in data_dir.rglob("*") if path.is_file()]
    assert not any(random in each for each in everything)
    (key,) = KeyFile(data_dir).all()
    assert key.is_shown_by(text)


def test_a_key_has_an_owner_and_an_end(data_dir: Path) -> None:
    arguments = ["--org", "acme", "--user", "ann", "--expires", "12h", "--json"]
    made = json.loads(keys(data_dir, "create", "ci", *arguments).stdout)
    (key,) = KeyFile(data_dir).all()
    assert key.is_shown_by(made.pop("key"))
    assert (key.owner.org, key.owner.user, key.name) == ("acme", "ann", "ci")
    assert key.expires_at_ms == key.created_at_ms + 12 * 3_600_000
    assert listed(data_dir) == [made]
    assert "until" in keys(data_dir, "ls").stdout


def test_a_revoked_key_stays_in_the_list(data_dir: Path) -> None:
    for name in ("first", "second"):
        keys(data_dir, "create", name)
    first, second = listed(data_dir)
    done = keys(data_dir, "revoke", first["id"])
    assert (done.exit_code, done.stdout) == (0, f"{first['id']} revoked\n")
    after = listed(data_dir)
    assert [key["state"] for key in after] == ["revoked", "active"]
    assert after[0]["revoked_at"] is not None
    assert after[1] == second
    assert keys(data_dir, "revoke", first["id"]).exit_code == 0
    assert listed(data_dir) == after


def test_an_id_of_nothing_is_told(data_dir: Path) -> None:
    done = keys(data_dir, "revoke", "0" * 16)
    assert done.exit_code == 1
    assert "headwater keys ls" in done.stderr


def test_without_keys_the_list_says_how_to_make_one(data_dir: Path) -> None:
    done = keys(data_dir, "ls")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "headwater keys create" in done.stderr
    assert listed(data_dir) == []
    assert list(data_dir.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", ""],
        ["create", "x" * 101],
        ["create", "a\nb"],
        ["create", "x", "--org", "a b"],
        ["create", "x", "--user", ""],
        *[["create", "x", "--expires", each] for each in ("30", "0d", "-1d", "1y", "d", "1000000d")],
    ],
)
def test_what_can_not_be_made_is_a_wrong_command_line(data_dir: Path, arguments: list[str]) -> None:
    done = keys(data_dir, *arguments)
    assert done.exit_code == 2, done.output
    assert list(data_dir.iterdir()) == []


def test_the_directory_is_the_one_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, data = tmp_path / "h.toml", tmp_path / "kept"
    config.write_text(f'data = "{data}"\n')
    monkeypatch.delenv("HEADWATER_DATA", raising=False)
    done = CliRunner().invoke(app, ["keys", "create", "x", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert len(listed(data)) == 1


def test_a_server_that_does_not_answer_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyFile.__init__, "__kwdefaults__", {"answer_s": 0.05})
    held = DataDirectory(data_dir, 0)
    held.hold()
    done = keys(data_dir, "create", "x")
    held.let_go()
    assert done.exit_code == 1
    assert "hw_" not in done.output
    assert "did not take the change" in done.stderr

"""The operator's settings: file, environment, arguments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError
from headwater.settings import is_loopback, load_settings, misnamed


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("HEADWATER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "headwater.toml"
    path.write_text(
        """
        data = "from-file"
        [server]
        port = 1111
        heartbeat_s = 5
        allowed_hosts = ["a.example"]
        [runs]
        slots = 7
        [[models]]
        name = "mock"
        provider = "openai_chat"
        base_url = "http://127.0.0.1:9100/v1"
        api_key_env = "MOCK_KEY"
        allow_private = true
        """
    )
    return path


def test_without_anything_it_works_on_loopback() -> None:
    settings = load_settings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)
    assert (settings.log.durability, settings.models, settings.data) == ("power", (), Path("data"))


def test_a_file_sets_what_it_names_and_leaves_the_rest(config: Path) -> None:
    settings = load_settings(config)
    assert (settings.server.port, settings.server.heartbeat_s, settings.server.stall_s) == (1111, 5.0, 30.0)
    assert (settings.server.allowed_hosts, settings.runs.slots) == (("a.example",), 7)
    (model,) = settings.models
    assert (model.name, model.provider, model.api_key_env, model.allow_private) == (
        "mock",
        "openai_chat",
        "MOCK_KEY",
        True,
    )


def test_environment_wins_over_file_and_arguments_over_both(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_SERVER__PORT", "2222")
    monkeypatch.setenv("HEADWATER_DATA", "from-environment")
    settings = load_settings(config)
    assert (settings.server.port, settings.server.heartbeat_s, settings.data) == (2222, 5.0, Path("from-environment"))
    settings = load_settings(config, {"server": {"port": 3333, "host": None}, "data": None})
    assert (settings.server.port, settings.server.host, settings.data) == (3333, "127.0.0.1", Path("from-environment"))
    assert settings.server.heartbeat_s == 5.0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("port = 1", "port"),
        ("[server]\nprot = 1", "server.prot"),
        ("[server]\nport = 70000", "server.port"),
        ("[server]\nport = true\nheartbeat_s = nan", "server.heartbeat_s"),
        ("[server]\nheartbeat_s = 0", "server.heartbeat_s"),
        ("[log]\ndurability = 'none'", "log.durability"),
        ("[runs]\nslots = 0", "runs.slots"),
        ("[egress]\nhosts = ['https://api.example.com']", "egress.hosts.0"),
        ("[[models]]\nprovider = 'x'", "models.0.name"),
        ("[[models]]\nname = 'a'\nprovider = 'x'\napi_key = 'canary-7c2f'", "models.0.api_key"),
        ("port = ", "can not be read"),
        ("data = '\xff'", "can not be read"),
    ],
)
def test_what_can_not_be_used_is_named_and_never_shown(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "headwater.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as refused:
        load_settings(path)
    assert named in str(refused.value)
    assert str(path) in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can not be read"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("HEADWATER_SERVER__PORT", "x", "HEADWATER_SERVER__PORT"),
        ("HEADWATER_SERVER__PROT", "1", "HEADWATER_SERVER__PROT"),
        ("HEADWATER_MODELS", "[", "JSON"),
    ],
)
def test_a_variable_that_can_not_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert named in str(refused.value)


def test_variables_that_are_not_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADWATER_RECORDINGS", "HEADWATER_SEED", "SERVER_PORT"):
        monkeypatch.setenv(name, "1")
    assert load_settings() == load_settings()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HEADWATER_PORT", "HEADWATER_SERVER__PORT"),
        ("HEADWATER_SERVER_PORT", "HEADWATER_SERVER__PORT"),
        ("headwater_log_durability", "HEADWATER_LOG__DURABILITY"),
        ("headwater_slots", "HEADWATER_RUNS__SLOTS"),
        ("HEADWATER_SERVR__PORT", "HEADWATER_SERVER__PORT"),
        ("HEADWATER_DATTA", "HEADWATER_DATA"),
        ("HEADWATER_CACHE__SIZE", ""),
    ],
)
def test_what_looks_like_a_setting_and_is_none_is_told(name: str, meant: str) -> None:
    hint = f"; {meant} would" if meant else ""
    assert misnamed({name: "1", "PATH": "/bin"}) == [f"The variable {name} sets nothing{hint}."]


def test_nothing_is_told_of_settings_and_of_what_is_none_of_ours() -> None:
    names = ["HEADWATER_DATA", "headwater_server__port", "HEADWATER_MODELS", "HEADWATER_LOG", "SERVER__PORT", "PORT"]
    assert misnamed(dict.fromkeys([*names, "HEADWATER_URL", "HEADWATER_RECORDINGS", "HEADWATER_SEED"], "1")) == []


def test_an_argument_is_checked_like_the_rest() -> None:
    bad: list[dict[str, Any]] = [{"server": {"port": -1}}, {"server": {"nothing": 1}}, {"nothing": 1}]
    for overrides in bad:
        with pytest.raises(ConfigError):
            load_settings(overrides=overrides)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    config = tmp_path / "h.toml"
    config.write_text('[server]\nport = -1\nports = 3\n[log]\ndurability = "none"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(config)
    said = [caught.value.message, *caught.value.others]
    assert len(said) == 3
    for name in ("server.port", "server.ports", "log.durability"):
        assert sum(f"`{name}`" in sentence for sentence in said) == 1


@pytest.mark.parametrize("key", ["sk-canary-1", "gsk_canary1", "canary key"])
def test_a_key_in_the_place_of_its_variables_name_is_refused_and_not_repeated(key: str) -> None:
    row = {"name": "m", "provider": "groq", "api_key_env": key}
    with pytest.raises(ConfigError, match=r"models\.0\.api_key_env") as caught:
        load_settings(overrides={"models": [row]})
    assert key not in caught.value.message


def test_a_recordings_row() -> None:
    rows = [{"name": "m", "provider": "replay", "file": "a.sse", "speed": speed} for speed in (4, 0.5, "instant")]
    models = load_settings(overrides={"models": rows}).models
    assert [(model.file, model.speed) for model in models] == [
        (Path("a.sse"), 4),
        (Path("a.sse"), 0.5),
        (Path("a.sse"), "instant"),
    ]
    for speed in (0, 1001, "fast"):
        with pytest.raises(ConfigError, match=r"models\.0\.speed"):
            load_settings(overrides={"models": [{**rows[0], "speed": speed}]})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.com"])
def test_it_does_not_listen_where_others_can_reach_it(host: str) -> None:
    with pytest.raises(ConfigError, match=r"others can reach it"):
        load_settings(overrides={"server": {"host": host}})


def test_with_keys_others_may_reach_it() -> None:
    server = {"host": "0.0.0.0", "keys": "required"}
    assert load_settings(overrides={"server": server}).server.host == "0.0.0.0"
    with pytest.raises(ConfigError, match=r"asks nobody for a key"):
        load_settings(overrides={"server": {**server, "keys": "off"}})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("LocalHost", True),
        ("localhost.example.com", False),
        ("", False),
        ("0", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_loopback_is_told_apart(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValueError):
        settings.server.port = 1
    with pytest.raises(ValueError):
        settings.data = Path("other")


@pytest.mark.parametrize(("value", "on"), [("false", False), ("0", False), ("off", False), ("true", True), ("1", True)])
def test_a_flag_has_the_variable_that_deployments_know(
    config: Path, monkeypatch: pytest.MonkeyPatch, value: str, on: bool
) -> None:
    assert load_settings().flags.sse_streaming
    config.write_text(f"[flags]\nsse_streaming = {str(not on).lower()}\n")
    monkeypatch.setenv("ENABLE_SSE_STREAMING", value)
    assert load_settings(config).flags.sse_streaming is on
    # ours is said more plainly
    monkeypatch.setenv("HEADWATER_FLAGS__SSE_STREAMING", str(not on).lower())
    assert load_settings(config).flags.sse_streaming is not on


def test_a_flag_that_is_neither_on_nor_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_SSE_STREAMING", "maybe")
    with pytest.raises(ConfigError, match=r"flags\.sse_streaming.*\(ENABLE_SSE_STREAMING\)"):
        load_settings()
    # ours counts more, and is named
    monkeypatch.setenv("HEADWATER_FLAGS__SSE_STREAMING", "maybe")
    with pytest.raises(ConfigError, match=r"\(HEADWATER_FLAGS__SSE_STREAMING\)"):
        load_settings()

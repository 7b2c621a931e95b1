"""The operator's settings: a TOML file, overridden by `HEADWATER_…` in the environment, overridden by arguments.

`HEADWATER_SERVER__PORT=9000` is `[server] port = 9000`. Keys of providers come from the environment
only; a row of `[[models]]` names the variable, never the key.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from headwater.entry_points import are_readable
from headwater.errors import ConfigError

if not are_readable():
    # Pydantic looks for plug-ins of its own when it makes its first class, and would fall over a distribution that we
    # tell of and leave out.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

_PREFIX = "HEADWATER_"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Section):
    """Where it listens and whom it answers. Without keys it binds to loopback only."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    #: names under which clients reach it, beside loopback's own; anything else in `Host` is refused
    allowed_hosts: tuple[str, ...] = ()
    #: origins of pages on other hosts that may call it, exactly as browsers send them
    allowed_origins: tuple[str, ...] = ()
    #: "required": every caller has to show one of those that `headwater keys` makes
    keys: Literal["off", "required"] = "off"
    heartbeat_s: float = Field(default=15.0, gt=0, le=300)
    #: a reader that takes nothing for so long is cut; it can resume
    stall_s: float = Field(default=30.0, gt=0, le=600)
    body_bytes_max: int = Field(default=8 << 20, ge=1024, le=256 << 20)
    drain_s: float = Field(default=10.0, ge=0, le=600)


class LogSettings(_Section):
    """How the log of runs is kept, and what the server's own lines tell.

    "process" survives a crash of the process, not of the machine.
    """

    durability: Literal["power", "process"] = "power"
    commit_interval_ms: float = Field(default=4.0, ge=0, le=1000)
    #: what providers say about failures goes to the operator's lines, too: it may quote a request
    provider_detail: bool = False


class RunSettings(_Section):
    """How many runs go on at once, and how many may wait."""

    slots: int = Field(default=1000, ge=1, le=100_000)
    waiting_max: int = Field(default=1000, ge=0, le=100_000)


class DurableStreamsSettings(_Section):
    """Streams that programs append to, at /v1/stream."""

    #: how long a long-poll waits for something to come
    long_poll_ms: int = Field(default=30_000, ge=1, le=60_000)
    #: how many there may be, and how much they may hold, each and together
    streams_max: int = Field(default=10_000, ge=0, le=1_000_000)
    stream_bytes_max: int = Field(default=16 << 20, ge=1024, le=64 << 30)
    bytes_max: int = Field(default=4 << 30, ge=1024, le=1 << 40)


class ChatSettings(_Section):
    """Chats that are kept, at /chat."""

    #: who answers, and who in their place; empty: the first at OpenAI and the first at Gemini that have keys, or else
    #: the simulated one
    models: tuple[str, ...] = Field(default=(), max_length=8)
    message_chars_max: int = Field(default=32_000, ge=1, le=500_000)
    #: of earlier messages that are sent along, and of a whole request; tokens are estimated
    context_tokens_max: int = Field(default=8_000, ge=0, le=10_000_000)
    input_tokens_max: int = Field(default=16_000, ge=1, le=10_000_000)
    #: of one user on one day (UTC), sent and received; 0 is no limit. Counted in this process only
    day_tokens_max: int = Field(default=0, ge=0)
    #: of these, so many are held for an answer until it is known what it used, or as many as are left
    output_tokens_reserved: int = Field(default=1_000, ge=0, le=10_000_000)


class ConversationSettings(_Section):
    """Conversations with an assistant, at /api/conversation."""

    #: as those of the chat
    models: tuple[str, ...] = Field(default=(), max_length=8)
    message_chars_max: int = Field(default=4_000, ge=1, le=100_000)
    #: of one answer, with all its steps
    total_s: float = Field(default=120.0, gt=0, le=3600)
    chunks_max: int = Field(default=4_000, ge=1, le=1_000_000)
    #: messages of one user; 0 is no limit. Counted in this process only
    per_minute: int = Field(default=30, ge=0, le=100_000)
    context_tokens_max: int = Field(default=4_000, ge=0, le=10_000_000)


class EgressSettings(_Section):
    """Where model calls may go, whatever a model's row or a plug-in says."""

    #: names or addresses, `*.example.com` for every name below; where any are here, no other host is called
    hosts: tuple[Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_.:-]+$", max_length=253)], ...] = ()


class ResilienceSettings(_Section):
    """What becomes of model calls that fail before they have put anything out, and of models that fail often."""

    #: tries of one model in one call, the first included
    tries_max: int = Field(default=3, ge=1, le=10)
    #: the longest wait before a second try, and before any; between them it doubles
    backoff_s: float = Field(default=0.5, ge=0, le=60)
    backoff_max_s: float = Field(default=8.0, ge=0, le=300)
    #: further tries for each success at a provider, and how many there are at the beginning and at most
    budget_ratio: float = Field(default=0.1, ge=0, le=1)
    budget_reserve: float = Field(default=10.0, ge=0, le=10_000)
    #: further tries at a provider that may be down, from one success there to the next
    budget_in_vain: int = Field(default=3, ge=0, le=10_000)
    #: a model rests after so many failures (0: never) that are so large a share of what ended in so long a time
    breaker_failures: int = Field(default=5, ge=0, le=100)
    breaker_share: float = Field(default=0.5, ge=0, le=1)
    breaker_window_s: float = Field(default=60.0, gt=0, le=3600)
    breaker_rest_s: float = Field(default=15.0, gt=0, le=3600)


class FlagSettings(_Section):
    """What can be switched off."""

    sse_streaming: bool = Field(
        default=True, description="Event streams that a GET starts. Without them pages ask for whole answers."
    )


class PriceSettings(_Section):
    """US dollars for a million tokens."""

    input: float = Field(ge=0, le=1e6)
    output: float = Field(ge=0, le=1e6)
    cached_input: float | None = Field(default=None, ge=0, le=1e6)
    cache_write: float | None = Field(default=None, ge=0, le=1e6)
    cache_write_1h: float | None = Field(default=None, ge=0, le=1e6)


class PriceListSettings(_Section):
    """The list of prices that comes with the server, and whether it is fetched anew."""

    #: off by default: a server calls nobody unless it is told to
    refresh_h: float | None = Field(default=None, ge=0.1, le=8760)
    list_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]", max_length=2000)


class ModelSettings(_Section):
    """A model that callers may name. `provider` is a dialect or a row of the catalog."""

    name: str = Field(min_length=1, max_length=200)
    provider: str
    base_url: str | None = None
    model: str | None = None
    #: in capitals, as variables are: a key that is put here by mistake would be named in the log
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=200)
    allow_private: bool = False
    #: how long it may be silent, where a run does not say otherwise; off by default
    first_token_s: float | None = Field(default=None, gt=0, le=3600)
    idle_s: float | None = Field(default=None, gt=0, le=3600)
    #: what it can do, where that is less than its server's row says
    capabilities: tuple[str, ...] | None = None
    #: further headers of each call; nothing secret
    headers: dict[str, str] = {}
    #: what it costs, where the list of prices does not say
    price: PriceSettings | None = None
    #: with `provider = "replay"`: the recorded stream, whose dialect it is in, and how fast it is played
    file: Path | None = None
    dialect: str | None = None
    speed: Annotated[float, Field(ge=0.01, le=1000)] | Literal["instant"] | None = None
    ms_per_event: float | None = Field(default=None, gt=0, le=60_000)


#: Flags that have a variable of their own, too, as deployments have set them before.
_FLAG_VARIABLES = {"ENABLE_SSE_STREAMING": "sse_streaming"}


class Settings(BaseSettings):
    """Everything that can be set. Unknown names are refused."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data: Path = Path("data")
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    runs: RunSettings = RunSettings()
    durable_streams: DurableStreamsSettings = DurableStreamsSettings()
    resilience: ResilienceSettings = ResilienceSettings()
    egress: EgressSettings = EgressSettings()
    chat: ChatSettings = ChatSettings()
    conversation: ConversationSettings = ConversationSettings()
    flags: FlagSettings = FlagSettings()
    models: tuple[ModelSettings, ...] = ()
    prices: PriceListSettings = PriceListSettings()
    #: whether a small real model on this machine is served too (`headwater local install`)
    local: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # What `load_settings` passes in is the file, so the environment comes before it.
        flags = {flag: os.environ[name] for name, flag in _FLAG_VARIABLES.items() if name in os.environ}
        flag_settings = InitSettingsSource(settings_cls, {"flags": flags} if flags else {})
        return (env_settings, flag_settings, init_settings)


class _Final(Settings):
    """Takes what it is given and nothing else: file and environment are in it already."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_settings(config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Reads the settings. `overrides` are the command line's: `{"server": {"port": 9000}, "data": …}`.

    Raises `ConfigError` with the setting's name and what is wrong with it, and the same of `others`.
    """
    values = _read_file(config)
    try:
        settings = Settings(**values)
        if overrides:
            settings = _Final(**_merged(settings.model_dump(), overrides))
    except SettingsError as error:
        raise ConfigError(
            f"The environment can not be read: {error}; sections and lists are written as JSON."
        ) from None
    except ValidationError as error:
        first, *others = _faults(error, config)
        raise ConfigError(first, others=others) from None
    _check_host(settings)
    return settings


FlagSource = Literal["default", "file", "environment"]


class Flag(NamedTuple):
    """A flag as a server that starts now would have it.

    `source` is what counts of all that say something about it, and `named` its name there: the variable, or the file.
    `variables` can set it, the one that counts most first.
    """

    name: str
    on: bool
    source: FlagSource
    named: str | None
    variables: tuple[str, ...]
    about: str


def flags(config: Path | None = None) -> list[Flag]:
    """Every flag there is, from the same file and environment that `load_settings` reads. Raises `ConfigError`."""
    settings = load_settings(config)
    in_file = _read_file(config).get("flags", {})
    found: list[Flag] = []
    for name, field in FlagSettings.model_fields.items():
        own = [variable for variable, flag in _FLAG_VARIABLES.items() if flag == name]
        variables = (f"{_PREFIX}FLAGS__{name.upper()}", *own)
        variable = _variable_of_flag(name, own)
        source: FlagSource = "file" if name in in_file else "default"
        named = str(config) if name in in_file else None
        if variable is not None:
            source, named = "environment", variable
        on: bool = getattr(settings.flags, name)
        found.append(Flag(name, on, source, named, variables, field.description or ""))
    return found


def _variable_of_flag(name: str, own: Sequence[str]) -> str | None:
    """The variable that sets it: its own place, the section as JSON, one that it has beside, in this order."""
    if name in (EnvSettingsSource(Settings)().get("flags") or {}):
        section = f"{_PREFIX}FLAGS"
        # Ours are read whatever their case.
        by_capitals = {variable.upper(): variable for variable in os.environ}
        return by_capitals.get(f"{section}__{name}".upper()) or by_capitals[section]
    return next((variable for variable in own if variable in os.environ), None)


def _read_file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration file {config}.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{config} can not be read: {error}.") from None


def misnamed(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none.

    Not refused: Kubernetes gives every container a `HEADWATER_PORT` or a `HEADWATER_SERVER_PORT` where a service
    is called `headwater` or `headwater-server`.
    """
    known = {f"{_PREFIX}{name}".upper(): name for name in Settings.model_fields}
    for section, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Section):
            known |= {f"{_PREFIX}{section}__{name}".upper(): name for name in field.annotation.model_fields}
    sentences = []
    for variable in sorted(environ):
        name = variable.upper()
        if not name.startswith(_PREFIX) or name in known:
            continue
        meant = [each for each, setting in known.items() if name == f"{_PREFIX}{setting}".upper()]
        meant = meant or difflib.get_close_matches(name, known, 1, cutoff=0.9)
        if meant or "__" in name:
            hint = f"; {meant[0]} would" if meant else ""
            sentences.append(f"The variable {variable} sets nothing{hint}.")
    return sentences


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        elif value is not None:
            merged[key] = value
    return merged


def _faults(error: ValidationError, config: Path | None) -> list[str]:
    """A sentence for each setting that can not be used. What was given is not repeated: it may be a secret."""
    sentences = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(map(str, fault["loc"]))
        variable = _variable(fault["loc"])
        where = f" ({config}, or {variable} in the environment)" if config else f" ({variable})"
        if fault["type"] == "extra_forbidden":
            sentences.append(f"There is no setting `{name}`{where}.")
        else:
            sentences.append(f"The setting `{name}` can not be used: {fault['msg']}{where}.")
    return sentences


def _variable(place: tuple[int | str, ...]) -> str:
    """The variable that says it: of those that are set the one that counts."""
    variable = _PREFIX + "__".join(str(part).upper() for part in place)
    also = (name for name, flag in _FLAG_VARIABLES.items() if place == ("flags", flag) and name in os.environ)
    return variable if variable in os.environ else next(also, variable)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: a loopback address, or `localhost`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _check_host(settings: Settings) -> None:
    if settings.server.keys == "off" and not is_loopback(settings.server.host):
        raise ConfigError(
            f"The server would listen on {settings.server.host}, where others can reach it, and asks nobody for a key: "
            "anyone could read every run and spend on every model. Set server.keys to `required` and make a key with "
            "`headwater keys create`, or bind it to 127.0.0.1 (the default) and put a proxy that authenticates in "
            "front of it."
        )

"""Which models can be called, and by whom: the operator's rows, the servers that are known, and `simulated`.

A server that speaks a dialect is a row here and not a file: its address, where its key is, and its quirks. A model is
a row of the configuration: the name that callers say, and the server behind it. Callers never name a host or a key.

A route ends in a `Provider`, so whatever is later put around one (retries, a breaker, a fallback) is a provider too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from headwater.domain.message import GenerationRequest
from headwater.errors import BadRequestError, ConfigError
from headwater.providers import replay, simulated
from headwater.providers.contract import ModelInfo, Provider, Silence
from headwater.providers.egress import Egress, Resolve
from headwater.providers.http import Auth, HttpProvider, Limits
from headwater.providers.openai_chat import OpenAIChat, Quirks
from headwater.providers.pace import Speed
from headwater.providers.recording import load_recording
from headwater.providers.redact import Secret


class ServerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is known by name. Without `base_url` each of its models has to say where it is."""

    quirks: Quirks
    base_url: str | None = None
    api_key_env: str | None = None
    auth_header: str = "Authorization"
    auth_prefix: str = "Bearer "
    #: the address above is this machine's
    is_local: bool = False


def _cloud(name: str, base_url: str, api_key_env: str, **quirks: object) -> ServerRow:
    return ServerRow(quirks=_quirks(name, quirks), base_url=base_url, api_key_env=api_key_env)


def _local(name: str, port: int) -> ServerRow:
    """A server on this machine: it takes the older names, and its chat templates know no developer."""
    quirks = _quirks(name, {"max_tokens_field": "max_tokens", "developer_role": False})
    return ServerRow(quirks=quirks, base_url=f"http://127.0.0.1:{port}/v1", is_local=True)


def _quirks(name: str, quirks: Mapping[str, object]) -> Quirks:
    return msgspec.convert({"provider_name": name, **quirks}, Quirks)


_AZURE = ServerRow(
    quirks=Quirks(provider_name="azure"), api_key_env="AZURE_OPENAI_API_KEY", auth_header="api-key", auth_prefix=""
)

#: What a model's `provider` can be. Quirks are from each provider's own reference; what is not there is OpenAI's way.
SERVERS: Mapping[str, ServerRow] = {
    # Any compatible server, wherever it is.
    "openai_chat": ServerRow(quirks=Quirks(provider_name="openai_chat", max_tokens_field="max_tokens")),
    "openai": _cloud("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    # Its address is the resource's: https://NAME.openai.azure.com/openai/v1
    "azure": _AZURE,
    "alibaba": _cloud(
        "alibaba",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        max_tokens_field="max_tokens",
        developer_role=False,
    ),
    "cerebras": _cloud("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", developer_role=False),
    # Its `response_format` is `text` or `json_object` only.
    "deepseek": _cloud(
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        max_tokens_field="max_tokens",
        developer_role=False,
        json_schema=False,
        content_parts=False,
    ),
    "groq": _cloud("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", developer_role=False),
    "huggingface": _cloud(
        "huggingface",
        "https://router.huggingface.co/v1",
        "HF_TOKEN",
        max_tokens_field="max_tokens",
        developer_role=False,
    ),
    # Refuses fields that it does not know, and sends usage unasked.
    "mistral": _cloud(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        max_tokens_field="max_tokens",
        seed_field="random_seed",
        stream_options=False,
        developer_role=False,
    ),
    "openrouter": _cloud(
        "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", max_tokens_field="max_tokens"
    ),
    "perplexity": _cloud(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
        max_tokens_field="max_tokens",
        stream_options=False,
        developer_role=False,
    ),
    "together": _cloud(
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        max_tokens_field="max_tokens",
        developer_role=False,
    ),
    "xai": _cloud("xai", "https://api.x.ai/v1", "XAI_API_KEY", developer_role=False),
    "llamacpp": _local("llamacpp", 8080),
    "lmstudio": _local("lmstudio", 1234),
    "ollama": _local("ollama", 11434),
    "vllm": _local("vllm", 8000),
}


class ModelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model as the operator configures it (PROTOCOL, `[[models]]`)."""

    #: what callers say
    name: str
    #: a name in `SERVERS`, or `replay`
    provider: str = "openai_chat"
    base_url: str | None = None
    #: what the provider calls it; default: `name`
    model: str | None = None
    api_key_env: str | None = None
    allow_private: bool = False
    #: limits of a run that sets none of its own (PROTOCOL, `limits`)
    first_token_s: float | None = None
    idle_s: float | None = None
    #: of `replay` only: the recorded body, the name in `SERVERS` whose dialect it is in, and how fast it is played
    file: Path | None = None
    dialect: str | None = None
    speed: Speed | None = None
    ms_per_event: float | None = None


class CheckedProvider(Provider, Protocol):
    """A provider that can say beforehand what it can not do."""

    def check(self, request: GenerationRequest) -> None:
        """Raises `RefusedError`. Without I/O."""
        ...


class Route(NamedTuple):
    """A model and who calls it."""

    info: ModelInfo
    provider: CheckedProvider
    silence: Silence = Silence()


class Catalog:
    """Models by the names that callers use. `simulated` is always there, and `replay` where there are runs to read."""

    def __init__(
        self,
        routes: Iterable[Route] = (),
        *,
        warnings: Sequence[str] = (),
        read_records: replay.ReadRecords | None = None,
    ) -> None:
        """Raises `ConfigError` for a name that is given twice."""
        self._routes = {simulated.NAME: Route(simulated.MODEL, simulated.Simulated())}
        if read_records is not None:
            self._routes[replay.NAME] = Route(replay.MODEL, replay.RunReplay(read_records))
        #: what the operator should hear at the start: models that can not be called as things are
        self.warnings = list(warnings)
        for route in routes:
            if route.info.name in self._routes:
                raise ConfigError(f"models: there are two models with the name `{route.info.name}`.")
            self._routes[route.info.name] = route

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[ModelRow],
        environ: Mapping[str, str],
        *,
        resolve: Resolve | None = None,
        limits: Limits | None = None,
        read_records: replay.ReadRecords | None = None,
        more: Iterable[Route] = (),
    ) -> Catalog:
        """The catalog of a configuration. Keys are read from `environ`, here and nowhere else.

        Models of one server and one key share its connections; `more` are routes that no row makes. Raises
        `ConfigError` for a row that can not be used; a key that is missing is a warning, and an `AUTH` error of each
        call.
        """
        builder = _Builder(environ, resolve, limits)
        routes = [*(builder.route(row) for row in rows), *more]
        return cls(routes, warnings=builder.warnings, read_records=read_records)

    def models(self) -> list[ModelInfo]:
        """Everything that can be called, `simulated` first, the rest in the order of the configuration.

        `replay` is left out: it is called with a run to play, and is nothing to choose for a conversation.
        """
        return [route.info for route in self._routes.values() if route.info is not replay.MODEL]

    def resolve(self, name: str) -> tuple[Provider, str]:
        """Who calls a model, and the name that they know it by. Raises `BadRequestError` for an unknown one."""
        route = self._route(name)
        return route.provider, route.info.model

    def silence(self, name: str) -> Silence:
        """How long a model may be silent. Raises `BadRequestError` for an unknown one."""
        return self._route(name).silence

    def check(self, request: GenerationRequest) -> None:
        """Refuses a request that its model can not do, before anything begins. `request.model` is the caller's name.

        Raises `RefusedError` (`BadRequestError`, `UnsupportedError`).
        """
        route = self._route(request.model)
        route.provider.check(msgspec.structs.replace(request, model=route.info.model))

    async def close(self) -> None:
        """Closes every connection."""
        for provider in {id(route.provider): route.provider for route in self._routes.values()}.values():
            await provider.close()

    def _route(self, name: str) -> Route:
        route = self._routes.get(name)
        if route is None:
            # Names are compared in part only: a caller's name may be long.
            raise BadRequestError(f"There is no model `{name[:100]}`.{_meant(name, self._routes)}", pointer="/model")
        return route


class _Builder:
    """Turns rows into routes, with one provider for each server and key."""

    def __init__(self, environ: Mapping[str, str], resolve: Resolve | None, limits: Limits | None) -> None:
        self._environ = environ
        self._resolve = resolve
        self._limits = limits
        self._providers: dict[tuple[str, str, str | None, bool], HttpProvider] = {}
        self.warnings: list[str] = []

    def route(self, row: ModelRow) -> Route:
        _check_fields(row)
        if row.provider == replay.NAME:
            return _recording(row)
        place = destination_of(row)
        server, base_url, key_env, allow_private = place
        known = (row.provider, base_url, key_env, allow_private)
        if known not in self._providers:
            try:
                self._providers[known] = HttpProvider(
                    row.provider,
                    OpenAIChat(server.quirks),
                    base_url=base_url,
                    auth=auth_of(place, self._environ),
                    egress=Egress(allow_private, self._resolve),
                    limits=self._limits,
                )
            except ConfigError as exc:
                raise ConfigError(f"models: `{row.name}`: {exc.message}") from None
        if key_env is not None and not _key(key_env, self._environ):
            self.warnings.append(f"The model `{row.name}` can not be called: `{key_env}` is not set.")
        info = ModelInfo(row.name, row.provider, row.model or row.name, _capabilities(server.quirks))
        return Route(info, self._providers[known], Silence(row.first_token_s, row.idle_s))


class Destination(NamedTuple):
    """Where the calls of a row go, and which variable holds their key, if they have one."""

    server: ServerRow
    base_url: str
    key_env: str | None
    allow_private: bool


def destination_of(row: ModelRow) -> Destination:
    """Raises `ConfigError` for a server that is not known, or has no address."""
    server = _server(row, "provider", row.provider)
    base_url = row.base_url or server.base_url
    if base_url is None:
        raise ConfigError(f"models: `{row.name}` needs a base_url, for `{row.provider}` has none of its own.")
    # A known server's key goes to its own address only; for another one the row has to say which key is meant.
    key_env = row.api_key_env or (None if row.base_url else server.api_key_env)
    allow_private = row.allow_private or (server.is_local and row.base_url is None)
    return Destination(server, base_url, key_env, allow_private)


def auth_of(place: Destination, environ: Mapping[str, str]) -> Auth:
    """How the key is shown to this server; without a key where the variable is not set."""
    value = _key(place.key_env, environ) if place.key_env else ""
    key = Secret(value, name=f"`{place.key_env}`") if value else None
    return Auth(key, place.key_env, place.server.auth_header, place.server.auth_prefix)


def _key(key_env: str, environ: Mapping[str, str]) -> str:
    # A key read from a file into the environment often brings the file's last line end.
    return environ.get(key_env, "").strip()


#: Fields of a row that only `replay` has, and those that it has not.
_REPLAY_FIELDS = ("file", "dialect", "speed", "ms_per_event")
_SERVER_FIELDS = ("base_url", "model", "api_key_env", "allow_private")


def _check_fields(row: ModelRow) -> None:
    """Refuses what says nothing to this row's provider."""
    foreign = _SERVER_FIELDS if row.provider == replay.NAME else _REPLAY_FIELDS
    if given := [field for field in foreign if getattr(row, field)]:
        raise ConfigError(f"models: `{row.name}` has `{given[0]}`, which means nothing to `{row.provider}`.")


def _server(row: ModelRow, field: str, name: str) -> ServerRow:
    server = SERVERS.get(name)
    if server is None:
        meant = _meant(name, [*SERVERS, replay.NAME] if field == "provider" else SERVERS)
        raise ConfigError(f"models: `{row.name}` has the {field} `{name}`, which is not known.{meant}")
    return server


def _recording(row: ModelRow) -> Route:
    """The route of a row that plays a file."""
    if row.file is None:
        raise ConfigError(f"models: `{row.name}` needs a `file` to play.")
    quirks = _server(row, "dialect", row.dialect or "openai_chat").quirks
    try:
        recording = load_recording(row.file, row.ms_per_event)
    except ConfigError as exc:
        raise ConfigError(f"models: `{row.name}`: {exc.message}") from None
    provider = replay.RecordingReplay(recording, OpenAIChat(quirks), 1.0 if row.speed is None else row.speed)
    info = ModelInfo(row.name, replay.NAME, row.name, ("text", "reasoning", "tools"))
    return Route(info, provider, Silence(row.first_token_s, row.idle_s))


def _capabilities(quirks: Quirks) -> tuple[str, ...]:
    """What can be asked for by this server's dialect; whether the model behind it can do it is the model's affair."""
    wanted = {"json_schema": quirks.json_schema, "images": quirks.content_parts}
    return ("text", "reasoning", "tools", *(name for name, has in wanted.items() if has))


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:100], list(known), n=3)
    return f" Did you mean {' or '.join(f'`{each}`' for each in close)}?" if close else ""

"""Which models can be called, and by whom: the operator's rows, the servers that are known, and `simulated`.

A model is a row of the configuration: the name that callers say, and the server behind it, which is a row of
`servers`. Callers never name a host or a key.

An entry says who is called for a name. Which of them a run calls in what order, and how often, is for `runs` to say.
"""

from __future__ import annotations

import contextlib
import difflib
import ipaddress
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from headwater.domain.message import GenerationRequest
from headwater.errors import BadRequestError, ConfigError, RefusedError, UnsupportedError
from headwater.providers import capabilities, replay, simulated
from headwater.providers.answer_reader import AnswerLimits
from headwater.providers.background import http_provider
from headwater.providers.contract import ModelInfo, Provider, Silence
from headwater.providers.cost import FREE, UNPRICED, Price, Pricing, Rates
from headwater.providers.egress import Egress, Resolve
from headwater.providers.gemini_request import GOOGLE
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.pace import Speed
from headwater.providers.prices import ListedPrice
from headwater.providers.recording import load_recording
from headwater.providers.redact import Secret
from headwater.providers.servers import SERVERS, ServerRow

#: So many models at most are named to a caller whose own can not do it, out of so many kinds that are looked at: a
#: request may be large, and each look is as much work as its refusal was.
_ABLE_MAX: Final = 3
_KINDS_MAX: Final = 12


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
    #: what the model can do, where that is less than its server's dialect can ask for; default: all of that
    capabilities: tuple[str, ...] | None = None
    #: further headers of each call, e.g. OpenRouter's `HTTP-Referer`; nothing secret, for they can be shown
    headers: Mapping[str, str] = {}
    #: what it costs, where the operator knows better than the list of prices; 0 is for nothing
    price: Price | None = None
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


class Entry(NamedTuple):
    """A model and who calls it."""

    info: ModelInfo
    provider: CheckedProvider
    silence: Silence = Silence()
    pricing: Pricing = UNPRICED
    #: equal for models of one provider that take the same, beside their capabilities
    kind: Hashable = None


def _check(entry: Entry, request: GenerationRequest) -> None:
    """What the provider says comes first: it knows more of the matter than a word in a list."""
    entry.provider.check(msgspec.structs.replace(request, model=entry.info.model))
    if entry.info.provider != replay.NAME:
        capabilities.check(request, entry.info.name, entry.info.capabilities)


def _kind(entry: Entry) -> Hashable:
    """Equal for models that take the same requests."""
    return id(entry.provider), entry.info.capabilities, entry.kind


class Catalog:
    """Models by the names that callers use. `simulated` is always there, and `replay` where there are runs to read."""

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        *,
        warnings: Sequence[str] = (),
        read_records: replay.ReadRecords | None = None,
        servers: Iterable[str] = SERVERS,
    ) -> None:
        """`servers` are names that `settings.extra` may have. Raises `ConfigError` for a model's name given twice."""
        self._entries = {simulated.NAME: Entry(simulated.MODEL, simulated.Simulated(), pricing=FREE)}
        if read_records is not None:
            self._entries[replay.NAME] = Entry(replay.MODEL, replay.RunReplay(read_records), pricing=FREE)
        #: what the operator should hear at the start: models that can not be called as things are
        self.warnings = list(warnings)
        for entry in entries:
            if entry.info.name in self._entries:
                raise ConfigError(f"models: there are two models with the name `{entry.info.name}`.")
            self._entries[entry.info.name] = entry
        called = {entry.provider.name for entry in self._entries.values()}
        self._extra_names = called | {*servers, GOOGLE, simulated.NAME, replay.NAME}

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[ModelRow],
        environ: Mapping[str, str],
        *,
        resolve: Resolve | None = None,
        limits: AnswerLimits | None = None,
        read_records: replay.ReadRecords | None = None,
        more: Iterable[Entry] = (),
        servers: Mapping[str, ServerRow] = SERVERS,
        hosts: Sequence[str] = (),
    ) -> Catalog:
        """The catalog of a configuration. Keys are read from `environ`, here and nowhere else.

        Models of one server and one key share its connections; `more` are entries that no row makes, `servers` what a
        row may name, `hosts` the only ones that are called, where any are named. Raises `ConfigError` for a row that
        can not be used; a key that is missing is a warning, and an `AUTH` error of each call.
        """
        builder = _Builder(environ, servers, resolve, limits, hosts)
        entries = [*(builder.entry(row) for row in rows), *more]
        return cls(entries, warnings=builder.warnings, read_records=read_records, servers=servers)

    def models(self) -> list[ModelInfo]:
        """Everything that can be called, `simulated` first, the rest in the order of the configuration.

        `replay` is left out: it is called with a run to play, and is nothing to choose for a conversation.
        """
        return [entry.info for entry in self._entries.values() if entry.info is not replay.MODEL]

    def resolve(self, name: str) -> tuple[Provider, str]:
        """Who calls a model, and the name that they know it by. Raises `BadRequestError` for an unknown one."""
        entry = self._entry(name)
        return entry.provider, entry.info.model

    def silence(self, name: str) -> Silence:
        """How long a model may be silent. Raises `BadRequestError` for an unknown one."""
        return self._entry(name).silence

    def capabilities(self, name: str) -> Sequence[str]:
        """What a model can be asked for. Raises `BadRequestError` for an unknown one."""
        return self._entry(name).info.capabilities

    def pricing(self, name: str) -> Pricing:
        """How a model is paid for. Raises `BadRequestError` for an unknown one."""
        return self._entry(name).pricing

    @property
    def needs_prices(self) -> bool:
        """Whether a model's price is in the list of prices, if anywhere."""
        return any(isinstance(entry.pricing, ListedPrice) for entry in self._entries.values())

    def who_can(self, capability: str) -> list[str]:
        """A few configured models that have this among their capabilities."""
        names = [name for name, entry in self._entries.items() if capability in entry.info.capabilities]
        return names[:_ABLE_MAX]

    def check(self, request: GenerationRequest) -> None:
        """Refuses a request that its model can not do, before anything begins. `request.model` is the caller's name.

        Raises `RefusedError` (`BadRequestError`, `UnsupportedError`); the latter says which model can do it.
        """
        entry = self._entry(request.model)
        for name in request.settings.extra:
            if name not in self._extra_names:
                # What is meant for another provider is passed over, for the model may be fallen back from; this is not.
                meant = _meant(name, self._extra_names)
                raise BadRequestError(f"No provider is called `{name[:100]}`.{meant}", pointer="/settings/extra")
        try:
            _check(entry, request)
        except UnsupportedError as error:
            # What is meant for one provider others do not read, which is not to say that they can do it.
            is_extra = str(error.extra.get("pointer")).startswith("/settings/extra/")
            able = [] if is_extra else [f"`{name}`" for name in self._able(request, entry)]
            if not able:
                raise
            end = "" if error.message.endswith(".") else "."
            helpful = UnsupportedError(f"{error.message}{end} {_either(able)} can.")
            helpful.extra = error.extra
            raise helpful from None

    def _able(self, request: GenerationRequest, refused: Entry) -> Iterator[str]:
        """A few configured models that can do what this entry can not, each of another kind than the one before."""
        asked = {_kind(refused)}
        found = 0
        for entry in self._entries.values():
            kind = _kind(entry)
            if entry.info in (simulated.MODEL, replay.MODEL) or kind in asked:
                continue
            asked.add(kind)
            with contextlib.suppress(RefusedError):
                _check(entry, request)
                yield entry.info.name
                found += 1
            if found == _ABLE_MAX or len(asked) > _KINDS_MAX:
                return

    async def close(self) -> None:
        """Closes every connection."""
        for provider in {id(entry.provider): entry.provider for entry in self._entries.values()}.values():
            await provider.close()

    def _entry(self, name: str) -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            # Names are compared in part only: a caller's name may be long.
            raise BadRequestError(f"There is no model `{name[:100]}`.{_meant(name, self._entries)}", pointer="/model")
        return entry


class _Builder:
    """Turns rows into entries, with one provider for each server and key."""

    def __init__(
        self,
        environ: Mapping[str, str],
        servers: Mapping[str, ServerRow],
        resolve: Resolve | None,
        limits: AnswerLimits | None,
        hosts: Sequence[str],
    ) -> None:
        self._hosts = hosts
        self._environ = environ
        self._servers = servers
        self._resolve = resolve
        self._limits = limits
        self._providers: dict[tuple[object, ...], HttpProvider] = {}
        self.warnings: list[str] = []

    def entry(self, row: ModelRow) -> Entry:
        _check_fields(row)
        if row.provider == replay.NAME:
            return _recording(row, self._servers)
        place = destination_of(row, self._servers)
        server, base_url, key_env, allow_private = place
        known = (row.provider, base_url, key_env, allow_private, tuple(sorted(row.headers.items())))
        if known not in self._providers:
            try:
                self._providers[known] = http_provider(
                    row.provider,
                    server.dialect(),
                    base_url=base_url,
                    auth=auth_of(place, self._environ),
                    egress=Egress(allow_private, self._resolve, self._hosts),
                    limits=self._limits,
                    headers=row.headers,
                )
            except ConfigError as exc:
                raise ConfigError(f"models: `{row.name}`: {exc.message}") from None
        missing_key = key_env if key_env is not None and not _key(key_env, self._environ) else None
        if missing_key is not None:
            self.warnings.append(f"The model `{row.name}` can not be called: `{missing_key}` is not set.")
        info = ModelInfo(row.name, row.provider, row.model or row.name, _capabilities(row, server), missing_key)
        silence = Silence(row.first_token_s, row.idle_s)
        kind = server.kind_of(info.model) if server.kind_of else None
        return Entry(info, self._providers[known], silence, _pricing(row, place), kind)


class Destination(NamedTuple):
    """Where the calls of a row go, and which variable holds their key, if they have one."""

    server: ServerRow
    base_url: str
    key_env: str | None
    allow_private: bool


def destination_of(row: ModelRow, servers: Mapping[str, ServerRow] = SERVERS) -> Destination:
    """Raises `ConfigError` for a server that is not known, or has no address."""
    server = _server(row, "provider", row.provider, servers)
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
_SERVER_FIELDS = ("base_url", "model", "api_key_env", "allow_private", "capabilities", "headers", "price")


def _check_fields(row: ModelRow) -> None:
    """Refuses what says nothing to this row's provider."""
    foreign = _SERVER_FIELDS if row.provider == replay.NAME else _REPLAY_FIELDS
    if given := [field for field in foreign if getattr(row, field)]:
        raise ConfigError(f"models: `{row.name}` has `{given[0]}`, which means nothing to `{row.provider}`.")


def _server(row: ModelRow, field: str, name: str, servers: Mapping[str, ServerRow]) -> ServerRow:
    server = servers.get(name)
    if server is None:
        meant = _meant(name, [*servers, replay.NAME] if field == "provider" else servers)
        raise ConfigError(f"models: `{row.name}` has the {field} `{name}`, which is not known.{meant}")
    return server


def _pricing(row: ModelRow, place: Destination) -> Pricing:
    if row.price is not None:
        return Rates(row.price)
    if place.server.is_local and row.base_url is None:
        return FREE
    # No list has a server without a name, and where no model needs the list it is not read in.
    return ListedPrice(place.base_url, row.model or row.name) if _has_name(place.base_url) else UNPRICED


def _has_name(base_url: str) -> bool:
    """Whether an address is by a name that others know, and not by a number or this machine's own."""
    host = urlsplit(base_url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost"
    return False


def _capabilities(row: ModelRow, server: ServerRow) -> tuple[str, ...]:
    """Raises `ConfigError` for a word that is not known, or promises more than the server's dialect can ask for."""
    if row.capabilities is None:
        return server.capabilities_of(row.model or row.name) if server.capabilities_of else server.capabilities
    for word in row.capabilities:
        if word not in capabilities.CAPABILITIES:
            raise ConfigError(
                f"models: `{row.name}` has the capability `{word}`, which is not one of "
                f"{', '.join(capabilities.CAPABILITIES)}.{_meant(word, capabilities.CAPABILITIES)}"
            )
        if word not in server.capabilities:
            raise ConfigError(
                f"models: `{row.name}` has the capability `{word}`, which `{row.provider}` does not have."
            )
    return tuple(word for word in server.capabilities if word in {"text", *row.capabilities})


def _recording(row: ModelRow, servers: Mapping[str, ServerRow]) -> Entry:
    """The entry of a row that plays a file."""
    if row.file is None:
        raise ConfigError(f"models: `{row.name}` needs a `file` to play.")
    server = _server(row, "dialect", row.dialect or "openai_chat", servers)
    try:
        recording = load_recording(row.file, row.ms_per_event)
    except ConfigError as exc:
        raise ConfigError(f"models: `{row.name}`: {exc.message}") from None
    provider = replay.RecordingReplay(recording, server.dialect(), 1.0 if row.speed is None else row.speed)
    info = ModelInfo(row.name, replay.NAME, row.name, ("text", "reasoning", "tools"))
    return Entry(info, provider, Silence(row.first_token_s, row.idle_s), FREE)


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:100], list(known), n=3)
    return f" Did you mean {_either([f'`{each}`' for each in close])}?" if close else ""


def _either(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last

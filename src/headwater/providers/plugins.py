"""Servers that other distributions bring, by an entry point each.

    [project.entry-points."headwater.providers"]
    acme = "acme_headwater:SERVER"

The entry point's name is what a model's `provider` says, and what it names is a `ServerRow`. A plug-in is code with
all rights of the server, so that nothing here protects against a hostile one; but one that is broken is told of and
left out, and everything else works as if it were not installed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from headwater.entry_points import find_entries
from headwater.errors import HeadwaterError
from headwater.providers import replay, simulated
from headwater.providers.capabilities import CAPABILITIES
from headwater.providers.catalog import ModelRow
from headwater.providers.contract import Dialect
from headwater.providers.egress import Egress
from headwater.providers.guarded import RAISED, Guarded
from headwater.providers.http import Auth, HttpProvider
from headwater.providers.redact import Secret
from headwater.providers.servers import SERVERS, ServerRow

GROUP: Final = "headwater.providers"
#: What is asked of a dialect where a row names no address of its own: none is called.
_NOWHERE: Final = "https://provider.invalid"
#: What answers go on without us by is not part of a plug-in's contract.
_PROMISES: Final = frozenset(CAPABILITIES) - {"background"}
_KEY: Final = "a-key-that-opens-nothing"


class Entry(Protocol):
    """What `importlib.metadata.EntryPoint` is, as far as it is looked at."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    def load(self) -> Any: ...


class Plugins(NamedTuple):
    """The servers that plug-ins bring, and for each plug-in that can not be used a sentence that says why."""

    servers: Mapping[str, ServerRow] = {}
    faults: Mapping[str, str] = {}

    @property
    def all_servers(self) -> Mapping[str, ServerRow]:
        """Our own rows and theirs."""
        return {**SERVERS, **self.servers}


class _Unusable(Exception):
    """Why a plug-in can not be used, as the end of a sentence."""


def installed_plugins() -> Plugins:
    """The plug-ins of this environment. Imports them."""
    return load_plugins(*find_entries(GROUP))


def without_faulty(rows: Iterable[ModelRow], plugins: Plugins) -> tuple[list[ModelRow], list[str]]:
    """The rows whose plug-in, if they have one, can be used; and a sentence for each of the others."""
    usable: list[ModelRow] = []
    sentences: list[str] = []
    for row in rows:
        faulty = [name for name in (row.provider, row.dialect) if name in plugins.faults]
        if faulty:
            sentences.append(f"The model `{row.name}` can not be called: its plug-in `{faulty[0]}` is disabled.")
        else:
            usable.append(row)
    return usable, sentences


def load_plugins(entries: Iterable[Entry], unread: Mapping[str, str] | None = None) -> Plugins:
    """What these entry points bring. Never raises for what is wrong with one of them.

    `unread` are those that could not even be read, with why, as the end of a sentence.
    """
    by_name: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry)
    taken = {*SERVERS, replay.NAME, simulated.NAME}
    servers: dict[str, ServerRow] = {}
    faults: dict[str, str] = {}
    for name, same in by_name.items():
        try:
            servers[name] = _row(same, taken)
        except _Unusable as error:
            faults[name] = f"The plug-in `{name}` ({same[0].value}) is disabled: {error}."
    faults.update((name, f"The plug-in `{name}` is disabled: {why}.") for name, why in (unread or {}).items())
    return Plugins(servers, faults)


def _row(same: list[Entry], taken: Collection[str]) -> ServerRow:
    """The row of the entry points with one name, which should be one."""
    entry = same[0]
    if len(same) > 1:
        # Which of them was meant can not be known, and with it not where a key goes.
        raise _Unusable(f"{len(same)} plug-ins have this name, {' and '.join(each.value for each in same[1:])} too")
    if entry.name in taken:
        raise _Unusable("a provider of Headwater's own has this name")
    try:
        row = entry.load()
    except RAISED as error:
        raise _Unusable(f"it can not be imported ({_words(error)})") from None
    if not isinstance(row, ServerRow):
        raise _Unusable(f"it names a `{type(row).__name__}` in place of a `ServerRow`")
    dialect = _dialect(row)
    if foreign := sorted({*row.capabilities} - _PROMISES):
        raise _Unusable(f"it promises `{foreign[0]}`; a plug-in can promise {', '.join(sorted(_PROMISES))}")
    try:
        # Nothing is called: what a provider can not be made of is heard of now, not at a model's row.
        guarded = Guarded(dialect, entry.name)
        HttpProvider(entry.name, guarded, base_url=row.base_url or _NOWHERE, egress=Egress(row.is_local))
        Auth(Secret(_KEY), row.api_key_env, row.auth_header, row.auth_prefix).headers()
    except HeadwaterError as error:
        raise _Unusable(error.message.rstrip(".")) from None
    except RAISED as error:
        raise _Unusable(f"its row can not be used ({_words(error)})") from None
    of_model = None if row.capabilities_of is None else partial(_capabilities_of, row, row.capabilities_of)
    # What was looked at is what is used: another one might not be made.
    return msgspec.structs.replace(row, dialect=lambda: guarded, capabilities_of=of_model, kind_of=None)


def _capabilities_of(row: ServerRow, of_model: Callable[[str], tuple[str, ...]], model: str) -> tuple[str, ...]:
    """What the plug-in promises of a model; where it can not say, what it promises of all."""
    try:
        return tuple(word for word in of_model(model) if word in _PROMISES)
    except RAISED:
        return row.capabilities


def _dialect(row: ServerRow) -> Dialect:
    """A dialect of this row, looked at from outside."""
    # Whatever it is: what another distribution brings has passed no type check of ours.
    made: Any
    try:
        made = row.dialect()
        missing = [each for each in ("request", "decoder", "error") if not callable(getattr(made, each, None))]
        named = isinstance(made.name, str) and made.name and made.framing
    except RAISED as error:
        raise _Unusable(f"its dialect can not be made ({_words(error)})") from None
    if missing:
        raise _Unusable(f"its dialect has no `{missing[0]}`")
    if not named:
        raise _Unusable("its dialect has no `name` or no `framing`")
    checked: Dialect = made
    return checked


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]

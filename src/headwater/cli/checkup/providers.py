"""The providers: whether each server answers, takes its key and lists its models; if asked, whether each answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, NamedTuple, cast

import aiohttp
import msgspec

from headwater.cli.checkup.finding import Findings
from headwater.cli.checkup.lookup import look_up
from headwater.domain.message import GenerationRequest, Message, Settings
from headwater.errors import ErrorCode, HeadwaterError, ProviderError, RefusedError
from headwater.providers.catalog import Catalog, Destination, ModelRow, auth_of, destination_of
from headwater.providers.contract import Finish, Provider
from headwater.providers.egress import Egress, EgressRefused
from headwater.providers.replay import NAME as REPLAY
from headwater.providers.servers import SERVERS, ServerRow

#: How long a server may take to list its models. All are asked at once, so that it is also how long all of it takes.
PROBE_S: Final = 5.0
#: How long a model may take until it is connected to, and to answer.
CONNECT_S: Final = 10.0
CALL_S: Final = 60.0
#: The answer that a model is asked for. Some refuse to stop so soon, which is an answer too.
_TOKENS: Final = 16
#: A longer list of models is not read.
_LIST_BYTES_MAX: Final = 8 << 20
#: Of a request, what is said about its body.
_OF_A_BODY: Final = frozenset({"content-type", "accept"})

#: What to do about a call that failed, by the error's code.
_ADVICE: Final[Mapping[ErrorCode, str]] = {
    ErrorCode.NETWORK: "Is the address right, the server up, and may this machine call out?",
    ErrorCode.TIMEOUT: "Try again later, or give the model longer limits.",
    ErrorCode.RATE_LIMIT: "Try again later, or ask the provider for a higher limit.",
    ErrorCode.OVERLOADED: "Try again later; a `fallback` to another model would help meanwhile.",
    ErrorCode.BUDGET: "Look at the account's credit and limits at the provider.",
    ErrorCode.BAD_REQUEST: "Is `model` what the provider calls it?",
    ErrorCode.UNSUPPORTED: "Is `model` what the provider calls it, and may this key use it?",
    ErrorCode.TRUNCATED: "Is there a proxy in between that cuts or buffers answers?",
    ErrorCode.PARSE: "Does the server speak what `provider` says that it does?",
    ErrorCode.SERVER: "Try again later.",
}


class _Listed(NamedTuple):
    """What a server says that it has."""

    names: frozenset[str]
    #: whether that is all of it
    is_whole: bool


async def check_servers(
    rows: Sequence[ModelRow], environ: Mapping[str, str], servers: Mapping[str, ServerRow] = SERVERS
) -> Findings:
    """Asks each model's server for its list of models, with the model's key: over the network, at no cost."""
    by_place: dict[tuple[str, str | None, str | None], list[ModelRow]] = {}
    for row in rows:
        if row.provider != REPLAY:
            place = destination_of(row, servers)
            by_place.setdefault((place.base_url, place.key_env, place.server.models_path), []).append(row)
    all_of = Findings("providers")
    for found in await asyncio.gather(*(_check_server(those, environ, servers) for those in by_place.values())):
        all_of += found
    return all_of


def not_asked(rows: Sequence[ModelRow]) -> Findings:
    """What is said in place of `check_servers` where nobody is to be asked."""
    found = Findings("providers")
    if any(row.provider != REPLAY for row in rows):
        found.note("None was asked, as --offline has it: whether they answer and take their keys is not known.")
    return found


async def check_calls(
    rows: Sequence[ModelRow], environ: Mapping[str, str], servers: Mapping[str, ServerRow] = SERVERS
) -> Findings:
    """Has each model answer a word or two, as a run would be answered. That may cost something."""
    found = Findings("calls")
    catalog = Catalog.from_rows(rows, environ, servers=servers)
    try:
        for row in rows:
            if row.provider != REPLAY:
                await _call(row, *catalog.resolve(row.name), found)
    finally:
        await catalog.close()
    return found


async def _check_server(
    rows: Sequence[ModelRow], environ: Mapping[str, str], servers: Mapping[str, ServerRow]
) -> Findings:
    """Of one server, with the key of these rows: whether it answers, and lists them."""
    found = Findings("providers")
    place = destination_of(rows[0], servers)
    where, path = place.base_url.rstrip("/"), place.server.models_path
    headers: dict[str, str] = {}
    if path is not None:
        # Where there is no list to be had, the key would be shown for nothing.
        try:
            headers = {**rows[0].headers, **_headers(place.server, rows[0]), **auth_of(place, environ).headers()}
        except RefusedError as error:
            found.problem(
                f"`{rows[0].name}` can be asked nothing: {error.message}", "Correct `model` in the row, or the plug-in."
            )
            return found
    try:
        status, listed = await _ask(where + (path or ""), headers, allow_private=place.allow_private)
    except TimeoutError:
        advice = "Is the server up, and may this machine call out?"
        found.problem(f"{where} did not answer within {PROBE_S:g} s.", advice)
        return found
    except (aiohttp.ClientError, OSError) as error:
        found.problem(f"{where} can not be reached: {getattr(error, 'os_error', error)}.", _advice_on(error))
        return found
    if path is None:
        found.note(
            f"{where} is there ({status}), and has no list of models: whether it takes the key was not tried.",
            "Try its models with --call, which may cost something.",
        )
        return found
    _tell(place, status, listed, found)
    for row in rows:
        if listed is not None and listed.is_whole and not _has(listed.names, row.model or row.name):
            found.warning(
                f"`{row.name}`: the server does not list a model `{row.model or row.name}`.",
                "Correct `model` in the row, unless it is another name for one that is listed.",
            )
    return found


async def _ask(url: str, headers: Mapping[str, str], *, allow_private: bool) -> tuple[int, _Listed | None]:
    """The status, and what is listed. Raises `TimeoutError`, `aiohttp.ClientError` and `OSError`."""
    async with (
        aiohttp.ClientSession(
            connector=Egress(allow_private, look_up).connector(1),
            timeout=aiohttp.ClientTimeout(total=PROBE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        ) as session,
        session.get(url, headers=headers, allow_redirects=False) as response,
    ):
        return response.status, await _listed(response) if response.status == 200 else None


def _advice_on(error: Exception) -> str:
    """What to do about a server that could not be reached."""
    match getattr(error, "os_error", error):
        case EgressRefused():
            return "Allow it only where the name is meant to lead there."
        case aiohttp.ClientConnectorCertificateError():
            return "Give this machine the certificate's authority (SSL_CERT_FILE), or look who answers in its place."
        case socket.gaierror():
            return "Is the host's name right in base_url, and can this machine look up names?"
        case ConnectionRefusedError():
            return "Start the server, or correct the port in base_url."
    return "Is the address right, the server up, and may this machine call out?"


def _tell(place: Destination, status: int, listed: _Listed | None, found: Findings) -> None:
    """What a server's answer to the question for its models says."""
    where = place.base_url.rstrip("/")
    if status in (401, 403):
        found.problem(
            f"{where} answers, but does not take the key ({status}).",
            f"Look at what {place.key_env} holds." if place.key_env else "Name the key's variable in api_key_env.",
        )
    elif 300 <= status < 400:
        found.problem(f"{where} redirects ({status}), which is never followed.", "Set base_url to where it is.")
    elif status >= 500:
        found.warning(f"{where} answers {status}: it has a trouble of its own.", "Try again later.")
    elif status == 429:
        found.warning(
            f"{where} answers, but wants no more calls for now ({status}).",
            "Look at the account's credit and limits at the provider, or try again later.",
        )
    elif listed is None:
        found.note(
            f"{where} answers ({status}), but with no list of models that can be read.",
            "Is base_url right, its path (/v1) included? Try its models with --call.",
        )
    else:
        found.ok(f"{where} answers ({status}).")


def _headers(server: ServerRow, row: ModelRow) -> dict[str, str]:
    """What the dialect sends with each request, such as the version of the API that it speaks. Raises `RefusedError`
    where a plug-in makes none.
    """
    asked = GenerationRequest(row.model or row.name, [Message("user", "Hello")])
    sent = server.dialect().request(asked).headers
    return {name: value for name, value in sent.items() if name.lower() not in _OF_A_BODY}


async def _listed(response: aiohttp.ClientResponse) -> _Listed | None:
    """The names in a list of models, as OpenAI, Anthropic or Gemini form it; None for anything else."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LIST_BYTES_MAX:
            return None
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    names = frozenset(_names(answer))
    return _Listed(names, not answer.get("has_more") and not answer.get("nextPageToken")) if names else None


def _names(answer: Mapping[str, Any]) -> Iterator[str]:
    for key, name in (("data", "id"), ("models", "name")):
        rows = answer.get(key)
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and isinstance(row.get(name), str):
                yield row[name].removeprefix("models/")


def _has(names: frozenset[str], model: str) -> bool:
    """Whether a model is listed, if only with a date or a tag behind its name."""
    return any(name == model or name.startswith((f"{model}-", f"{model}:")) for name in names)


async def _call(row: ModelRow, provider: Provider, model: str, found: Findings) -> None:
    loop = asyncio.get_running_loop()
    request = GenerationRequest(model, [Message("user", "Say hi.")], Settings(max_tokens=_TOKENS))
    began, first_s = loop.time(), None
    try:
        async with asyncio.timeout(CALL_S):
            # The contract promises less than what it is: a generator, which lets go of its socket when it is closed.
            stream = cast("Any", provider.stream(request, connect_s=CONNECT_S))
            async with aclosing(stream) as batches:
                async for items in batches:
                    if first_s is None and any(not isinstance(item, Finish) for item in items):
                        first_s = loop.time() - began
    except TimeoutError:
        found.problem(f"`{row.name}` did not answer within {CALL_S:g} s.", _ADVICE[ErrorCode.TIMEOUT])
    except HeadwaterError as error:
        detail = f" ({' '.join(error.detail.split())})" if isinstance(error, ProviderError) and error.detail else ""
        advice = _ADVICE.get(error.code, "")
        if error.code is ErrorCode.AUTH:
            advice = f"Look at what {row.api_key_env or 'the variable of its key'} holds."
        elif error.code is ErrorCode.SERVER and not error.retryable:
            # a redirect, or a plug-in's fault: what was found says what to do
            advice = ""
        found.problem(f"`{row.name}` does not answer: {error.code}: {error.message}{detail}", advice)
    else:
        found.ok(f"`{row.name}` answers" + (f", its first word after {first_s:.1f} s." if first_s else "."))

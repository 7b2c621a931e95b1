"""The route table's rows: a resource, its operations, and what each may be asked.

An operation says which query parameters it knows and what its body is (`bytes`: any). The dispatcher
refuses all else before the handler runs, and the OpenAPI document is made from the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.routing import Route

from headwater.api.answer import Asgi, Receive, Scope, Send
from headwater.api.body import Disconnected, decode_body, read_body
from headwater.api.faces import refuse_for
from headwater.api.key_access import CHALLENGE, admitted, owner_by_key
from headwater.api.owner import owner_in
from headwater.api.services import Services
from headwater.domain.run import Owner
from headwater.errors import (
    AuthError,
    BadRequestError,
    CursorTrimmedError,
    ErrorCode,
    HeadwaterError,
    LogTrimmed,
    MethodError,
    UnavailableError,
)
from headwater.telemetry import frames

QUERY_PARAMETERS_MAX = 64
#: How large the body of an operation may be that needs no key: anybody may send one, and a key is all that it holds.
OPEN_BODY_BYTES_MAX = 4096

_ENCODED = re.compile("%(25|2[Ff])")

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a change that takes none: nothing at all, or `{}`."""


class Parameter(NamedTuple, Generic[T]):
    """A query parameter. `parse` raises ValueError with a sentence that says what is expected.

    One that may come more than once has a tuple of what was parsed, in the order of the query.
    """

    name: str
    parse: Callable[[str], T]
    schema: Mapping[str, object]
    about: str
    repeated: bool = False
    required: bool = False


class Reply(NamedTuple):
    """One kind of success, for the OpenAPI document: a struct as JSON, or other media types by name."""

    status: int
    about: str
    json: Any = None
    media: Sequence[str] = ()


class Call:
    """One request as a handler sees it: what was asked is parsed and checked, who asks is known."""

    __slots__ = ("body", "key_owner", "owner", "path", "query", "scope", "services")

    def __init__(self, scope: Scope, services: Services, query: dict[str, Any], body: Any) -> None:
        self.scope = scope
        self.services = services
        self.path = {name: decode_segment(text) for name, text in scope.get("path_params", {}).items()}
        self.query = query
        self.body = body
        #: whose key it is; None where no key is asked for
        self.key_owner = owner_by_key(scope)
        self.owner: Owner = owner_in(scope["headers"], self.key_owner)

    def header(self, name: str) -> str | None:
        """The header's value, joined with a comma where it was sent more than once."""
        key = name.lower().encode("latin-1")
        values = [value.decode("latin-1").strip() for each, value in self.scope["headers"] if each == key]
        return ", ".join(values) if values else None


Handler = Callable[[Call], Awaitable[Asgi]]


class Operation(NamedTuple):
    """What one method does with a resource. `takes` is the body's struct for methods that have one."""

    method: str
    handler: Handler
    about: str
    replies: Sequence[Reply]
    query: Sequence[Parameter[Any]] = ()
    headers: Sequence[Parameter[Any]] = ()
    takes: Any = None
    #: whether HEAD is answered as GET without its body; never for answers that may not end
    head: bool = True
    #: whether a body that it takes may be left out
    body_optional: bool = False
    #: whether query parameters that it does not know are passed over, as another protocol asks for
    lenient: bool = False
    #: whether it is for who shows a key only, on a server that asks for keys
    needs_key: bool = True


class Resource:
    """An ASGI application for one path: finds the operation, checks what is asked, turns errors into problems."""

    def __init__(self, path: str, *operations: Operation, with_slashes: Sequence[str] = ()) -> None:
        """`with_slashes` are the path's parameters that may hold slashes."""
        self.path = path
        self._with_slashes = with_slashes
        self._refusal = refuse_for(path)
        self.operations = {operation.method: operation for operation in operations}
        self._parameters = {each.method: {p.name: p for p in each.query} for each in operations}
        self._decoders = {each.method: msgspec.json.Decoder(each.takes or Empty) for each in operations}
        if "GET" in self.operations and self.operations["GET"].head:
            self._by_method = {**self.operations, "HEAD": self.operations["GET"]}
        else:
            self._by_method = self.operations
        self._allow = ", ".join(sorted(self._by_method)).encode("latin-1")

    def route(self, services: Services) -> Route:
        pattern = self.path
        for name in self._with_slashes:
            pattern = pattern.replace(f"{{{name}}}", f"{{{name}:path}}")
        return Route(pattern, _Endpoint(self, services), name=self.path)

    async def answer(self, scope: Scope, receive: Receive, services: Services) -> Asgi:
        """The answer of the handler. Raises what the handler raises."""
        operation = self._by_method.get(scope["method"])
        if operation is None:
            raise MethodError(f"This resource takes {self._allow.decode()}.")
        method = operation.method
        query = parse_query(scope["query_string"], self._parameters[method], lenient=operation.lenient)
        body: object = None
        if method != "GET":
            bytes_max = services.body_bytes_max
            if not operation.needs_key:
                bytes_max = min(bytes_max, OPEN_BODY_BYTES_MAX)
            raw = await read_body(receive, length=_content_length(scope), bytes_max=bytes_max)
            if operation.takes is bytes:
                body = raw
            elif raw or not (operation.takes is None or operation.body_optional):
                body = decode_body(raw, self._decoders[method])
        call = Call(scope, services, query, body)
        return await operation.handler(call)

    async def serve(self, scope: Scope, receive: Receive, send: Send, services: Services) -> None:
        """Raises RuntimeError where an answer broke off after it had begun; the server then ends the connection."""
        answer: Asgi | None = None
        try:
            with admitted(scope, services.keys if self._needs_key(scope["method"]) else None):
                answer = await self.answer(scope, receive, services)
                await answer(scope, receive, send)
        except Disconnected:
            return
        except MethodError as error:
            await self._refusal(error, headers=[(b"allow", self._allow)])(scope, receive, send)
        except HeadwaterError as error:
            await self._refuse(error, scope, receive, send)
        except Exception as error:
            _log.error("unforeseen error in an answer", error=type(error).__name__, where=frames(error))
            if answer is not None:
                raise RuntimeError("an answer broke off") from None
            await self._refusal(UnavailableError(code=ErrorCode.SERVER))(scope, receive, send)

    def _needs_key(self, method: str) -> bool:
        operation = self._by_method.get(method)
        return operation is None or operation.needs_key

    async def _refuse(self, error: HeadwaterError, scope: Scope, receive: Receive, send: Send) -> None:
        headers = []
        if error.code is ErrorCode.TOO_LARGE:
            # The rest of the body is not waited for.
            headers.append((b"connection", b"close"))
        if isinstance(error, AuthError):
            headers.append(CHALLENGE)
        if isinstance(error, CursorTrimmedError | LogTrimmed) and "run" in scope.get("path_params", {}):
            refusal = CursorTrimmedError(
                "The records that follow this cursor are gone; the snapshot holds what they did.",
                snapshot=f"/api/v1/runs/{scope['path_params']['run']}",
            )
            await self._refusal(refusal)(scope, receive, send)
            return
        await self._refusal(error, headers=headers)(scope, receive, send)


class _Endpoint:
    """A resource joined to its services; an object and not a function, so that Starlette takes it as raw ASGI."""

    def __init__(self, resource: Resource, services: Services) -> None:
        self._resource = resource
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._resource.serve(scope, receive, send, self._services)


def decode_segment(text: str) -> str:
    """A parameter of a path, in which the guard left slashes and percent signs encoded."""
    return _ENCODED.sub(lambda found: "%" if found[1] == "25" else "/", text) if "%" in text else text


def _content_length(scope: Scope) -> int | None:
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if values and values[0].isdigit() else None


def parse_query(raw: bytes, known: Mapping[str, Parameter[Any]], *, lenient: bool = False) -> dict[str, Any]:
    """The parameters by name. Raises `BadRequestError` for one that is not known, comes twice, or does not parse.

    With `lenient` those that are not known are passed over.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=QUERY_PARAMETERS_MAX,
        )
    except ValueError:
        raise BadRequestError("The query can not be read.") from None
    values: dict[str, Any] = {}
    for name, text in pairs:
        parameter = known.get(name)
        if parameter is None and lenient:
            continue
        if parameter is None:
            expected = f"It takes {', '.join(known)}." if known else "It takes none."
            raise BadRequestError(f"There is no query parameter of that name here. {expected}", parameter=name[:100])
        if name in values and not parameter.repeated:
            raise BadRequestError("This query parameter was given more than once.", parameter=name)
        try:
            value = parameter.parse(text)
        except ValueError as error:
            raise BadRequestError(f"Expected {error}.", parameter=name) from None
        values[name] = (*values.get(name, ()), value) if parameter.repeated else value
    for parameter in known.values():
        if parameter.required and parameter.name not in values:
            raise BadRequestError("This query parameter has to be given.", parameter=parameter.name)
    return values

"""The house rules as functions: each takes one source file and yields what is wrong with it, as `line: words`.

They read syntax trees, so that a rule never trips over a string or a comment. `test_tidy.py` holds the whole project
to them, and holds each of them to samples that it must and must not find fault with.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import packages_distributions
from pathlib import PurePosixPath
from sys import stdlib_module_names
from typing import Final

PACKAGE: Final = "headwater"
FILE_LINES_MAX: Final = 500
FUNCTION_LINES_MAX: Final = 70
NAMELESS: Final = frozenset({"utils", "util", "helpers", "helper", "common", "misc"})

# From the top down; a room imports from rungs below its own, and from its own where the rung does not keep apart.
LADDER: Final = (
    ("cli",),
    ("app", "settings"),
    ("api",),
    ("runs", "admission", "delivery"),
    ("workflows",),
    ("local",),
    ("storage", "providers"),
    ("domain",),
    ("wire",),
    ("errors", "clock", "telemetry", "metrics", "tasks", "entry_points"),
)
APART: Final = frozenset({"runs", "admission", "delivery", "storage", "providers"})
HEIGHT: Final = {room: len(LADDER) - depth for depth, rung in enumerate(LADDER) for room in rung}
# Rooms beside the ladder, with all that they may import. `testing` also has every room's contract.
BESIDE: Final = {
    "client": frozenset({"wire", "domain", "errors"}),
    "testing": frozenset({"wire", "domain", "errors", "clock", "telemetry", "tasks"}),
    "__init__": frozenset[str](),
    "__main__": frozenset({"cli"}),
}
# Rooms that only these may import, whatever the ladder says.
ONLY_FOR: Final = {
    "settings": frozenset({"app", "cli"}),
    "client": frozenset({"cli"}),
    "testing": frozenset[str](),
}

TASK_MAKERS: Final = frozenset(
    {"create_task", "ensure_future", "TaskGroup", "create_task_group", "gather", "run_coroutine_threadsafe"}
)
MAY_MAKE_TASKS: Final = {
    "runs/supervisor.py": "it owns every task of the server",
    "runs/recovery.py": "ends runs side by side, before anything else has begun",
    "cli/checkup/providers.py": "asks every provider at once, in a process of its own; the server never runs it",
    "client/blocking.py": "its loop is its own, in a thread of the caller's process; the server never runs it",
    "cli/measuring/load.py": "many readers in a process of its own, beside the server that they measure",
    "testing/": "the kits play concurrent callers; they never run in the server",
}
LOOP_STARTERS: Final = frozenset({"run", "Runner"})
MAY_START_LOOPS: Final = frozenset({"app", "cli"})

ADDRESS: Final = re.compile(
    r"(?<![\w.~}])/(?:work|root|home/[\w.-]+|Users/[\w.-]+|tmp/[\w.-]+)/"  # a machine's own path
    r"|pypi\.org|pythonhosted\.org|npmjs\.org|yarnpkg\.com|deb\.debian\.org|proxy\.golang\.org"  # a registry's host
)

# A module that has no test file of its own, by its name or by its path below the package, and why.
UNMIRRORED_NAMES: Final = {
    "__init__.py": "names only",
    "__main__.py": "one call",
    "contract.py": "words and types; the kits of headwater.testing hold every implementation to them",
}


@dataclass(frozen=True)
class Source:
    """A Python file: its path from the project's root, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def comments(self) -> dict[int, str]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}

    @property
    def in_package(self) -> str | None:
        """The path below `src/headwater`, or None for a file that is not in the package."""
        prefix = f"src/{PACKAGE}/"
        return self.path.removeprefix(prefix) if self.path.startswith(prefix) else None

    @property
    def room(self) -> str | None:
        """The package's folder, or file at its top, that this file belongs to."""
        return None if self.in_package is None else self.in_package.split("/")[0].removesuffix(".py")


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Every import as (line, dotted target), relative ones resolved, `from a import b` as `a.b`."""
    package = PurePosixPath(source.path.removeprefix("src/")).parent.parts
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def ladder(source: Source) -> Iterator[str]:
    """Imports go down the ladder only."""
    room = source.room
    if room is None:
        return
    if room not in HEIGHT and room not in BESIDE:
        yield f"1: {room} has no place in the ladder"
        return
    for line, target in imports(source):
        parts = target.split(".")
        if parts[0] != PACKAGE or len(parts) == 1 or parts[1] in (room, "__version__"):
            continue
        if not may_import(room, parts[1], contract=parts[2:3] == ["contract"]):
            yield f"{line}: {room} may not import {target}"


def may_import(room: str, other: str, *, contract: bool) -> bool:
    if other in ONLY_FOR:
        return room in ONLY_FOR[other]
    if room in BESIDE:
        return other in BESIDE[room] or (room == "testing" and contract)
    if other not in HEIGHT:
        return False
    if HEIGHT[other] == HEIGHT[room]:
        return other not in APART
    return HEIGHT[other] < HEIGHT[room]


def undeclared(source: Source, declared: frozenset[str]) -> Iterator[str]:
    """The package imports only distributions that it declares itself, never one that another happens to bring."""
    if source.in_package is None:
        return
    owners = installed()
    for line, target in imports(source):
        top = target.split(".")[0]
        if top == PACKAGE or top in stdlib_module_names:
            continue
        if not declared & {normal(owner) for owner in owners.get(top, ())}:
            yield f"{line}: {top} is in no dependency of pyproject.toml"


@cache
def installed() -> Mapping[str, list[str]]:
    """Which distributions each importable name comes from; reading them all takes a while."""
    return packages_distributions()


def normal(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it, without extras, version or marker."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s;<>=!~\[]", distribution, maxsplit=1)[0]).lower()


def sizes(source: Source) -> Iterator[str]:
    """Files and functions stay small enough to be read at once."""
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{FILE_LINES_MAX}: {lines} lines are more than {FILE_LINES_MAX}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {length} lines, more than {FUNCTION_LINES_MAX}"


def names(source: Source) -> Iterator[str]:
    """A file is named after its noun."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part in NAMELESS:
            yield f"1: {part} says nothing about what is in it"


def tasks(source: Source) -> Iterator[str]:
    """Tasks are made by the supervisor, and event loops by the command line."""
    inside = source.in_package
    if inside is None:
        return
    if not any(inside == allowed or (allowed[-1] == "/" and inside.startswith(allowed)) for allowed in MAY_MAKE_TASKS):
        for node in ast.walk(source.tree):
            match node:
                case ast.Attribute(attr=name) | ast.Name(id=name) | ast.alias(name=name) if name in TASK_MAKERS:
                    yield f"{node.lineno}: {name} outside runs/supervisor.py; take a Spawn"
    if source.room not in MAY_START_LOOPS:
        for node in ast.walk(source.tree):
            match node:
                case ast.Attribute(value=ast.Name(id="asyncio"), attr=name) if name in LOOP_STARTERS:
                    yield f"{node.lineno}: asyncio.{name} outside app and cli"
                case ast.ImportFrom(module="asyncio") if LOOP_STARTERS & {alias.name for alias in node.names}:
                    yield f"{node.lineno}: a loop's starter is imported outside app and cli"


def prints(source: Source) -> Iterator[str]:
    """The server speaks through its log; only the command line prints."""
    if source.room is None or source.room == "cli":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{node.lineno}: print outside the command line"


def sleeps(source: Source) -> Iterator[str]:
    """A test waits for what it waits for; one that paces a peer on purpose says so: `# paces: why`."""
    if not source.path.startswith("tests/"):
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.ImportFrom(module="time" | "asyncio") if any(alias.name == "sleep" for alias in node.names):
                yield f"{node.lineno}: import the module, so that a sleep is seen for what it is"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time" | "asyncio"), attr="sleep")):
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                if not any(re.match(r"#\s*paces:\s*\w", source.comments.get(line, "")) for line in lines):
                    yield f"{node.lineno}: a sleep without `# paces: why`"


def ignores(source: Source) -> Iterator[str]:
    """What a checker is told to overlook is named."""
    for line, comment in source.comments.items():
        if re.search(r"type:\s*ignore(?!\[[\w, -]+\])", comment):
            yield f"{line}: `type: ignore` without a code"
        if re.search(r"\bnoqa\b(?!:\s*[A-Z]+\d)", comment):
            yield f"{line}: `noqa` without a code"


def skips(source: Source) -> Iterator[str]:
    """A test that is left out, or may fail, says why."""
    called: set[ast.expr] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            called.add(node.func)
            kind = skip_kind(node.func)
            reason = next((keyword.value for keyword in node.keywords if keyword.arg == "reason"), None)
            if kind in ("pytest.skip", "pytest.xfail", "mark.skip") and node.args:
                reason = node.args[0]
            if kind and (reason is None or (isinstance(reason, ast.Constant) and not reason.value)):
                yield f"{node.lineno}: {kind} without a reason"
        elif isinstance(node, ast.Attribute) and node not in called and skip_kind(node):
            yield f"{node.lineno}: {skip_kind(node)} without a reason"


def skip_kind(function: ast.expr) -> str | None:
    match function:
        case ast.Attribute(value=ast.Name(id="pytest"), attr="skip" | "xfail" | "importorskip" as name):
            return f"pytest.{name}"
        case ast.Attribute(value=ast.Attribute(attr="mark"), attr="skip" | "skipif" | "xfail" as name):
            return f"mark.{name}"
    return None


def addresses(path: str, text: str) -> Iterator[str]:
    """Nothing names a machine's paths or a registry's host: those are the business of whoever installs."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := ADDRESS.search(line):
            yield f"{path}:{number}: {found.group()}"


def unmirrored(modules: Iterable[str], tests: Iterable[str], exceptions: dict[str, str]) -> Iterator[str]:
    """Each module has its own test file: `wire/sse.py` has `wire/test_sse.py`, or parts like `test_sse_limits.py`.

    `modules` are paths below the package and `tests` below `tests`. An exception that has become needless is a fault.
    """
    modules, tests = set(modules), set(tests)
    for module in sorted(modules):
        path = PurePosixPath(module)
        own = re.compile(re.escape(str(path.with_name(f"test_{path.stem}"))) + r"(_\w+)?\.py")
        mirrored = any(own.fullmatch(test) for test in tests)
        if path.name in UNMIRRORED_NAMES:
            continue
        if module in exceptions and mirrored:
            yield f"{module} has a test file and needs no exception"
        if module not in exceptions and not mirrored:
            yield f"{module} has no {path.with_name(f'test_{path.stem}.py')}"
    yield from (f"{module} is excepted but not there" for module in sorted(exceptions.keys() - modules))

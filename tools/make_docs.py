"""Writes the parts of docs/ that are made from the code: tables and diagrams between two marks.

    <!-- generated: run-states -->
    …
    <!-- end -->

python tools/make_docs.py           writes them
python tools/make_docs.py --check   ends with 1 where a file is not what would be written
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from headwater.api import anthropic_parameters, responses_parameters
from headwater.api.openai_parameters import PARAMETERS, Parameter
from headwater.domain.run import state_diagram
from headwater.errors import CODES
from headwater.providers import anthropic, gemini
from headwater.providers.anthropic_models import Traits, traits_of
from headwater.providers.breaker import breaker_diagram
from headwater.providers.contract import Dialect
from headwater.providers.openai_chat import FAILURES, FINISH_REASONS, OpenAIChat, Quirks
from headwater.providers.openai_responses import OpenAIResponses, ResponsesQuirks
from headwater.providers.provider_error import CODE_BY_STATUS, CODE_BY_WORD
from headwater.providers.retry import CONSEQUENCES
from headwater.providers.servers import SERVERS, ServerRow

#: One of each generation and line.
CLAUDES: Final = (
    "claude-3-5-haiku",
    "claude-3-7-sonnet",
    "claude-sonnet-4",
    "claude-opus-4-1",
    "claude-haiku-4-5",
    "claude-sonnet-4-5",
    "claude-opus-4-5",
    "claude-sonnet-4-6",
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5-5",
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-mythos-preview",
    "claude-fable-5",
    "claude-fable-5-1",
)

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def run_states() -> str:
    return f"```mermaid\n{state_diagram()}```\n"


def error_codes() -> str:
    rows = [
        [f"`{code}`", str(row.status), "yes" if row.retryable else "no", row.title]
        for code, row in sorted(CODES.items())
    ]
    return table(["code", "status", "retryable", "title"], rows)


def servers() -> str:
    head = ["`provider`", "dialect", "base URL", "key", "asks and takes otherwise than the dialect's own server"]
    return table(head, [_server(name, row) for name, row in SERVERS.items()])


def _server(name: str, row: ServerRow) -> list[str]:
    dialect = row.dialect()
    return [
        f"`{name}`",
        f"`{dialect.name}`",
        f"`{row.base_url}`" if row.base_url else "the model's `base_url`",
        f"`{row.api_key_env}`" if row.api_key_env else "—",
        ", ".join(_otherwise(dialect)) or "—",
    ]


def _otherwise(dialect: Dialect) -> list[str]:
    if isinstance(dialect, OpenAIChat):
        return _quirks(dialect.quirks)
    return _responses_quirks(dialect.quirks) if isinstance(dialect, OpenAIResponses) else []


def _quirks(quirks: Quirks) -> list[str]:
    others = {
        f"`{quirks.max_tokens_field}`": quirks.max_tokens_field != "max_completion_tokens",
        f"`{quirks.seed_field}`": quirks.seed_field != "seed",
        "usage comes unasked": not quirks.stream_options,
        "`developer` is sent as `system`": not quirks.developer_role,
        "no JSON schema": not quirks.json_schema,
        "text only": not quirks.content_parts,
    }
    return [other for other, holds in others.items() if holds]


def _responses_quirks(quirks: ResponsesQuirks) -> list[str]:
    others = {
        "`developer` is sent as `system`": not quirks.developer_role,
        "no JSON schema": not quirks.json_schema,
        "no images": not quirks.images,
        "no log probabilities": not quirks.logprobs,
        "no verbosity": not quirks.verbosity,
        "no encrypted reasoning": not quirks.encrypted_reasoning,
        "no background": not quirks.background,
        "`stop`, `seed`, penalties and `response_format` as in Chat Completions": quirks.chat_settings,
        "at the limit of tokens it ends as `length`": not quirks.tells_incomplete,
    }
    return [other for other, holds in others.items() if holds]


def _by_value(words: Mapping[str, object]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for word, value in words.items():
        found.setdefault(f"`{value}`", []).append(f"`{word}`")
    return [[value, ", ".join(them)] for value, them in found.items()]


def finish_reasons() -> str:
    return table(["ours", "theirs"], _by_value(FINISH_REASONS)) + "\n" + table(["error", "theirs"], _by_value(FAILURES))


def messages_finish_reasons() -> str:
    return table(["ours", "theirs"], _by_value(anthropic.FINISH_REASONS))


def gemini_finish_reasons() -> str:
    reasons = table(["ours", "theirs"], _by_value(gemini.FINISH_REASONS))
    return reasons + "\n" + table(["error", "theirs"], _by_value(gemini.FAILURES))


def claude() -> str:
    head = [
        "models",
        "reasoning",
        "`reasoning_effort: none`",
        "`effort`",
        "`temperature`",
        "goes on",
        "schema",
        "forced",
    ]
    kinds: dict[Traits, list[str]] = {}
    for model in CLAUDES:
        kinds.setdefault(traits_of(model), []).append(f"`{model}`")
    return table(head, [[", ".join(models), *_traits(traits)] for traits, models in kinds.items()])


def _traits(traits: Traits) -> Iterator[str]:
    yield {"none": "no", "budget": "by a budget", "adaptive": "the model has the say"}[traits.thinking]
    off = {"is_off": "off anyway", "never": "effort `low`: never off"}
    yield off.get(traits.thinking_off, f"`{traits.thinking_off}`")
    for holds in (traits.effort, traits.sampling, traits.prefill, traits.json_schema, traits.forced_tools):
        yield "yes" if holds else "no"


def refusals() -> str:
    by_status = {str(status): code for status, code in CODE_BY_STATUS.items()}
    words = table(["code", "the provider's `code`, `type` or `status`"], _by_value(CODE_BY_WORD))
    return words + "\n" + table(["code", "HTTP status"], _by_value(by_status))


def parameters(rows_by_name: Mapping[str, Parameter] = PARAMETERS) -> str:
    rows = [[f"`{name}`", row.use, row.about + _let_pass(row.harmless)] for name, row in rows_by_name.items()]
    return table(["parameter", "what becomes of it", "how"], rows)


def response_parameters() -> str:
    return parameters(responses_parameters.PARAMETERS)


def message_parameters() -> str:
    return parameters(anthropic_parameters.PARAMETERS)


def _let_pass(harmless: Sequence[object]) -> str:
    values = " and ".join(f"`{msgspec.json.encode(value).decode()}`" for value in harmless)
    return f"; {values} {'is' if len(harmless) == 1 else 'are'} let pass" if values else ""


def consequences() -> str:
    def word(holds: bool) -> str:
        return "yes" if holds else "no"

    rows = [[f"`{code}`", *map(word, row)] for code, row in CONSEQUENCES.items()]
    return table(["code", "retried", "falls back", "counted by the breaker"], rows)


def breaker_states() -> str:
    return f"```mermaid\n{breaker_diagram()}```\n"


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "run-states": run_states,
    "error-codes": error_codes,
    "servers": servers,
    "finish-reasons": finish_reasons,
    "messages-finish-reasons": messages_finish_reasons,
    "gemini-finish-reasons": gemini_finish_reasons,
    "claude": claude,
    "refusals": refusals,
    "parameters": parameters,
    "response-parameters": response_parameters,
    "message-parameters": message_parameters,
    "consequences": consequences,
    "breaker-states": breaker_states,
}


def rendered(text: str) -> str:
    """The text with each generated part made anew. Raises KeyError for a name that is not known."""
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found["name"]]() + found[3], text)


def main(arguments: list[str]) -> int:
    stale = False
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        wanted = rendered(text)
        if wanted != text:
            stale = True
            if "--check" not in arguments:
                path.write_text(wanted, encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

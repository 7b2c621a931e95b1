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
from typing import Final, get_args

import msgspec

from headwater.api import anthropic_parameters, responses_parameters
from headwater.api.openai_parameters import PARAMETERS, Parameter
from headwater.domain.message import ReasoningEffort
from headwater.domain.run import state_diagram
from headwater.errors import CODES
from headwater.providers import (
    alibaba_models,
    anthropic,
    cerebras_models,
    deepseek_models,
    gemini,
    gemini_models,
    groq_models,
    mistral_models,
    openai_models,
    perplexity_models,
    together_models,
    xai_models,
)
from headwater.providers.anthropic_models import Traits, traits_of
from headwater.providers.breaker import breaker_diagram
from headwater.providers.contract import Dialect
from headwater.providers.model_limits import Limits, Models, only_value
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

#: Models that stand for all that take the same, by the providers whose tables have them.
MODELS: Final[Mapping[str, tuple[Models, Sequence[str]]]] = {
    "`openai`, `openai_responses`": (
        openai_models.MODELS,
        (
            "gpt-3.5-turbo",
            "gpt-4",
            "gpt-4-turbo",
            "gpt-4o",
            "gpt-4.1",
            "gpt-5-chat-latest",
            "o1-mini",
            "o3-mini",
            "o1",
            "o3",
            "o4-mini",
            "gpt-5",
            "gpt-5-mini",
            "gpt-5-nano",
            "gpt-5-pro",
            "gpt-5.1",
            "gpt-5.2",
            "gpt-5.4",
            "gpt-5.5",
            "gpt-5.6",
        ),
    ),
    "`xai`, `xai_responses`": (
        xai_models.MODELS,
        (
            "grok-2-vision",
            "grok-2",
            "grok-3",
            "grok-3-mini",
            "grok-4",
            "grok-4-fast-reasoning",
            "grok-4-1-fast-reasoning",
            "grok-4.20-reasoning",
            "grok-code-fast-1",
            "grok-4-fast-non-reasoning",
            "grok-4.20-non-reasoning",
            "grok-4.20-multi-agent",
            "grok-4.3",
            "grok-4.5",
            "grok-4.6",
        ),
    ),
    "`deepseek`, `deepseek_responses`": (
        deepseek_models.MODELS,
        ("deepseek-reasoner", "deepseek-chat", "deepseek-v4-flash", "deepseek-v4-pro", "deepseek-flash"),
    ),
    "`groq`": (
        groq_models.MODELS,
        (
            "openai/gpt-oss-20b",
            "openai/gpt-oss-120b",
            "qwen/qwen3-32b",
            "qwen/qwen3.6-27b",
            "qwen/qwen3.8-27b",
            "llama-3.1-8b-instant",
            "llama-3.3-70b-versatile",
            "meta-llama/llama-4-scout-17b-16e-instruct",
            "groq/compound",
            "any other",
        ),
    ),
    "`alibaba`": (
        alibaba_models.MODELS,
        (
            "qwq-plus",
            "qvq-max",
            "qwen3-235b-a22b-thinking-2507",
            "qwen3-235b-a22b-instruct-2507",
            "qwen3-vl-plus",
            "qwen3-vl-235b-a22b-thinking",
            "qwen3-vl-235b-a22b-instruct",
            "qwen3-coder-plus",
            "qwen2.5-72b-instruct",
            "qwen2.5-vl-72b-instruct",
        ),
    ),
    "`cerebras`": (
        cerebras_models.MODELS,
        ("gpt-oss-120b", "llama3.1-8b", "llama-3.3-70b", "qwen-3-235b-a22b-instruct-2507", "zai-glm-4.7", "any other"),
    ),
    "`perplexity`": (
        perplexity_models.MODELS,
        ("sonar", "sonar-pro", "sonar-reasoning", "sonar-reasoning-pro", "sonar-deep-research"),
    ),
    "`together`": (
        together_models.MODELS,
        (
            "openai/gpt-oss-120b",
            "deepseek-ai/DeepSeek-R1",
            "MiniMaxAI/MiniMax-M2.7",
            "Qwen/Qwen3-235B-A22B-Thinking-2507",
            "Qwen/Qwen3-235B-A22B-Instruct-2507-tput",
            "Qwen/Qwen2.5-VL-72B-Instruct",
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
            "any other",
        ),
    ),
    "`mistral`": (
        mistral_models.MODELS,
        (
            "open-mistral-nemo",
            "codestral-latest",
            "mistral-large-2411",
            "ministral-8b-2410",
            "magistral-medium-2507",
            "magistral-medium-2509",
            "mistral-small-2603",
            "mistral-small-latest",
            "mistral-medium-3-5",
            "mistral-large-2512",
            "mistral-medium-2508",
            "pixtral-large-2411",
        ),
    ),
    "`gemini`, `gemini_array`": (
        gemini_models.MODELS,
        ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-flash-preview", "gemini-3-pro-preview"),
    ),
}
#: As a caller says them, from least to most.
EFFORTS: Final[tuple[str, ...]] = get_args(ReasoningEffort)

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
        "no tools": not quirks.tools,
        "a tool without parameters gets an empty schema": not quirks.bare_tools,
        "no names of authors": not quirks.names,
        "no `detail` of an image": quirks.content_parts and not quirks.image_detail,
        "`logprobs` is how many": quirks.logprobs == "count",
        "reasoning by a `thinking_budget`": bool(quirks.thinking_budgets),
        f"reasoning is turned off by `{next(iter(quirks.reasoning_off), '')}`": bool(quirks.reasoning_off),
    }
    return [other for other, holds in others.items() if holds]


def _responses_quirks(quirks: ResponsesQuirks) -> list[str]:
    others = {
        "`developer` is sent as `system`": not quirks.developer_role,
        "no JSON schema": not quirks.json_schema,
        "no images": not quirks.images,
        "no `detail` of an image": quirks.images and not quirks.image_detail,
        "no log probabilities": not quirks.logprobs,
        "log probabilities by `top_logprobs` alone": not quirks.logprobs_included,
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
    beyond = ", ".join(f"`{effort}`" for effort in get_args(ReasoningEffort) if effort in traits.beyond_high)
    yield f"to `high`{beyond and ', and '}{beyond}" if traits.effort else "no"
    for holds in (traits.sampling, traits.prefill, traits.json_schema, traits.forced_tools):
        yield "yes" if holds else "no"


def models() -> str:
    head = ["`provider`", "models", "can not", "takes no", "knows the efforts"]
    rows: dict[tuple[str, Limits], list[str]] = {}
    for provider, (table_of_models, names) in MODELS.items():
        for name in names:
            rows.setdefault((provider, table_of_models.limits_of(name)), []).append(f"`{name}`")
    return table(head, [[provider, ", ".join(names), *_limits(limits)] for (provider, limits), names in rows.items()])


def _limits(limits: Limits) -> Iterator[str]:
    words = {"reasoning": "reason", "images": "see images", "json_schema": "keep to a schema", "tools": "call tools"}
    yield ", ".join(word for lack, word in words.items() if lack in limits.lacks) or "—"
    when = {"always": "", "unless_off": ", unless the effort is `none`", "if_asked": ", where it is asked to reason"}
    fixed = ", ".join(f"`{name}`" + ("" if only is None else f" but {only_value(only)}") for name, only in limits.fixed)
    yield fixed + when[limits.fixed_when] if fixed else "—"
    if "reasoning" in limits.lacks or limits.efforts is None:
        yield "—"
    else:
        yield ", ".join(f"`{each}`" for each in EFFORTS if each in limits.efforts) or "none at all"


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
    heads = ["code", "retried", "falls back", "counted by the breaker", "few in a row"]
    return table(heads, rows)


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
    "models": models,
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

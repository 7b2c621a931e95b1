"""Parts that requests in OpenAI's languages share: a schema for the answer, and its format."""

from __future__ import annotations

import re
from typing import Any, Final

from headwater.domain.message import Settings

#: What a name of a schema may hold, as OpenAI documents it.
_SCHEMA_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
_SCHEMA_NAME_CHARS_MAX: Final = 64
_SCHEMA_DEPTH_MAX: Final = 64

_Json = dict[str, Any]


def named_schema(schema: _Json) -> _Json:
    """A schema with the name that OpenAI wants for it, `strict` where it can be."""
    title = schema.get("title")
    name = _SCHEMA_NAME.sub("_", title if isinstance(title, str) else "")[:_SCHEMA_NAME_CHARS_MAX]
    wanted: _Json = {"name": name or "answer", "schema": schema}
    if _is_strict(schema):
        # Without it the schema is advice only; with it a schema that leaves fields open is refused by OpenAI.
        wanted["strict"] = True
    return wanted


def chat_format(settings: Settings) -> _Json | None:
    """The `response_format` of Chat Completions, if the answer is to have one. A schema says more than an object."""
    if settings.json_schema is not None:
        return {"type": "json_schema", "json_schema": named_schema(settings.json_schema)}
    return {"type": "json_object"} if settings.json_object else None


def _is_strict(schema: object, depth: int = 0) -> bool:
    """Whether every object in the schema is closed and requires all its properties, as `strict` demands."""
    if depth > _SCHEMA_DEPTH_MAX:
        return False
    if isinstance(schema, list):
        return all(_is_strict(each, depth + 1) for each in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        names = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or names != set(
            required if isinstance(required, list) else ()
        ):
            return False
    return all(_is_strict(each, depth + 1) for key, each in schema.items() if key not in ("enum", "const", "default"))

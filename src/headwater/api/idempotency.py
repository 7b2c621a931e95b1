"""What an idempotency key is compared with: a request as it was understood, not as it was written. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from headwater.domain.run import RunRequest

_canonical = msgspec.json.Encoder(order="sorted")


def digest(request: RunRequest) -> bytes:
    """SHA-256 of what the request asks for.

    Equal for bodies that differ in order, blanks, escapes and in whether a default is spelled out. What a later
    version adds with a default changes no digest either, so a key still holds over an update.
    """
    return hashlib.sha256(_canonical.encode(_meaning(request))).digest()


def _meaning(value: object) -> object:
    """Not left to `omit_defaults`: that knows a default by its identity, and a spelled-out one is another object."""
    if isinstance(value, msgspec.Struct):
        fields: dict[str, object] = {}
        for field in msgspec.structs.fields(value):
            content = getattr(value, field.name)
            if content != _default(field):
                fields[field.encode_name] = _meaning(content)
        config = value.__struct_config__
        if config.tag_field is not None:
            fields[config.tag_field] = config.tag
        return fields
    if isinstance(value, list):
        return [_meaning(item) for item in value]
    if isinstance(value, dict):
        return {key: _meaning(item) for key, item in value.items()}
    return value


def _default(field: msgspec.structs.FieldInfo) -> object:
    """`NODEFAULT`, which equals nothing else, where the field is required."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default

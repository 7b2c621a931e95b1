"""A conversation as Gemini's `contents`: turns of `user` and `model`, each a list of parts.

System and developer messages are not turns; they make the instruction beside them. A tool's result is a part that
names its function, and the results of calls that were made together must come together
(https://ai.google.dev/gemini-api/docs/function-calling).

Gemini signs what it thought (https://ai.google.dev/gemini-api/docs/thought-signatures). Signatures, and the parts of
what Google ran for the model, come back as `provider_data` of the assistant's message: each is a part as it was, but
for function calls, of which it only has the id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headwater.domain.message import ImagePart, Message, TextPart, ToolResultPart, ToolUse
from headwater.errors import BadRequestError, UnsupportedError
from headwater.providers.lenient_json import read_object
from headwater.providers.request_rules import arguments_of, check_image, tool_results

#: What Google documents in place of a signature for calls that Gemini did not make, or whose signature is lost. From
#: Gemini 3 on a turn's first call is refused without one.
UNSIGNED: Final = "skip_thought_signature_validator"
_DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>[A-Za-z0-9+/=_-]*)")
#: How well an image is to be seen, in Google's words; without one of ours the model's own default holds.
_RESOLUTIONS: Final[Mapping[str | None, str]] = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}

_Json = dict[str, Any]


def media_resolution(messages: Sequence[Message]) -> str | None:
    """How well all images are to be seen, of a model that sees them alike; None leaves it to the model.

    Raises `UnsupportedError` where they are to be seen differently.
    """
    wanted: list[str | None] = []
    for at, message in enumerate(messages):
        for place, part in enumerate(() if isinstance(message.content, str) else message.content):
            if isinstance(part, ImagePart):
                wanted.append(_RESOLUTIONS.get(part.detail))
                if wanted[-1] != wanted[0]:
                    raise UnsupportedError(
                        "a model before Gemini 3 sees all images of a request with the same `detail`",
                        pointer=f"/messages/{at}/content/{place}/detail",
                    )
    return wanted[0] if wanted else None


def contents_of(
    messages: Sequence[Message], provider: str, *, must_sign: bool, sees_by_part: bool = False
) -> tuple[list[_Json], list[_Json]]:
    """The parts of the instruction, and the turns.

    Raises `BadRequestError` or `UnsupportedError`, with a JSON pointer into the request.
    """
    system: list[_Json] = []
    contents: list[_Json] = []
    names: dict[str, str] = {}
    after_tool = False
    for at, message in enumerate(messages):
        pointer = f"/messages/{at}"
        results = tool_results(message, pointer)
        if message.name is not None:
            raise UnsupportedError("a message to Gemini can not have a name", pointer=f"{pointer}/name")
        if message.role in ("system", "developer"):
            system += _user_parts(message, pointer, names)
            continue
        if message.role == "assistant":
            contents.append({"role": "model", "parts": _model_parts(message, pointer, provider, names, must_sign)})
        elif message.role == "tool":
            parts = [_result(part, f"{pointer}/content/{at}", names) for at, part in enumerate(results)]
            if after_tool:
                contents[-1]["parts"] += parts
            else:
                contents.append({"role": "user", "parts": parts})
        else:
            contents.append({"role": "user", "parts": _user_parts(message, pointer, names, sees_by_part)})
        after_tool = message.role == "tool"
    if not contents:
        raise BadRequestError("Gemini answers to a message that is not the system's", pointer="/messages")
    return system, contents


def _user_parts(message: Message, pointer: str, names: dict[str, str], sees_by_part: bool = False) -> list[_Json]:
    if isinstance(message.content, str):
        return [{"text": message.content}]
    parts: list[_Json] = []
    for at, part in enumerate(message.content):
        where = f"{pointer}/content/{at}"
        if isinstance(part, TextPart):
            parts.append({"text": part.text})
        elif isinstance(part, ImagePart):
            parts.append(_image(part, where))
            if sees_by_part and (level := _RESOLUTIONS.get(part.detail)) is not None:
                parts[-1]["mediaResolution"] = {"level": level}
        else:
            parts.append(_result(part, where, names))
    return parts or [{"text": ""}]


def _result(part: ToolResultPart, pointer: str, names: dict[str, str]) -> _Json:
    name = names.get(part.tool_call_id)
    if name is None:
        raise BadRequestError(
            "a tool's result needs the call that it belongs to, in a message before it",
            pointer=f"{pointer}/tool_call_id",
        )
    response = read_object(part.content)
    # Text, a number or a list is said to be the output; an object is taken for it as a whole.
    sent = {"output": part.content} if response is None else response
    return {"functionResponse": {"id": part.tool_call_id, "name": name, "response": sent}}


def _model_parts(message: Message, pointer: str, provider: str, names: dict[str, str], must_sign: bool) -> list[_Json]:
    own = [each.value for each in message.provider_data if each.provider == provider]
    signed = {call_id: value for value in own if (call_id := _signed_call(value)) is not None}
    kept = [value for value in own if isinstance(value, dict) and "functionCall" not in value]
    # What Google ran came before the answer's text, and the signature of the text after it.
    parts: list[_Json] = [value for value in kept if "text" not in value]
    parts += [part for part in _user_parts(message, pointer, names) if part["text"]]
    parts += [value for value in kept if "text" in value]
    has_signature = bool(signed)
    for at, call in enumerate(message.tool_calls):
        names[call.id] = call.name
        part = _call(call, f"{pointer}/tool_calls/{at}")
        if (signature := signed.get(call.id)) is not None:
            part["thoughtSignature"] = signature["thoughtSignature"]
        elif must_sign and not has_signature and at == 0:
            part["thoughtSignature"] = UNSIGNED
        parts.append(part)
    return parts or [{"text": ""}]


def _signed_call(value: Any) -> str | None:
    """The id of the call that a kept signature belongs to."""
    match value:
        case {"functionCall": {"id": str(call_id)}, "thoughtSignature": str()}:
            return call_id
    return None


def _call(call: ToolUse, pointer: str) -> _Json:
    return {"functionCall": {"id": call.id, "name": call.name, "args": arguments_of(call, pointer)}}


def _image(part: ImagePart, pointer: str) -> _Json:
    check_image(part, pointer)
    if part.url is None:
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    if part.url.startswith("data:"):
        if (match := _DATA_URL.fullmatch(part.url)) is None:
            raise BadRequestError("an image's data URL is of the form data:TYPE;base64,DATA", pointer=f"{pointer}/url")
        return {"inlineData": {"mimeType": match["type"], "data": match["data"]}}
    file: _Json = {"fileUri": part.url}
    if part.media_type is not None:
        file["mimeType"] = part.media_type
    return {"fileData": file}

"""What every provider's messages have in common: which role may hold what."""

from __future__ import annotations

from headwater.domain.message import Message, ToolResultPart
from headwater.errors import BadRequestError


def tool_results(message: Message, pointer: str) -> list[ToolResultPart]:
    """The results of tools in a message, which `pointer` points to.

    Raises `BadRequestError` where its role can not hold what it holds: results are a tool's or a user's, and a tool
    has nothing else; calls are an assistant's.
    """
    parts = [] if isinstance(message.content, str) else message.content
    results = [part for part in parts if isinstance(part, ToolResultPart)]
    if message.role == "tool" and (not results or len(results) != len(parts)):
        raise BadRequestError("a message of the role `tool` holds tool results only", pointer=f"{pointer}/content")
    if results and message.role not in ("tool", "user"):
        raise BadRequestError(
            "tool results belong in a message of the role `tool` or `user`", pointer=f"{pointer}/content"
        )
    if message.tool_calls and message.role != "assistant":
        raise BadRequestError("only a message of the role `assistant` has tool calls", pointer=f"{pointer}/tool_calls")
    return results

"""A log's tool calls put together from their pieces, for formats that show where one begins and ends. Pure."""

from __future__ import annotations

from headwater.domain import event as ev


class ToolInput:
    """One tool call: where it began and ended, and its arguments so far, as JSON text."""

    __slots__ = ("_pieces", "done_at", "id", "name", "seq")

    def __init__(self, seq: int, id: str, name: str) -> None:
        self.seq = seq
        self.id = id
        self.name = name
        self.done_at: int | None = None
        self._pieces: list[str] = []

    def add(self, arguments: str) -> None:
        if arguments:
            self._pieces.append(arguments)

    @property
    def arguments(self) -> str:
        return "".join(self._pieces)


class ToolInputs:
    """Learns the tool calls of a log from its records, each first given in order; what was learned is a fact of it."""

    __slots__ = ("_inputs", "_learned")

    def __init__(self) -> None:
        self._learned = 0
        self._inputs: dict[tuple[int, str], ToolInput] = {}

    def learn(self, seq: int, event: ev.ToolCall) -> ToolInput:
        """The call that a piece belongs to, with that piece; one that it has seen changes nothing."""
        tool = self._inputs.setdefault((event.call or 1, event.id), ToolInput(seq, event.id, event.name))
        if seq > self._learned:
            self._learned = seq
            if tool.done_at is None:
                tool.add(event.arguments)
                tool.done_at = seq if event.done else None
        return tool

    def open_at(self, seq: int) -> list[ToolInput]:
        """Calls that had begun before the record `seq` and had not ended, in their order."""
        return [
            tool for tool in self._inputs.values() if tool.seq < seq and (tool.done_at is None or tool.done_at > seq)
        ]

    def before(self, seq: int) -> list[ToolInput]:
        """All calls that had begun before the record `seq`, in their order."""
        return [tool for tool in self._inputs.values() if tool.seq < seq]

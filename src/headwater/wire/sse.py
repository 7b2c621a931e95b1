"""Server-sent events: bytes to frames, cut anywhere, and frames to bytes, without a way to inject.

The format is the WHATWG's, section 9.2 of https://html.spec.whatwg.org/multipage/server-sent-events.html. The decoder
is sans-IO: it is fed what a socket gave and returns the frames that became complete. The result never depends on
where the bytes were cut, its work is linear in them, and what it keeps is bounded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from headwater.errors import EncodeError, EventTooLarge, LineTooLong, WireError

MEDIA_TYPE: Final = "text/event-stream"
#: The `Content-Type` of an answer. (Durable Streams wants `MEDIA_TYPE` without the charset.)
CONTENT_TYPE: Final = "text/event-stream; charset=utf-8"

LINE_BYTES_MAX: Final = 1024 * 1024
EVENT_BYTES_MAX: Final = 4 * 1024 * 1024
#: A longer reconnection time is taken as this, the largest integer that every client can hold (2**53 - 1).
RETRY_MS_MAX: Final = 9_007_199_254_740_991

# Bytes as integers where one is looked for: `b"\n" in x` first fails to be a number, at seven times the cost.
_LF: Final = 10
_CR: Final = 13
_NUL: Final = 0
_BOM: Final = b"\xef\xbb\xbf"
_PIECE_BYTES_MAX: Final = 256 * 1024


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event.

    `data` is UTF-8 with its lines joined by LF; every invalid sequence in it is U+FFFD, as the WHATWG's decoder makes
    it. `event` is "" when the event is unnamed, which EventSource calls "message". `id` is the last event id in
    force, None while the stream has never set one.
    """

    data: bytes
    event: str = ""
    id: str | None = None


class Comment(NamedTuple):
    """A comment's text without its colon; `before` is how many frames of the same `feed` came before it."""

    before: int
    text: str


class SSEDecoder:
    """The bytes of one event stream, in pieces of any size, to frames. One decoder reads one response body.

    `line_bytes_max` bounds a line without its end, `event_bytes_max` an event's data, both in bytes as received;
    with their terminator still missing no more than their sum is ever kept. Passing one is a `LineTooLong` or an
    `EventTooLarge` as soon as the byte over it arrives. Frames that were complete before it are delivered first:
    `feed` then returns them, `fault` holds the error at once, and the next `feed` or `end` raises it. A decoder with
    a fault stays so, and keeps nothing of what it had buffered.

    With `bare_json` a JSON object that stands among the events without a field's name (Google and some gateways write
    their errors so) is a frame too, of all lines from its first to the blank one. The WHATWG has them ignored, and so
    does a decoder without it.

    `comments` counts the comment lines so far: heartbeats, which say that a peer is there but not that it progresses.
    With `keep_comments` their texts are kept too. `retry_ms` is the last reconnection time asked for, or None.
    """

    __slots__ = (
        "_after_cr",
        "_bare",
        "_data",
        "_ended",
        "_event",
        "_event_bytes_max",
        "_head",
        "_id",
        "_id_buffer",
        "_in_block",
        "_line",
        "_line_bytes_max",
        "_piece_bytes_max",
        "_plain",
        "comments",
        "fault",
        "kept_comments",
        "retry_ms",
    )

    #: The format has no end of its own: whether something is missing is for others to know.
    closed: Final = True

    def __init__(
        self,
        *,
        line_bytes_max: int = LINE_BYTES_MAX,
        event_bytes_max: int = EVENT_BYTES_MAX,
        bare_json: bool = False,
        keep_comments: bool = False,
    ) -> None:
        if line_bytes_max < 1 or event_bytes_max < 1:
            raise ValueError("the limits must be positive")
        self._line_bytes_max = line_bytes_max
        self._event_bytes_max = event_bytes_max
        # No line and no event that begins and ends within one piece can pass a limit, so only what spans pieces is
        # measured.
        self._piece_bytes_max = min(_PIECE_BYTES_MAX, line_bytes_max, event_bytes_max)
        self._head: bytes | None = b""  # the first bytes, while they may still be a BOM; None afterwards
        self._after_cr = False  # the last byte was a CR: an LF that follows belongs to it
        self._line = bytearray()  # a line whose end has not arrived
        self._data: bytes | bytearray | None = None  # a bytearray from the second data line on
        self._bare = bytearray() if bare_json else None  # the lines of an object that has no field's name
        self._event = b""
        self._id_buffer: str | None = None
        self._id: str | None = None  # takes the buffer's value when a block ends: a block cut off does not count
        self._in_block = False  # whether the block has had a field that its end acts on
        #: the limit that was passed, known as soon as `feed` has returned the frames before it
        self.fault: WireError | None = None
        self._ended = False
        self._plain = False  # past the BOM, and neither faulty nor ended: one test for what nearly always holds
        self.retry_ms: int | None = None
        self.comments = 0
        #: the comments of the newest `feed`, where they are kept; whoever keeps them clears the list
        self.kept_comments: list[Comment] | None = [] if keep_comments else None

    @property
    def last_event_id(self) -> str:
        """The id that a reconnection sends as `Last-Event-ID`; "" for none. Blocks without data set it too."""
        return self._id or ""

    @property
    def pending(self) -> bool:
        """Whether an unfinished line or block is buffered, so that an end here would cut it off."""
        return bool(self._head or self._line or self._bare) or self._in_block

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completed, in order.

        Raises `LineTooLong` or `EventTooLarge` (see the class for the frames before it), `RuntimeError` after `end`.
        """
        if not self._plain:
            chunk = self._begin(chunk)
        elif (
            chunk.startswith(b"data: ")
            and chunk.endswith(b"\n\n")
            and chunk.count(b"\n") == 2
            and chunk.isascii()
            and _CR not in chunk
            and not (self._line or self._in_block or self._after_cr)
            and len(chunk) <= self._piece_bytes_max
        ):
            # One event in a piece of its own, as most providers send each token; it does no more than it must.
            return [Frame(chunk[6:-2], "", self._id)]
        frames: list[Frame] = []
        step = self._piece_bytes_max
        fault: WireError | None = None
        try:
            if len(chunk) <= step:
                self._take(chunk, frames)
            else:
                for start in range(0, len(chunk), step):
                    self._take(chunk[start : start + step], frames)
        except WireError as error:
            fault = error
        if fault is not None:
            self._fail(fault)
            if not frames:
                raise fault
        return frames

    def end(self, *, flush: bool = False) -> list[Frame]:
        """The body has ended. An unfinished block is discarded, as the WHATWG has it.

        With `flush` it is completed as if a blank line had followed: for providers that leave that line out, where
        the dialect finds by other means whether the answer was whole. Ask `pending` before to know which it was.
        Raises the fault that a `feed` held back. Further calls return nothing.
        """
        if self.fault is not None:
            raise self.fault
        frames: list[Frame] = []
        fault: WireError | None = None
        if flush:
            try:
                if self._line:
                    self._take_line(bytes(self._line), frames)
                self._dispatch(frames)
            except WireError as error:
                fault = error
        self._ended = True
        self._drop()
        if fault is not None:
            self._fail(fault)
            raise fault
        return frames

    def _begin(self, chunk: bytes) -> bytes:
        """What `feed` does only for the first bytes, after a fault and after the end."""
        if self.fault is not None:
            raise self.fault
        if self._ended:
            raise RuntimeError("this stream has ended; a new response body needs a new decoder")
        assert self._head is not None
        head = self._head + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        self._plain = True
        return head.removeprefix(_BOM)

    def _fail(self, fault: WireError) -> None:
        # Its traceback would keep what was buffered alive for as long as the fault is.
        self.fault = fault.with_traceback(None)
        self._drop()

    def _drop(self) -> None:
        self._plain = False
        self._head = None
        self._line = bytearray()
        self._data = None
        if self._bare:
            self._bare.clear()
        self._event = b""
        self._id_buffer = self._id
        self._in_block = False

    def _take(self, piece: bytes, frames: list[Frame]) -> None:
        """Of at most `_piece_bytes_max` bytes: finish what is open, then whole blocks at once, then keep the rest."""
        if self._after_cr or _CR in piece:
            piece = self._unify_line_ends(piece)
        if self._line:
            at = piece.find(b"\n")
            if at < 0:
                self._hold(piece)
                return
            self._hold(piece[:at])
            line = bytes(self._line)
            self._line.clear()
            self._take_line(line, frames)
            piece = piece[at + 1 :]
        if self._in_block:
            piece = self._finish_block(piece, frames)
            if self._in_block:
                self._keep(piece, frames)
                return
        if piece.endswith(b"\n\n"):
            self._take_blocks(piece[:-2], frames)
            return
        at = piece.rfind(b"\n\n")
        if at >= 0:
            self._take_blocks(piece[:at], frames)
            piece = piece[at + 2 :]
        self._keep(piece, frames)

    def _keep(self, piece: bytes, frames: list[Frame]) -> None:
        """Lines without a blank one at their end: the beginning of a block."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._take_line(line, frames)
        if rest:
            self._hold(rest)

    def _unify_line_ends(self, piece: bytes) -> bytes:
        # A CR ends its line at once, so that an event is never held back for an LF that may not come.
        if not piece:
            return piece
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, piece: bytes) -> None:
        # Measured before it is copied, and searched for line ends before it came here: the work stays linear.
        if len(self._line) + len(piece) > self._line_bytes_max:
            raise LineTooLong(f"a line of an event stream is longer than {self._line_bytes_max} bytes")
        self._line += piece

    def _finish_block(self, piece: bytes, frames: list[Frame]) -> bytes:
        """Take the open block's lines if its end is in the piece; what is left of the piece."""
        if piece.startswith(b"\n"):
            self._dispatch(frames)
            return piece[1:]
        at = piece.find(b"\n\n")
        if at < 0:
            return piece
        self._take_block(piece[:at], frames)
        return piece[at + 2 :]

    def _take_blocks(self, region: bytes, frames: list[Frame]) -> None:
        """Whole blocks, LF only, between blank lines: what a server writes, hence the shortest ways for its shapes."""
        if not (region.isascii() or _is_utf8(region)):
            for block in region.split(b"\n\n"):
                self._take_block(block, frames)
            return
        if region.startswith(b"data: "):
            if _LF not in region:
                frames.append(Frame(region[6:], "", self._id))
                return
            parts = region[6:].split(b"\n\ndata: ")
            if region.count(b"\n") == 2 * (len(parts) - 1):
                last_id = self._id
                frames += [Frame(part, "", last_id) for part in parts]
                return
        append = frames.append
        for block in region.split(b"\n\n"):
            if block.startswith(b"data: "):
                if _LF not in block:
                    append(Frame(block[6:], "", self._id))
                    continue
            elif block.startswith(b"event: "):
                name, _, rest = block[7:].partition(b"\n")
                if rest.startswith(b"data: ") and _LF not in rest:
                    append(Frame(rest[6:], name.decode(), self._id))
                    continue
            elif block.startswith(b"id: "):
                value, _, rest = block[4:].partition(b"\n")
                if rest.startswith(b"data: ") and _LF not in rest and _NUL not in value:
                    self._id = self._id_buffer = value.decode()
                    append(Frame(rest[6:], "", self._id))
                    continue
            self._take_block(block, frames)

    def _take_block(self, block: bytes, frames: list[Frame]) -> None:
        for line in block.split(b"\n"):
            self._take_line(line, frames)
        self._dispatch(frames)

    def _take_line(self, line: bytes, frames: list[Frame]) -> None:
        if not line:
            self._dispatch(frames)
            return
        name, colon, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._take_data(value)
            self._in_block = True
        elif name == b"event":
            self._event = value
            self._in_block = True
        elif name == b"id":
            if _NUL not in value:
                self._id_buffer = value.decode(errors="replace")
                self._in_block = True
        elif name == b"retry":
            if value.isdigit():
                self.retry_ms = _retry_ms(value)
        elif colon and not name:
            self.comments += 1
            if self.kept_comments is not None:
                self.kept_comments.append(Comment(len(frames), line[1:].decode(errors="replace")))
        elif self._bare is not None and (self._bare or line.startswith(b"{")):
            self._take_bare(line)

    def _take_bare(self, line: bytes) -> None:
        bare = self._bare
        assert bare is not None
        if len(bare) + len(line) + 1 > self._event_bytes_max:
            raise EventTooLarge(f"an event's data is larger than {self._event_bytes_max} bytes")
        bare += line
        bare += b"\n"
        self._in_block = True

    def _take_data(self, value: bytes) -> None:
        data = self._data
        length = len(value) if data is None else len(data) + 1 + len(value)
        if length > self._event_bytes_max:
            raise EventTooLarge(f"an event's data is larger than {self._event_bytes_max} bytes")
        if data is None:
            self._data = value
            return
        if isinstance(data, bytes):
            self._data = data = bytearray(data)
        data += b"\n"
        data += value

    def _dispatch(self, frames: list[Frame]) -> None:
        self._id = self._id_buffer
        if self._data is not None:
            data = bytes(self._data)
            if not (data.isascii() or _is_utf8(data)):
                data = data.decode(errors="replace").encode()
            frames.append(Frame(data, self._event.decode(errors="replace"), self._id))
            self._data = None
        if self._bare:
            bare = bytes(self._bare)
            self._bare.clear()
            frames.append(Frame(bare if _is_utf8(bare) else bare.decode(errors="replace").encode(), "", self._id))
        self._event = b""
        self._in_block = False


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _retry_ms(digits: bytes) -> int:
    # Measured first: a line of a million digits would cost quadratic time, and Python refuses it besides.
    digits = digits.lstrip(b"0")
    if len(digits) > len(str(RETRY_MS_MAX)):
        return RETRY_MS_MAX
    return min(int(digits or b"0"), RETRY_MS_MAX)


def encode_event(
    data: bytes | str | None,
    *,
    id: str | None = None,
    event: str | None = None,
    retry_ms: int | None = None,
) -> bytes:
    """One block, LF only, that decodes to exactly these fields.

    `data` is split at every LF, CR and CRLF into `data:` lines, so a decoder gives it back with LF between them. None
    leaves the field out: a block that only moves the cursor (`id`) or sets the reconnection time, which is no event.
    An `id` of "" takes the id back; an `event` of "" is the unnamed event. Raises `EncodeError` for CR, LF or NUL in
    `id` or `event`, text that is not Unicode, bytes that are not UTF-8, and a time that is negative or above
    `RETRY_MS_MAX`.
    """
    block = b""
    if id is not None:
        block += b"id: %b\n" % _one_line("id", id)
    if event:
        block += b"event: %b\n" % _one_line("event", event)
    if retry_ms is not None:
        if not 0 <= retry_ms <= RETRY_MS_MAX:
            raise EncodeError("a reconnection time must be from 0 to 2**53 - 1 ms")
        block += b"retry: %d\n" % retry_ms
    if data is not None:
        block += b"".join([b"data: %b\n" % line for line in _lines(_utf8("data", data))])
    return block + b"\n"


def encode_comment(text: str = "") -> bytes:
    """A block of comment lines only, which no client shows: the first bytes of an answer, and heartbeats.

    `text` is split at every line end. Raises `EncodeError` for text that is not Unicode.
    """
    return b"".join([b": %b\n" % line for line in _lines(_utf8("comment", text))]) + b"\n"


def record_frame(seq: int, payload: bytes) -> bytes:
    """The block of one record: `encode_event(payload, id=str(seq))` without its checks, for the hot path.

    `payload` is JSON from the codec, which escapes every control character: it holds no CR and no LF.
    """
    assert _LF not in payload, "a record's JSON must be one line"
    assert _CR not in payload, "a record's JSON must be one line"
    return b"id: %d\ndata: %b\n\n" % (seq, payload)


def _one_line(field: str, value: str) -> bytes:
    if "\n" in value or "\r" in value or "\0" in value:
        raise EncodeError(f"the field `{field}` of an event can not hold CR, LF or NUL")
    return _utf8(field, value)


def _utf8(field: str, value: bytes | str) -> bytes:
    try:
        if isinstance(value, str):
            return value.encode()
        value.decode()
    except UnicodeError:
        # Without the cause, for it would carry the value itself into a log.
        raise EncodeError(f"the field `{field}` of an event must be UTF-8") from None
    return value


def _lines(text: bytes) -> list[bytes]:
    # Not splitlines(): of bytes it would do, but it drops the last line when that is empty.
    if _CR in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.split(b"\n")

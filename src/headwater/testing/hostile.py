"""What a server may send that no recording has: frames of the future, broken JSON, values of any other type.

A provider adds types of events without notice, a proxy breaks what it passes on, and an error may quote the key that
it was shown. None of that may end in another exception than `ProviderError`, in an event that can not be stored, or
in an error that repeats what came.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

from headwater.domain.message import GenerationRequest
from headwater.errors import ErrorCode, ProviderError
from headwater.providers.contract import Dialect, Frame
from headwater.testing.decoding import PLAIN, Decoded, check_items, decode_frames, frames_of

#: A key as providers make them; an error of a dialect must not repeat it.
KEY: Final = "sk-kanarie-0123456789abcdef0123456789abcdef"

#: A type of frame that no version of any provider knows.
UNKNOWN: Final = Frame(b'{"type":"headwater.unknown","headwater":{"unknown":[1,null,{}]}}', "headwater.unknown")

#: What stands where another value should, as JSON text: every type, ends of ranges, half of a surrogate pair, depth.
_ODD: Final = (
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "9" * 40,
    "9" * 400,
    '""',
    '"odd"',
    '"\\ud800"',
    "[]",
    "{}",
    "[null]",
    '[{"type":"odd"}]',
    '{"type":"odd","text":[]}',
    "[" * 60 + "]" * 60,
)
#: Whole frames that are no object of the provider's.
_STRANGE: Final = (*_ODD, "[" * 20_000, '{"a":' * 20_000, "\x00", "odd", '{"error":0}', '{"error":{"message":7}}')

#: About so many frames in all are decoded with an odd one among them.
_FRAMES_MAX: Final = 3_000

#: Stands in a frame's JSON for what is written in its place as text.
_MARK: Final = "headwater\u2063odd"


def check_hostile(
    dialect: Dialect, body: bytes, *, rng: random.Random, tries: int = 40, request: GenerationRequest = PLAIN
) -> None:
    """Puts what no recording has among the frames of this one, in about `tries` places of each kind.

    Raises AssertionError for a broken law.
    """
    frames = frames_of(dialect, body)
    whole = decode_frames(dialect.decoder(request), frames)
    _check_unknown(dialect, frames, whole, rng.sample(range(len(frames) + 1), min(tries, len(frames) + 1)), request)
    _check_malformed(dialect, frames, rng, tries, request)
    for number, changed in enumerate(_odd_frames(frames, rng, tries)):
        at, frame = changed
        what = f"frame {at} made odd ({number}: {frame.data[:200]!r})"
        check_any(dialect, [*frames[:at], frame, *frames[at + 1 :]], what, request=request)
    for _ in range(tries if frames else 0):
        check_any(dialect, _disordered(frames, rng), "frames lost, doubled and out of order", request=request)
    for text in _STRANGE:
        at = rng.randrange(len(frames) + 1)
        what = f"{text[:40]!r} in place of frame {at}"
        check_any(dialect, [*frames[:at], Frame(text.encode()), *frames[at:]], what, request=request)


def check_any(dialect: Dialect, frames: Sequence[Frame], what: str, *, request: GenerationRequest = PLAIN) -> None:
    """Whatever these frames are, they end in a finish or in a `ProviderError` that quotes no key."""
    try:
        decoded = decode_frames(dialect.decoder(request), frames)
        check_items(decoded)
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    if decoded.error is not None:
        check_silent(decoded.error, what)


def check_silent(error: ProviderError, what: str) -> None:
    """An error repeats no key: not to the person who asked, and not in what the operator's log gets."""
    for name, text in (("message", error.message), ("detail", error.detail), ("text", str(error))):
        assert KEY not in text, f"{what}: the error's {name} repeats a key that the server quoted"


def _check_unknown(
    dialect: Dialect, frames: Sequence[Frame], whole: Decoded, places: Sequence[int], request: GenerationRequest
) -> None:
    for at in places:
        more = decode_frames(dialect.decoder(request), [*frames[:at], UNKNOWN, *frames[at:]])
        what = f"a frame of an unknown type before frame {at}"
        assert more.items == whole.items, f"{what}: other items ({more.error!r})"
        assert more.completed is whole.completed, f"{what}: completed is {more.completed} ({more.error!r})"


def _check_malformed(
    dialect: Dialect, frames: Sequence[Frame], rng: random.Random, tries: int, request: GenerationRequest
) -> None:
    """Where a frame put something out, the same without its end is JSON that can not be read, and a key is in it."""
    decoder = dialect.decoder(request)
    telling: list[int] = []
    for at, frame in enumerate(frames):
        try:
            if decoder.feed(frame) and frame.data.rstrip().endswith((b"}", b"]", b'"')):
                telling.append(at)
        except ProviderError:
            break
    for at in rng.sample(telling, min(tries, len(telling))):
        broken = Frame(frames[at].data.rstrip()[:-1] + b',"' + KEY.encode(), frames[at].event)
        found = decode_frames(dialect.decoder(request), [*frames[:at], broken, *frames[at + 1 :]])
        what = f"frame {at} without the end of its JSON"
        assert found.error is not None, f"{what}: the stream completed all the same"
        assert found.error.code is ErrorCode.PARSE, f"{what}: {found.error!r} in place of a PARSE error"
        check_silent(found.error, what)


def _odd_frames(frames: Sequence[Frame], rng: random.Random, tries: int) -> Iterator[tuple[int, Frame]]:
    """Frames in which one value, anywhere, is another than the provider's: each kind of place, with each odd value."""
    places: dict[tuple[object, ...], tuple[int, Any]] = {}
    for at, frame in enumerate(frames):
        value = _json(frame.data)
        kind = str(value.get("type")) if isinstance(value, dict) else ""
        for way in _places(value):
            places.setdefault((frame.event, kind, *way), (at, value))
    choices = list(itertools.product(places.items(), _ODD))
    # A long recording is not decoded as often as a short one.
    wanted = max(tries, _FRAMES_MAX // max(1, len(frames)))
    for ((_, _, *way), (at, value)), odd in rng.sample(choices, min(len(choices), wanted)):
        changed = json.dumps(_with(value, tuple(way), _MARK))
        yield at, Frame(changed.replace(json.dumps(_MARK), odd).encode(), frames[at].event)


def _disordered(frames: Sequence[Frame], rng: random.Random) -> list[Frame]:
    """The same frames after a few accidents: one lost, one twice, two exchanged."""
    changed = list(frames)
    for _ in range(rng.randrange(1, 6)):
        one, other = rng.randrange(len(changed)), rng.randrange(len(changed))
        match rng.randrange(3):
            case 0 if len(changed) > 1:
                del changed[one]
            case 1:
                changed.insert(one, changed[other])
            case _:
                changed[one], changed[other] = changed[other], changed[one]
    return changed


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside, by keys and indexes."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (key,)
        yield from ((key, *way) for way in _places(each))


def _with(value: Any, way: tuple[Any, ...], other: object) -> Any:
    if not way:
        return other
    changed = value.copy()
    changed[way[0]] = _with(value[way[0]], way[1:], other)
    return changed

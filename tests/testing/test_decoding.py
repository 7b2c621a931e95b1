"""A stream through a decoder, from bytes and from frames."""

import pytest

from headwater.domain.event import Chunk, UsageReport
from headwater.domain.message import Usage
from headwater.errors import ErrorCode
from headwater.providers.contract import Finish, Frame
from headwater.providers.openai_chat import OpenAIChat
from headwater.testing.decoding import PLAIN, Decoded, check_items, decode_frames, decode_pieces, frames_of
from tests.kit.script import DONE, chat_chunk

DIALECT = OpenAIChat()
WHOLE = chat_chunk("Hello") + chat_chunk(finish="stop") + DONE


def test_from_bytes_and_from_frames_it_is_the_same() -> None:
    frames = frames_of(DIALECT, WHOLE)
    assert len(frames) == 3
    decoded = decode_pieces(DIALECT, [WHOLE[:30], WHOLE[30:]], clean=True)
    assert decoded == decode_frames(DIALECT.decoder(PLAIN), frames)
    assert decoded.completed
    assert decoded.items == [Chunk("Hello", 0), Finish("stop", "stop")]


def test_a_last_block_that_was_cut_off_says_nothing() -> None:
    finished = chat_chunk("Hello") + chat_chunk(finish="stop")
    assert decode_pieces(DIALECT, [finished + b'data: {"choi'], clean=True).completed
    cut = decode_pieces(DIALECT, [WHOLE[:30]], clean=True)
    assert cut.error is not None
    assert cut.error.code is ErrorCode.TRUNCATED


def test_an_error_keeps_what_came_before_it() -> None:
    decoded = decode_frames(DIALECT.decoder(PLAIN), [*frames_of(DIALECT, chat_chunk("Hello")), Frame(b"{")])
    assert decoded.items == [Chunk("Hello", 0)]
    assert not decoded.completed


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([Finish("stop"), Chunk("x", 0)], "`Finish` is at"),
        ([], "`Finish` is at"),
        ([Chunk("x", 0, None, object()), Finish("stop")], "can not be stored"),
        ([Chunk("\ud800", 0), Finish("stop")], "does not come back"),
        ([UsageReport(Usage(output_tokens=-1)), Finish("stop")], "counts"),
        ([UsageReport(Usage(input_tokens=10**40)), Finish("stop")], "counts"),
    ],
)
def test_items_that_can_not_be_a_run_s(items: list[Chunk | UsageReport | Finish], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_items(Decoded([*items], None))

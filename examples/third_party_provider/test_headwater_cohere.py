"""The plug-in keeps the laws of a dialect on a stream of Cohere's, and says what came."""

from pathlib import Path

import pytest
from headwater_cohere import Cohere

from headwater.domain.event import Chunk, Reasoning
from headwater.domain.message import GenerationRequest, ImagePart, Message, Settings
from headwater.errors import UnsupportedError
from headwater.providers.contract import Finish
from headwater.testing import check_dialect

RECORDING = Path(__file__).parent / "recordings" / "answer.sse"


def test_laws() -> None:
    items = check_dialect(Cohere(), RECORDING.read_bytes()).items
    assert "".join(item.content for item in items if isinstance(item, Reasoning)) == "They greet me."
    assert "".join(item.content for item in items if isinstance(item, Chunk)) == "Hello! How are you today? 👋🏽"
    assert items[-1] == Finish("stop", "COMPLETE")


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        (GenerationRequest("m", [Message("user", "Hi")], Settings(seed=7)), "/settings/seed"),
        (GenerationRequest("m", [Message("user", [ImagePart(url="https://a.example/b.png")])]), "/messages/0"),
    ],
)
def test_what_is_not_sent_is_refused(request_: GenerationRequest, pointer: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        Cohere().request(request_)
    assert caught.value.extra == {"pointer": pointer}

"""What a repeat is compared with: the meaning of a body, not its spelling."""

import msgspec
import pytest

from headwater.api.idempotency import digest
from headwater.domain.run import RunRequest

PLAIN = '{"model":"m","messages":[{"role":"user","content":"hi"}]}'


def digest_of(body: str) -> bytes:
    return digest(msgspec.json.decode(body, type=RunRequest))


@pytest.mark.parametrize(
    "spelled",
    [
        ' { "messages" : [ { "content":"h\\u0069", "role":"user" } ], "model":"m" } ',
        PLAIN[:-1] + ',"workflow":"chat"}',
        PLAIN[:-1] + ',"settings":{}}',
        PLAIN[:-1] + ',"settings":{"temperature":null,"stop":[],"tools":[],"extra":{}}}',
        PLAIN[:-1] + ',"limits":{}}',
        PLAIN[:-1] + ',"limits":{"total_s":300,"queue_s":60.0}}',
        PLAIN[:-1] + ',"on_disconnect":"continue","after_output":"fail","priority":"interactive"}',
        PLAIN[:-1] + ',"fallback":[],"metadata":{},"input":null}',
    ],
)
def test_a_default_that_is_spelled_out_is_the_same_request(spelled: str) -> None:
    assert digest_of(spelled) == digest_of(PLAIN)


def test_order_in_free_form_fields_does_not_matter() -> None:
    one = PLAIN[:-1] + ',"settings":{"extra":{"x":{"a":1,"b":[{"c":2,"d":3}]}}}}'
    two = PLAIN[:-1] + ',"settings":{"extra":{"x":{"b":[{"d":3,"c":2}],"a":1}}}}'
    assert digest_of(one) == digest_of(two)


@pytest.mark.parametrize(
    "other",
    [
        '{"model":"n","messages":[{"role":"user","content":"hi"}]}',
        '{"model":"m","messages":[{"role":"system","content":"hi"}]}',
        '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}',
        PLAIN[:-1] + ',"settings":{"temperature":0}}',
        PLAIN[:-1] + ',"settings":{"seed":0}}',
        PLAIN[:-1] + ',"settings":{"extra":{"x":{}}}}',
        PLAIN[:-1] + ',"on_disconnect":"cancel"}',
        PLAIN[:-1] + ',"on_disconnect":{"cancel_after_s":0}}',
        PLAIN[:-1] + ',"limits":{"total_s":301}}',
        PLAIN[:-1] + ',"metadata":{"a":""}}',
    ],
)
def test_another_request_is_another_digest(other: str) -> None:
    assert digest_of(other) != digest_of(PLAIN)


def test_parts_of_different_kinds_with_equal_fields_differ() -> None:
    def body(part: str) -> str:
        return '{"model":"m","messages":[{"role":"user","content":[' + part + "]}]}"

    texts = [digest_of(body(part)) for part in ('{"type":"text","text":"a"}', '{"type":"text","text":"b"}')]
    image = digest_of(body('{"type":"image","url":"https://example.org/a.png"}'))
    assert len({*texts, image}) == 3

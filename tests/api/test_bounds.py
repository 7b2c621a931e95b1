"""The bounds of what a run may ask for: the last value that is taken, the first that is not, and where it is."""

from typing import Any

import msgspec
import pytest

from headwater.api import bounds
from headwater.domain.run import RunRequest
from headwater.errors import BadRequestError

MESSAGE = {"role": "user", "content": "hi"}


def request(**changes: Any) -> RunRequest:
    return msgspec.convert({"model": "m", "messages": [MESSAGE], **changes}, RunRequest)


def image(**members: Any) -> dict[str, Any]:
    return {
        "messages": [MESSAGE, {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "image", **members}]}]
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "m" * 200},
        {"metadata": {f"key {n}": "v" * 512 for n in range(16)}},
        {"metadata": {"k" * 64: ""}},
        {"limits": {"queue_s": 3600, "connect_s": 120, "first_token_s": 3600, "idle_s": 3600, "total_s": 3600}},
        {"limits": {"queue_s": None, "connect_s": None, "total_s": 0.001}},
        {"on_disconnect": {"cancel_after_s": 0}},
        {"on_disconnect": {"cancel_after_s": 86400}},
        {"settings": {"temperature": 0, "top_p": 0, "max_tokens": 1, "logprobs": 0, "seed": -(2**63)}},
        {"settings": {"temperature": 2, "top_p": 1, "max_tokens": 10_000_000, "logprobs": 20, "seed": 2**63 - 1}},
        {"settings": {"stop": ["s" * 256] * 16}},
        {"settings": {"tools": [{"name": "f"}] * 128}},
        {"messages": [MESSAGE] * 10_000},
        {"priority": "batch"},
        {"fallback": ["n" * 200] * 8},
        image(url="https://example.org/cat.png"),
        image(url="HTTPS://example.org/cat.png"),
        image(url="data:image/png;base64,aGk="),
        image(data="aGk=", media_type="image/png"),
    ],
)
def test_what_is_taken(changes: dict[str, Any]) -> None:
    bounds.check_bounds(request(**changes))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"model": ""}, "/model"),
        ({"fallback": ["n"] * 9}, "/fallback"),
        ({"fallback": ["n", ""]}, "/fallback/1"),
        ({"fallback": ["n" * 201]}, "/fallback/0"),
        ({"model": "m" * 201}, "/model"),
        ({"metadata": {f"key {n}": "v" for n in range(17)}}, "/metadata"),
        ({"metadata": {"": "v"}}, "/metadata"),
        ({"metadata": {"k" * 65: "v"}}, "/metadata"),
        ({"metadata": {"a/b~": "v" * 513}}, "/metadata/a~1b~0"),
        ({"limits": {"queue_s": 0}}, "/limits/queue_s"),
        ({"limits": {"connect_s": 121}}, "/limits/connect_s"),
        ({"limits": {"first_token_s": -1}}, "/limits/first_token_s"),
        ({"limits": {"idle_s": 3601}}, "/limits/idle_s"),
        ({"limits": {"total_s": 0}}, "/limits/total_s"),
        ({"limits": {"total_s": 3600.1}}, "/limits/total_s"),
        ({"on_disconnect": {"cancel_after_s": -0.1}}, "/on_disconnect/cancel_after_s"),
        ({"on_disconnect": {"cancel_after_s": 86401}}, "/on_disconnect/cancel_after_s"),
        ({"settings": {"temperature": 2.1}}, "/settings/temperature"),
        ({"settings": {"temperature": -0.1}}, "/settings/temperature"),
        ({"settings": {"top_p": 1.1}}, "/settings/top_p"),
        ({"settings": {"max_tokens": 0}}, "/settings/max_tokens"),
        ({"settings": {"logprobs": 21}}, "/settings/logprobs"),
        ({"settings": {"seed": 2**63}}, "/settings/seed"),
        ({"settings": {"frequency_penalty": 2.1}}, "/settings/frequency_penalty"),
        ({"settings": {"presence_penalty": -2.1}}, "/settings/presence_penalty"),
        ({"settings": {"stop": ["s"] * 17}}, "/settings/stop"),
        ({"settings": {"stop": ["s", ""]}}, "/settings/stop/1"),
        ({"settings": {"stop": ["s" * 257]}}, "/settings/stop/0"),
        ({"settings": {"tools": [{"name": "f"}] * 129}}, "/settings/tools"),
        ({"messages": [MESSAGE] * 10_001}, "/messages"),
        (image(), "/messages/1/content/1"),
        (image(url="https://a", data="aGk="), "/messages/1/content/1"),
        (image(data="aGk="), "/messages/1/content/1/media_type"),
        (image(data="@@@", media_type="image/png"), "/messages/1/content/1/data"),
        (image(data="aGk", media_type="image/png"), "/messages/1/content/1/data"),
        (image(data="aG\nk=", media_type="image/png"), "/messages/1/content/1/data"),
        (image(data="", media_type="image/png"), "/messages/1/content/1/data"),
        (image(url="http://example.org/cat.png"), "/messages/1/content/1/url"),
        (image(url="file:///etc/passwd"), "/messages/1/content/1/url"),
        (image(url="data:text/html,hi"), "/messages/1/content/1/url"),
    ],
)
def test_what_is_not(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        bounds.check_bounds(request(**changes))
    assert refused.value.extra == {"pointer": pointer}


def test_the_default_request_is_within_its_bounds() -> None:
    bounds.check_bounds(RunRequest("simulated"))


def test_a_bound_says_what_it_is() -> None:
    assert str(bounds.Bound(0, 2)) == "from 0 to 2"
    assert str(bounds.Bound(0, 3600, above=True)) == "more than 0 and at most 3600"

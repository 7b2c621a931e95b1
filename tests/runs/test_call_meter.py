"""What one try at a model call used, and how fast it went."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from headwater.domain import event as ev
from headwater.domain.message import Message, Usage
from headwater.errors import ErrorCode
from headwater.providers.contract import Finish, Item
from headwater.providers.cost import FREE, UNPRICED, Price, Pricing, Rates
from headwater.runs.call_meter import CallMeter
from tests.kit.virtual import VirtualClock
from tests.runs.scene import pause, virtual

#: Nine bytes: three tokens.
ASKED = [Message("user", "Who? When")]
#: A dollar for each token that goes in, ten for each that comes out.
DEAR = Rates(Price(1e6, 1e7))


def meter_of(pricing: Pricing = UNPRICED) -> CallMeter:
    return CallMeter(ASKED, pricing, VirtualClock(asyncio.get_running_loop()))


def report(*counts: int, **more: object) -> ev.UsageReport:
    return ev.UsageReport(Usage(*counts, **more))  # type: ignore[arg-type]  # what Usage takes


@virtual
async def test_what_the_provider_reports_is_kept_and_priced() -> None:
    meter = meter_of(DEAR)
    last: list[Item] = [ev.Chunk("Yes", 0), report(5, 0, 2), Finish("stop")]
    meter.took([])
    meter.took(last)
    assert last[1] == report(5, 0, 2, cost_usd=25.0)
    assert meter.usage == Usage(5, 0, 2, cost_usd=25.0)
    assert meter.missing() is None


@virtual
async def test_what_nobody_reports_is_estimated_from_all_that_came() -> None:
    meter = meter_of(DEAR)
    meter.took([])
    meter.took([ev.Reasoning("hmmm", 0), ev.Chunk("é", 0), ev.Status("streaming")])
    meter.took([ev.ToolCall("call_1", "clock", '{"a":1}'), ev.Refusal("no", 0)])
    # 4 + 2 + 7 + 2 bytes
    assert meter.missing() == Usage(3, 0, 4, 1, cost_usd=43.0, source="estimated")
    assert meter.usage == Usage(3, 0, 4, 1, cost_usd=43.0, source="estimated")
    assert meter.missing() is None


@virtual
async def test_who_never_answered_is_not_paid() -> None:
    meter = meter_of(DEAR)
    assert (meter.missing(), meter.usage) == (None, None)
    meter.took([])
    assert meter.missing() == Usage(3, cost_usd=3.0, source="estimated")


@virtual
async def test_an_error_in_place_of_an_answer_is_not_paid_and_one_in_its_middle_is() -> None:
    stopped = Usage(3, cost_usd=3.0, source="estimated")
    cases = [
        (ErrorCode.OVERLOADED, None),
        (ErrorCode.CANCELLED, stopped),
        (ErrorCode.TIMEOUT, stopped),
        (ErrorCode.PARSE, stopped),
    ]
    for code, missing in cases:
        meter = meter_of(DEAR)
        meter.took([])
        assert meter.missing(code) == missing
    meter = meter_of(DEAR)
    meter.took([ev.Chunk("Yes", 0)])
    assert meter.missing(ErrorCode.OVERLOADED) == Usage(3, 0, 1, cost_usd=13.0, source="estimated")


@pytest.mark.parametrize(
    ("code", "may_be_paid"),
    [
        (ErrorCode.CANCELLED, True),
        (ErrorCode.TIMEOUT, True),
        (ErrorCode.NETWORK, True),
        (ErrorCode.TRUNCATED, True),
        (ErrorCode.PARSE, True),
        (ErrorCode.RATE_LIMIT, False),
        (ErrorCode.SERVER, False),
    ],
)
@virtual
async def test_who_has_the_whole_request_may_have_worked(code: ErrorCode, may_be_paid: bool) -> None:
    assert meter_of(DEAR).missing(code) is None
    missing = meter_of(DEAR).missing(code, is_unanswered=True)
    assert missing == (Usage(3, cost_usd=3.0, source="estimated") if may_be_paid else None)


@pytest.mark.parametrize(
    ("code", "output_tokens", "told"),
    [
        pytest.param(ErrorCode.TRUNCATED, 9, Usage(20, 0, 9, cost_usd=110.0), id="as it was said last"),
        pytest.param(ErrorCode.CANCELLED, 1, Usage(20, 0, 3, cost_usd=50.0), id="more came than was said"),
        pytest.param(ErrorCode.SERVER, 9, Usage(20, 0, 9, cost_usd=110.0), id="an error that says what it cost"),
    ],
)
@virtual
async def test_what_was_reported_until_a_cut_is_an_estimate(code: ErrorCode, output_tokens: int, told: Usage) -> None:
    meter = meter_of(DEAR)
    meter.took([ev.Chunk("half an answ", 0)])
    missing = meter.missing(code, interim=Usage(20, 0, output_tokens))
    assert missing == msgspec.structs.replace(told, source="estimated")
    assert meter.usage == missing


@virtual
async def test_an_error_in_place_of_an_answer_has_used_what_was_reported_before_it() -> None:
    assert meter_of(DEAR).missing(ErrorCode.SERVER) is None
    missing = meter_of(DEAR).missing(ErrorCode.SERVER, interim=Usage(20))
    assert missing == Usage(20, cost_usd=20.0, source="estimated")


@virtual
async def test_an_answer_that_goes_on_after_a_crash_has_used_its_beginning_too() -> None:
    meter = meter_of(DEAR)
    meter.goes_on(None, 40, 8)
    meter.took([ev.Chunk("Yes.", 0)])
    assert meter.missing() == Usage(3, 0, 11, 2, cost_usd=113.0, source="estimated")
    meter = meter_of(DEAR)
    meter.goes_on(Usage(5, 0, 2), 40, 8)
    meter.took([Finish("stop")])
    assert meter.missing() is None


@virtual
async def test_an_unknown_price_is_no_cost_and_a_free_model_s_is_zero() -> None:
    for pricing, cost in ((UNPRICED, None), (FREE, 0.0)):
        meter = meter_of(pricing)
        meter.took([ev.Chunk("Yes", 0)])
        missing = meter.missing()
        assert missing is not None
        assert missing.cost_usd == cost


@virtual
async def test_a_count_of_the_beginning_is_made_up_to_what_came() -> None:
    meter = meter_of(DEAR)
    meter.took([report(100, 90, 1, source="estimated")])
    meter.took([ev.Chunk("x" * 40, 0)])
    # what was asked is as the provider said, what was said is as it came
    assert meter.missing() == Usage(100, 90, 10, cost_usd=200.0, source="estimated")


@virtual
async def test_a_count_that_is_not_below_what_came_stays() -> None:
    meter = meter_of()
    meter.took([ev.Chunk("Yes", 0), report(100, 0, 7, source="estimated")])
    assert meter.missing() is None
    assert meter.usage == Usage(100, 0, 7, source="estimated")


@virtual
async def test_a_first_token_is_waited_for_and_a_rate_is_from_it_on() -> None:
    meter = meter_of()
    assert (meter.first_token_s, meter.tokens_per_s) == (None, None)
    await pause(1)
    meter.took([])
    await pause(2)
    meter.took([ev.Chunk("a", 0)])
    assert meter.first_token_s == pytest.approx(3)
    assert meter.tokens_per_s is None
    await pause(4)
    meter.took([ev.Chunk("b", 0)])
    await pause(5)
    meter.took([report(1, 0, 20), Finish("stop")])
    assert meter.first_token_s == pytest.approx(3)
    assert meter.tokens_per_s == pytest.approx(5)

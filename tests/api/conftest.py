"""A running API for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from tests.api.composed import RunningApi, running_api


@pytest.fixture
async def api() -> AsyncIterator[RunningApi]:
    async with running_api() as running:
        yield running

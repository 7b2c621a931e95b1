"""Every test here has the proxies in front of a product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.proxies.stage import Stage, full_stage


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with full_stage(tmp_path) as stage:
        yield stage

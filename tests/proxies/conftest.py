"""Every test here has the proxies in front of a product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.proxies.stage import Stage, full_stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """For tests that break nothing: six processes are started once a file. Prompts must differ."""
    async with full_stage(tmp_path_factory.mktemp("proxies")) as stage:
        yield stage


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with full_stage(tmp_path) as stage:
        yield stage

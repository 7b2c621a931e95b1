"""The product kit itself: what it says of a server must be able to be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.client import call, start_run
from tests.kit.product import CANARY_KEY, Product, compatible_model, toml_of
from tests.kit.upstream import ScriptedUpstream


async def test_a_key_that_is_written_down_is_found(tmp_path: Path) -> None:
    product = Product(tmp_path / "data")
    await product.start()
    (product.data / "notes").write_text(f"the key is {CANARY_KEY}")
    assert product.leaks() == [product.data / "notes"]
    with pytest.raises(AssertionError, match="key"):
        await product.__aexit__()


async def test_the_canary_is_the_key_that_the_upstream_is_shown(tmp_path: Path) -> None:
    async with (
        ScriptedUpstream() as upstream,
        Product(tmp_path / "data", config={"models": [compatible_model("m", upstream.base_url)]}) as product,
    ):
        run = (await start_run(product.port, model="m")).json()["id"]
        await call(product.port, "GET", f"/api/v1/runs/{run}/events", headers={"accept": "application/x-ndjson"})
        headers = {name.lower(): value for name, value in upstream.requests[0].headers.items()}
        assert headers["authorization"] == f"Bearer {CANARY_KEY}"


def test_a_configuration_is_written_as_toml() -> None:
    text = toml_of({"server": {"port": 1, "allowed_hosts": ["a"]}, "models": [{"name": "m", "allow_private": True}]})
    assert text == '[server]\nport = 1\nallowed_hosts = ["a"]\n[[models]]\nname = "m"\nallow_private = true\n'

"""A running API that asks for keys, and callers who have them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from headwater.admission.key_ring import KeyRing
from headwater.domain.api_key import ApiKey, new_api_key
from headwater.domain.run import Owner
from tests.api.composed import RunningApi, running_api

ANN, BOB = Owner("acme", "ann"), Owner("acme", "bob")


class Keyed(NamedTuple):
    api: RunningApi
    ring: KeyRing
    #: what Ann and Bob show
    ann: str
    bob: str
    keys: list[ApiKey]

    def revoke(self, text: str) -> int:
        """As the watch does it; returns who was cut."""
        self.ring.replace([key for key in self.keys if not key.is_shown_by(text)])
        return self.ring.cut_off()


@asynccontextmanager
async def keyed_api(**changes: Any) -> AsyncIterator[Keyed]:
    ring = KeyRing(lambda: 0)
    made = [new_api_key(owner.user, owner, 0) for owner in (ANN, BOB)]
    ring.replace([key for key, _ in made])
    async with running_api(keys=ring, **changes) as api:
        yield Keyed(api, ring, made[0].text, made[1].text, [key for key, _ in made])


#: Every way in which a key may be shown.
WAYS: Final[dict[str, Callable[[str], dict[str, str]]]] = {
    "authorization": lambda key: {"authorization": f"Bearer {key}"},
    "in small letters": lambda key: {"authorization": f"bearer {key}"},
    "x-api-key": lambda key: {"x-api-key": key},
    "api-key": lambda key: {"api-key": key},
    "cookie": lambda key: {"cookie": f"theme=dark; headwater_key={key}"},
    "beside a proxy's own": lambda key: {"authorization": "Basic YTpi", "x-api-key": key},
}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}

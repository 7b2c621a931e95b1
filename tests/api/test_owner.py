"""Whom a request names: the server's own owner, or the one of two headers."""

from __future__ import annotations

import pytest

from headwater.api.owner import DEFAULT_ORG, named_owner, owner_in
from headwater.domain.run import LOCAL_OWNER, Owner
from headwater.errors import BadRequestError, ForbiddenError
from tests.api.composed import RunningApi
from tests.api.talking import ANN, BOB


@pytest.mark.parametrize(
    ("headers", "owner"),
    [
        ([], LOCAL_OWNER),
        ([(b"x-org-id", b"acme")], Owner("acme", "local")),
        ([(b"x-user-id", b"ann")], Owner(DEFAULT_ORG, "ann")),
        ([(b"x-org-id", b" acme "), (b"x-user-id", b"ann"), (b"x-other", b"x")], Owner("acme", "ann")),
    ],
)
def test_whom_headers_name(headers: list[tuple[bytes, bytes]], owner: Owner) -> None:
    assert owner_in(headers) == owner


@pytest.mark.parametrize("value", [b"", b"a b", b"\xc3\xb6", b"a\x7f", b"x" * 201])
def test_what_can_be_no_name(value: bytes) -> None:
    with pytest.raises(BadRequestError) as refused:
        owner_in([(b"x-user-id", value)])
    assert refused.value.extra == {"parameter": "x-user-id"}


def test_a_name_that_is_given_twice_is_none() -> None:
    with pytest.raises(BadRequestError):
        owner_in([(b"x-org-id", b"acme"), (b"x-org-id", b"other")])


def test_a_query_is_named_by_its_own_names() -> None:
    assert named_owner(None, None) == Owner(DEFAULT_ORG, "local")
    with pytest.raises(BadRequestError) as refused:
        named_owner("a b", None, org_name="orgId", user_name="userId")
    assert refused.value.extra == {"parameter": "orgId"}


def test_a_key_names_its_owner_and_headers_may_say_no_other() -> None:
    ann = Owner("acme", "ann")
    same = [(b"x-org-id", b"acme"), (b"x-user-id", b"ann")]
    for headers in ([], same, same[:1], same[1:]):
        assert owner_in(headers, ann) == ann
    for name, value in ((b"x-org-id", b"other"), (b"x-user-id", b"bob"), (b"x-org-id", b"local")):
        with pytest.raises(ForbiddenError):
            owner_in([(name, value)], ann)
    assert named_owner(None, None, own=ann) == ann
    with pytest.raises(ForbiddenError):
        named_owner(DEFAULT_ORG, None, own=ann)


async def test_a_run_is_its_owners_everywhere(api: RunningApi) -> None:
    mine = (await api.client.post("/api/v1/runs", json={"model": "simulated", "messages": HI}, headers=ANN)).json()
    for headers, status, count in [(ANN, 200, 1), (BOB, 404, 0), ({}, 404, 0)]:
        assert (await api.client.get(f"/api/v1/runs/{mine['id']}", headers=headers)).status_code == status
        assert len((await api.client.get("/api/v1/runs", headers=headers)).json()["runs"]) == count


HI = [{"role": "user", "content": "Hi"}]

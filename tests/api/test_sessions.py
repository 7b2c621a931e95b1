"""What of conversations is kept, and what was thought of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.composed import RunningApi
from tests.api.test_conversation import KNOWN, STREAM, TOKYO, WHOLE, asked, refused

ANN = "/api/conversation/ann"
BOB = "/api/conversation/bob"

# The script of the simulated model speaks at the pace of a real one.
pytestmark = pytest.mark.slow


async def shown(api: RunningApi, session: str, **query: Any) -> dict[str, Any]:
    """The session as it is kept. Whoever has read an answer to its end finds that end here."""
    response = await api.client.get(f"{ANN}/sessions/{session}", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def voted(api: RunningApi, run: str, vote: str, path: str = ANN) -> Any:
    return await api.client.post(f"{path}/feedback", json={"run": run, "vote": vote})


async def test_a_turn_is_kept_with_all_that_came_of_it(api: RunningApi) -> None:
    answer = await asked(api)
    session = answer.json()["session_id"]
    found = await shown(api, session)
    (turn,) = found["turns"]
    assert turn.pop("created_at").endswith("Z")
    assert turn == {
        "run": answer.headers["x-run-id"],
        "message": TOKYO,
        "answer": answer.json()["message"],
        "state": "complete",
        "error": None,
        "context": KNOWN,
        "suggestions": answer.json()["suggestions"],
        "vote": None,
    }
    assert (found["title"], found["context"], found["next"]) == (TOKYO, KNOWN, None)


async def test_a_turn_that_goes_on_is_there_and_says_so(api: RunningApi) -> None:
    async with api.client.stream("POST", STREAM, json={"message": "Hi", "model": "prompted"}) as response:
        found = (await api.client.get(f"{ANN}/sessions/{response.headers['x-session-id']}")).json()
        assert [(turn["message"], turn["answer"], turn["state"]) for turn in found["turns"]] == [("Hi", "", "running")]
        await api.client.post(f"/api/v1/runs/{response.headers['x-run-id']}/cancel")
        await response.aread()
    (turn,) = (await shown(api, response.headers["x-session-id"]))["turns"]
    assert (turn["state"], turn["error"]["code"]) == ("failed", "CANCELLED")


async def test_turns_are_read_back_from_the_end(api: RunningApi) -> None:
    session = (await asked(api)).json()["session_id"]
    for message in ("Hello", "Whatever"):
        await asked(api, message=message, session_id=session)
    last = await shown(api, session, limit=2)
    first = await shown(api, session, limit=2, cursor=last["next"])
    assert [turn["message"] for page in (first, last) for turn in page["turns"]] == [TOKYO, "Hello", "Whatever"]


async def test_sessions_are_listed_newest_first_for_their_user(api: RunningApi) -> None:
    for path, message in [(WHOLE, "One"), (WHOLE, "Two"), (BOB, "Three")]:
        await asked(api, path, message)
    page = (await api.client.get(f"{ANN}/sessions", params={"limit": 1})).json()
    rest = (await api.client.get(f"{ANN}/sessions", params={"limit": 1, "cursor": page["next"]})).json()
    assert [each["title"] for each in (*page["sessions"], *rest["sessions"])] == ["Two", "One"]
    assert rest["next"] is None


async def test_anothers_session_looks_like_one_that_never_was(api: RunningApi) -> None:
    session = (await asked(api)).json()["session_id"]
    others = await api.client.get(f"{BOB}/sessions/{session}")
    unknown = await api.client.get(f"{BOB}/sessions/ses_{'0' * 32}")
    strange = await api.client.get(f"{ANN}/sessions/{session}", headers={"x-org-id": "other"})
    assert refused(others) == (404, "NOT_FOUND")
    assert others.content == unknown.content == strange.content


async def test_a_vote_stays_until_there_is_another(api: RunningApi) -> None:
    answer = await asked(api)
    run, session = answer.headers["x-run-id"], answer.json()["session_id"]
    for vote, kept in [("up", "up"), ("down", "down"), ("none", None), ("up", "up")]:
        response = await voted(api, run, vote)
        assert (response.status_code, response.json()) == (200, {"run": run, "vote": vote})
        assert [turn["vote"] for turn in (await shown(api, session))["turns"]] == [kept]


async def test_votes_are_listed_by_what_they_say(api: RunningApi) -> None:
    runs = [(await asked(api, message=str(place))).headers["x-run-id"] for place in range(3)]
    for run, vote in zip(runs, ("up", "down", "up"), strict=True):
        await voted(api, run, vote)

    async def listed(path: str = ANN, **query: str) -> list[str]:
        response = await api.client.get(f"{path}/feedback", params=query)
        return [each["run"] for each in response.json()["feedback"]]

    assert await listed() == runs[::-1]
    assert (await listed(vote="up"), await listed(vote="down")) == ([runs[2], runs[0]], [runs[1]])
    assert await listed(BOB) == []


async def test_nobody_votes_on_anothers_answer_nor_on_what_is_none(api: RunningApi) -> None:
    run = (await asked(api)).headers["x-run-id"]
    plain = await api.finished()
    for named in (run, "run_" + "0" * 32, plain, "x", ""):
        assert refused(await voted(api, named, "up", BOB)) == (404, "NOT_FOUND")
    assert refused(await voted(api, run, "sideways")) == (400, "BAD_REQUEST")
    assert (await api.client.get(f"{ANN}/feedback")).json()["feedback"] == []


@pytest.mark.parametrize("user", ["x" * 201, "a%0Ab", "%00"])
async def test_what_can_be_no_user_is_refused(api: RunningApi, user: str) -> None:
    for path in (f"/api/conversation/{user}/sessions", f"/api/conversation/{user}/feedback"):
        assert refused(await api.client.get(path)) == (400, "BAD_REQUEST")


async def test_a_run_that_is_deleted_takes_its_turn_and_its_vote_along(api: RunningApi) -> None:
    answer = await asked(api)
    run, session = answer.headers["x-run-id"], answer.json()["session_id"]
    await shown(api, session)
    await voted(api, run, "up")
    assert (await api.client.delete(f"/api/v1/runs/{run}")).status_code == 204
    found = await shown(api, session)
    assert (found["turns"], found["title"], found["context"]) == ([], None, None)
    assert (await api.client.get(f"{ANN}/feedback")).json()["feedback"] == []


async def test_a_session_is_forgotten_with_all_that_was_said_in_it(api: RunningApi) -> None:
    first = await asked(api)
    session, run = first.json()["session_id"], first.headers["x-run-id"]
    await shown(api, session)
    await voted(api, run, "up")
    kept = (await asked(api, message="Hello")).json()["session_id"]
    async with api.client.stream(
        "POST", STREAM, json={"message": "Hi", "model": "prompted", "session_id": session}
    ) as going_on:
        assert (await api.client.delete(f"{BOB}/sessions/{session}")).status_code == 404
        assert len((await shown(api, session))["turns"]) == 2
        assert (await api.client.delete(f"{ANN}/sessions/{session}")).status_code == 204
    for gone in (run, going_on.headers["x-run-id"]):
        assert (await api.client.get(f"/api/v1/runs/{gone}")).status_code == 404
    for method in ("GET", "DELETE"):
        assert refused(await api.client.request(method, f"{ANN}/sessions/{session}")) == (404, "NOT_FOUND")
    assert (await api.client.get(f"{ANN}/feedback")).json()["feedback"] == []
    assert [each["session_id"] for each in (await api.client.get(f"{ANN}/sessions")).json()["sessions"]] == [kept]


async def test_a_turn_that_begins_when_its_session_is_forgotten_is_refused(api: RunningApi) -> None:
    session, submit = (await asked(api)).json()["session_id"], api.services.supervisor.submit

    async def late(*args: Any, **more: Any) -> Any:
        assert (await api.client.delete(f"{ANN}/sessions/{session}")).status_code == 204
        return await submit(*args, **more)

    api.services.supervisor.submit = late  # type: ignore[method-assign]  # the session was there a moment ago
    assert refused(await asked(api, session_id=session)) == (404, "NOT_FOUND")
    assert (await api.client.get("/api/v1/runs")).json()["runs"] == []

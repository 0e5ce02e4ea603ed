"""Open sessions: who sees them, and who ends them."""

from typing import Any

import pytest

from tests.client import Client
from tests.conftest import log_in
from tests.sample_tenant import create_role, create_user
from tests.test_every_route import refusal


@pytest.fixture
def user(client: Client) -> dict[str, Any]:
    return create_user(client)


def list_sessions(client: Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/sessions/list", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def is_signed_in(client: Client) -> bool:
    answer = client.get("/validate-token")
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def test_user_sees_and_ends_their_sessions(anonymous: Client, client: Client, user: dict[str, Any]) -> None:
    first, second = (log_in(anonymous, user["username"]) for _ in range(2))
    rows = list_sessions(first)
    assert [row["is_current"] for row in rows] == [False, True]
    assert {row["user_id"] for row in rows} == {user["id"]}
    assert all(row["ended_at"] is None and row["permissions"] is None for row in rows)
    ended = first.request("DELETE", f"/sessions/{rows[0]['id']}")
    assert ended.status_code == 200
    assert ended.json()["ended_at"]
    assert (is_signed_in(first), is_signed_in(second)) == (True, False)
    assert [row["id"] for row in list_sessions(first)] == [rows[1]["id"]]
    again = first.request("DELETE", f"/sessions/{rows[0]['id']}")
    assert again.json()["ended_at"] == ended.json()["ended_at"]
    query = {"action": "session.end", "subject": f"session:{rows[0]['id']}"}
    assert client.get("/audit/list", params=query).json()["total"] == 1


def test_narrowed_session_says_to_what(anonymous: Client, user: dict[str, Any]) -> None:
    form = {"username": user["username"], "password": "a password for tests", "scope": "can_view"}
    token = anonymous.post("/login/access-token", data=form).json()["access_token"]
    narrow = Client(anonymous.app, anonymous.portal, {"Authorization": f"Bearer {token}"})
    assert list_sessions(narrow)[0]["permissions"] == ["can_view"]


def test_all_others_end_at_once(anonymous: Client, client: Client, user: dict[str, Any]) -> None:
    kept, *others = (log_in(anonymous, user["username"]) for _ in range(3))
    bystander = log_in(anonymous, create_user(client)["username"])
    assert kept.request("DELETE", "/sessions").json() == {"ended": 2}
    assert is_signed_in(kept)
    assert is_signed_in(bystander)
    assert not any(map(is_signed_in, others))
    assert kept.request("DELETE", "/sessions").json() == {"ended": 0}
    query = {"action": "session.end_all", "subject": f"user:{user['id']}"}
    (event,) = client.get("/audit/list", params=query).json()["data"]
    assert event["detail"] == {"sessions": 2}


def test_manager_ends_the_sessions_of_another_user(anonymous: Client, client: Client, user: dict[str, Any]) -> None:
    first, second = (log_in(anonymous, user["username"]) for _ in range(2))
    rows = list_sessions(client, user_id=user["id"])
    assert len(rows) == 2
    assert not any(row["is_current"] for row in rows)
    assert client.request("DELETE", f"/sessions/{rows[0]['id']}").status_code == 200
    assert (is_signed_in(first), is_signed_in(second)) == (True, False)
    assert client.request("DELETE", "/sessions", params={"user_id": user["id"]}).json() == {"ended": 1}
    assert not is_signed_in(first)
    assert is_signed_in(client)


def test_who_may_not_manage_users_touches_no_session_of_others(
    anonymous: Client, client: Client, analyst: Client, user: dict[str, Any]
) -> None:
    theirs = log_in(anonymous, user["username"])
    (row,) = list_sessions(client, user_id=user["id"])
    query = {"user_id": user["id"]}
    for answer in (
        analyst.get("/sessions/list", params=query),
        analyst.request("DELETE", "/sessions", params=query),
        analyst.request("DELETE", f"/sessions/{row['id']}"),
    ):
        assert refusal(answer) == (403, "missing_permission")
    assert is_signed_in(theirs)


def test_manager_has_no_power_over_who_holds_more(anonymous: Client, client: Client) -> None:
    role = create_role(client, "can_manage_users")
    manager = log_in(anonymous, create_user(client, roles=[role["name"]])["username"])
    me = client.post("/login/test-token").json()["id"]
    (session_id, *_) = [row["id"] for row in list_sessions(manager, user_id=me)]
    assert refusal(manager.request("DELETE", f"/sessions/{session_id}")) == (403, "permission_not_held")
    answer = manager.request("DELETE", "/sessions", params={"user_id": me})
    assert refusal(answer) == (403, "permission_not_held")
    assert is_signed_in(client)


def test_another_tenant_has_no_sessions(anonymous: Client, client: Client, stranger: Client) -> None:
    user = create_user(client)
    theirs = log_in(anonymous, user["username"])
    (row,) = list_sessions(client, user_id=user["id"])
    assert refusal(stranger.request("DELETE", f"/sessions/{row['id']}")) == (404, "session_not_found")
    query = {"user_id": user["id"]}
    assert refusal(stranger.get("/sessions/list", params=query)) == (404, "user_not_found")
    assert refusal(stranger.request("DELETE", "/sessions", params=query)) == (404, "user_not_found")
    assert is_signed_in(theirs)


def test_api_key_ends_no_session(anonymous: Client, client: Client) -> None:
    key = client.post("/api-keys", json={"name": "x", "permissions": ["can_manage_users"]}).json()["key"]
    answer = anonymous.request("DELETE", "/sessions", headers={"Authorization": f"Bearer {key}"})
    assert refusal(answer) == (403, "session_needed")

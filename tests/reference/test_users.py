"""Creation and retrieval of users."""

from typing import Any

from tests.client import PASSWORD, Client
from tests.conftest import log_in
from tests.reference.record import shows
from tests.sample_tenant import create_user
from tests.test_every_route import refusal

FIELDS = ("id", "tenant_id", "first_name", "last_name", "email", "username", "is_active")


def own_tenant(client: Client) -> str:
    return client.post("/login/test-token").json()["tenant_id"]


@shows("POST /users/create-user")
def test_created_user_belongs_to_the_tenant_and_can_log_in(anonymous: Client, client: Client) -> None:
    sample = {
        "tenant_id": own_tenant(client),
        "first_name": "jane",
        "last_name": "doe",
        "email": "jane.doe@example.com",
        "username": "janedoe",
        "password": "Password123!",
    }
    answer = client.post("/users/create-user", json=sample)
    assert answer.status_code == 201, answer.text
    assert answer.json().items() >= {name: sample[name] for name in sample if name != "password"}.items()
    assert "Password123!" not in answer.text
    me = log_in(anonymous, "janedoe", "Password123!").post("/login/test-token").json()
    assert me["id"] == answer.json()["id"]
    # The user name and the address are unique.
    other = {"username": "janedoe2", "email": "jane2@example.com"}
    for name in other:
        again = client.post("/users/create-user", json=sample | other | {name: sample[name]})
        assert refusal(again)[0] == 409, name
    for name in ("tenant_id", "email", "username", "password"):
        body = {field: value for field, value in (sample | other).items() if field != name}
        assert client.post("/users/create-user", json=body).status_code == 422, name
    assert client.post("/users/create-user", json=sample | other | {"email": "no address"}).status_code == 422


@shows("POST /users/create-user")
def test_names_of_a_user_may_be_left_out(client: Client) -> None:
    user = create_user(client)
    assert (user["first_name"], user["last_name"]) == (None, None)
    assert client.get(f"/users/{user['id']}").json()["first_name"] is None


@shows("POST /users/create-user")
def test_user_is_not_created_in_another_tenant(client: Client, stranger: Client) -> None:
    mine, theirs = own_tenant(client), own_tenant(stranger)
    body = {"username": "intruder", "email": "intruder@example.com", "password": PASSWORD}
    assert refusal(stranger.post("/users/create-user", json=body | {"tenant_id": mine}))[0] in (403, 404)
    assert stranger.post("/users/create-user", json=body | {"tenant_id": theirs}).json()["tenant_id"] == theirs


def read(client: Client) -> dict[str, Any]:
    return client.get("/users/read-users/", params={"limit": 1000}).json()


@shows("GET /users/read-users")
def test_list_has_every_user_of_the_tenant_as_they_are_now(client: Client, stranger: Client) -> None:
    before = read(client)
    assert before["count"] == len(before["data"])
    named = create_user(client, first_name="Ada", last_name="Byron")
    silent = create_user(client)
    client.request("PUT", f"/users/{silent['id']}", json={"is_active": False})
    after = read(client)
    assert after["count"] == before["count"] + 2
    rows = {row["id"]: row for row in after["data"]}
    expected = {name: named[name] for name in FIELDS}
    assert {name: rows[named["id"]][name] for name in FIELDS} == expected
    assert expected["first_name"] == "Ada"
    assert (rows[named["id"]]["is_active"], rows[silent["id"]]["is_active"]) == (True, False)
    assert {row["tenant_id"] for row in after["data"]} == {own_tenant(client)}
    assert {row["tenant_id"] for row in read(stranger)["data"]} == {own_tenant(stranger)}
    page = client.get("/users/read-users/", params={"limit": 1}).json()
    assert (page["count"], len(page["data"])) == (after["count"], 1)


@shows("GET /users/{user_id}")
def test_user_is_retrieved_by_id(client: Client, stranger: Client) -> None:
    user = create_user(client, first_name="Ada", last_name="Byron")
    client.request("PUT", f"/users/{user['id']}", json={"is_active": False})
    row = next(row for row in read(client)["data"] if row["id"] == user["id"])
    assert client.get(f"/users/{user['id']}").json() == row
    assert (row["email"], row["username"], row["is_active"]) == (user["email"], user["username"], False)
    other = stranger.post("/login/test-token").json()
    assert stranger.get(f"/users/{other['id']}").json()["username"] == "stranger"
    assert refusal(stranger.get(f"/users/{user['id']}"))[0] == 404
    assert refusal(client.get("/users/999999"))[0] == 404

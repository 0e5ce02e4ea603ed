"""Creation of roles and permissions."""

from tests.client import Client
from tests.conftest import log_in
from tests.reference.record import shows
from tests.reference.test_users import own_tenant
from tests.sample_tenant import create_user, get_permission_ids
from tests.test_every_route import refusal


@shows("POST /rbac/roles")
def test_created_role_carries_permissions_to_its_users(anonymous: Client, client: Client, stranger: Client) -> None:
    sample = {"name": "label_maker", "tenant_id": own_tenant(client)}
    answer = client.post("/rbac/roles/", json=sample)
    assert answer.status_code == 201, answer.text
    role = answer.json()
    assert {"name": role["name"], "tenant_id": role["tenant_id"]} == sample
    assert role in client.get("/rbac/roles").json()["data"]
    # The name is unique in its tenant; another tenant may have a role of the same name.
    assert refusal(client.post("/rbac/roles/", json=sample))[0] == 409
    theirs = stranger.post("/rbac/roles/", json={"name": "reader", "tenant_id": own_tenant(stranger)}).json()
    assert theirs["tenant_id"] != role["tenant_id"]
    assert role["id"] not in [row["id"] for row in stranger.get("/rbac/roles").json()["data"]]
    assert refusal(stranger.post("/rbac/roles/", json=sample | {"name": "x"}))[0] in (403, 404)

    user = log_in(anonymous, create_user(client, roles=["label_maker"])["username"])
    body = {"template_name": "Labels"}
    assert refusal(user.post("/template/", json=body))[0] == 403
    permission = get_permission_ids(client)["can_edit_templates"]
    client.request("PUT", f"/rbac/roles/{role['id']}/permissions/{permission}")
    assert user.post("/template/", json=body).status_code == 201


@shows("POST /rbac/permissions")
def test_created_permission_is_carried_by_a_role(anonymous: Client, client: Client, stranger: Client) -> None:
    sample = {"name": "can_print_labels", "tenant_id": own_tenant(client)}
    answer = client.post("/rbac/permissions/", json=sample)
    assert answer.status_code == 201, answer.text
    permission = answer.json()
    assert {"name": permission["name"], "tenant_id": permission["tenant_id"]} == sample
    assert get_permission_ids(client)["can_print_labels"] == permission["id"]
    assert refusal(client.post("/rbac/permissions/", json=sample))[0] == 409
    other = stranger.post("/rbac/permissions/", json={"name": "can_sing", "tenant_id": own_tenant(stranger)}).json()
    assert other["tenant_id"] == own_tenant(stranger)
    assert "can_print_labels" not in get_permission_ids(stranger)

    role = client.post("/rbac/roles/", json={"name": "printer", "tenant_id": sample["tenant_id"]}).json()
    user = log_in(anonymous, create_user(client, roles=["printer"])["username"])
    assert user.post("/login/test-token").json()["permissions"] == []
    client.request("PUT", f"/rbac/roles/{role['id']}/permissions/{permission['id']}")
    assert user.post("/login/test-token").json()["permissions"] == ["can_print_labels"]

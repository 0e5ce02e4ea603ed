"""Users, roles and the audit log, for those who manage them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dataml.ops import status
from tests.client import PASSWORD, Client
from tests.console.browser import Browser, signed_in
from tests.dataset.datasets import new_name
from tests.sample_tenant import create_role, create_user, get_permission_ids

HOSTILE = "<script>alert(1)</script> 😀 שלום " + "x" * 60
PAGES = ["/admin/users", "/admin/users/new", "/admin/users/1", "/admin/roles", "/admin/audit"]


@pytest.mark.parametrize("path", PAGES)
def test_page_is_for_managers_only(admin: Browser, anonymous: Client, path: str) -> None:
    assert admin.get(path).status_code == 200
    analyst = signed_in(anonymous, "analyst")
    assert analyst.get(path).status_code == 403
    assert "/admin/" not in analyst.get("/").text


def form_of(**fields: Any) -> dict[str, Any]:
    name = new_name("user").lower()
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "roles": ["analyst"]} | fields


def make(admin: Browser, **fields: Any) -> tuple[str, str]:
    """Make a user with the form; return the address of their page, and their name."""
    form = form_of(**fields)
    answer = admin.send("/admin/users/new", **form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0], form["username"]


def test_user_is_made_changed_and_kept_out(client: Client, anonymous: Client, admin: Browser) -> None:
    page, name = make(admin, first_name=HOSTILE, roles=["analyst", "service"])
    user_id = int(page.rpartition("/")[2])
    user = client.get(f"/users/{user_id}").json()
    assert (user["first_name"], user["roles"]) == (HOSTILE.strip(), ["analyst", "service"])
    for path in (page, f"/admin/users?q={name}"):
        text = admin.get(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
    browser = signed_in(anonymous, name)
    changed = admin.send(page, first_name="Ada", last_name="", email="")
    assert changed.status_code == 303
    assert client.get(f"/users/{user_id}").json() | {"first_name": "Ada", "last_name": None, "email": None} == (
        client.get(f"/users/{user_id}").json()
    )
    assert admin.send(f"{page}/active", is_active="false").status_code == 303
    assert "deactivated" in admin.get(page).text
    assert browser.get("/").headers["location"].startswith("/sign-in")
    assert admin.send(f"{page}/active", is_active="true").status_code == 303
    assert Browser(anonymous).sign_in(name).status_code == 303


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"username": "two words"}, "username"),
        ({"email": "nowhere"}, "email"),
        ({"password": "short"}, "12"),
        ({"roles": ["no such role"]}, "role"),
        ({"username": "admin"}, "taken"),
    ],
    ids=["name", "email", "password", "role", "taken"],
)
def test_refused_user_is_explained_and_what_was_typed_is_kept(admin: Browser, fields: Any, text: str) -> None:
    form = form_of(first_name="Grace") | fields
    answer = admin.send("/admin/users/new", **form)
    assert answer.status_code in (404, 409, 422)
    alert = re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)
    assert alert
    assert text in alert[1]
    assert 'value="Grace"' in answer.text
    assert PASSWORD not in answer.text


def test_roles_of_a_user_are_those_that_were_ticked(client: Client, admin: Browser) -> None:
    page, _ = make(admin)
    role = create_role(client, "can_view")
    ids = {row["name"]: row["id"] for row in client.get("/rbac/roles", params={"limit": 1000}).json()["data"]}
    answer = admin.send(f"{page}/roles", held=[ids["analyst"]], roles=[role["id"], ids["service"]])
    assert answer.status_code == 303
    user = client.get(f"/users/{page.rpartition('/')[2]}").json()
    assert set(user["roles"]) == {role["name"], "service"}


def test_last_administrator_stays(client: Client, admin: Browser) -> None:
    me = client.post("/login/test-token").json()
    roles = client.get("/rbac/roles", params={"name": "admin"}).json()["data"]
    answer = admin.send(f"/admin/users/{me['id']}/roles", held=[roles[0]["id"]])
    assert answer.status_code == 409
    assert "without an administrator" in answer.text
    assert admin.get("/admin/users").status_code == 200


def test_password_is_set_or_made_up(anonymous: Client, admin: Browser) -> None:
    page, name = make(admin)
    assert admin.send(f"{page}/password", new_password="a typed new password").status_code == 303
    assert Browser(anonymous).sign_in(name, "a typed new password").status_code == 303
    answer = admin.send(f"{page}/password", new_password="")
    found = re.search(r'<pre id="new-password"[^>]*>([^<]+)</pre>', answer.text)
    assert answer.status_code == 200
    assert found
    assert Browser(anonymous).sign_in(name, found[1]).status_code == 303
    assert found[1] not in admin.get(page).text
    refused = admin.send(f"{page}/password", new_password="short")
    assert refused.status_code == 422


def test_keys_of_a_user_are_revoked(anonymous: Client, admin: Browser) -> None:
    page, name = make(admin)
    signed_in(anonymous, name).send("/account/keys/new", name="of a service", permissions="can_predict")
    text = admin.get(page).text
    assert "of a service" in text
    (path,) = re.findall(rf'action="({page}/keys/\d+/revoke)"', text)
    assert admin.send(path).status_code == 303
    assert "of a service" not in admin.get(page).text


def test_user_manager_without_roles_sees_no_boxes(client: Client, anonymous: Client) -> None:
    role = create_role(client, "can_view", "can_manage_users")
    manager = signed_in(anonymous, create_user(client, roles=[role["name"]])["username"])
    other = create_user(client, roles=[])
    page = manager.get(f"/admin/users/{other['id']}")
    assert page.status_code == 200
    assert f"/admin/users/{other['id']}/roles" not in page.text
    assert manager.send(f"/admin/users/{other['id']}/roles", roles=[role["id"]]).status_code == 403
    assert manager.get("/admin/users/new").status_code == 200
    assert manager.get("/admin/roles").status_code == 403


def test_another_tenant_does_not_touch_users(client: Client, anonymous: Client, admin: Browser) -> None:
    page, _ = make(admin)
    stranger = signed_in(anonymous, "stranger")
    assert stranger.get(page).status_code == 404
    for path, form in (
        ("", {"email": "a@b.c"}),
        ("/active", {"is_active": "false"}),
        ("/password", {}),
        ("/roles", {}),
    ):
        answer = stranger.send(page + path, **form)
        assert answer.status_code in (303, 404)
    assert client.get(f"/users/{page.rpartition('/')[2]}").json()["is_active"]


def held_by(client: Client, role_id: int) -> set[str]:
    rows = client.get("/rbac/roles", params={"limit": 1000}).json()["data"]
    return set(next(row for row in rows if row["id"] == role_id)["permissions"])


def test_matrix_changes_what_was_ticked_and_nothing_else(client: Client, admin: Browser) -> None:
    role = create_role(client, "can_view", "can_predict")
    ids = get_permission_ids(client)
    shown = [f"{role['id']}:{ids[name]}" for name in ("can_view", "can_predict")]
    text = admin.get(f"/admin/roles?q={role['name']}").text
    assert all(f'name="held" value="{cell}"' in text for cell in shown)
    # Another administrator grants one more after the page was loaded.
    path = f"/rbac/roles/{role['id']}/permissions"
    assert client.request("PUT", f"{path}/{ids['can_train_models']}").status_code == 200
    holds = [shown[0], f"{role['id']}:{ids['can_upload_datasets']}"]
    answer = admin.send("/admin/roles", held=shown, holds=holds)
    assert answer.status_code == 303
    assert held_by(client, role["id"]) == {"can_view", "can_upload_datasets", "can_train_models"}


def test_cells_that_are_no_ids_change_nothing(client: Client, admin: Browser) -> None:
    before = client.get("/rbac/roles", params={"limit": 1000}).json()
    for cell in ("x:y", "1", "1:2/../3", "1:٣٣٣", ""):
        assert admin.send("/admin/roles", holds=[cell]).status_code in (303, 404)
    assert client.get("/rbac/roles", params={"limit": 1000}).json() == before


def test_roles_and_permissions_are_made(client: Client, admin: Browser) -> None:
    name = new_name("<b>role</b>")
    assert admin.send("/admin/roles/new", name=name).status_code == 303
    assert client.get("/rbac/roles", params={"name": name}).json()["total"] == 1
    assert "<b>role" not in admin.get(f"/admin/roles?q={name}").text
    again = admin.send("/admin/roles/new", name=name)
    assert again.status_code == 409
    assert "already" in again.text
    own = new_name("can_x").lower().replace("-", "_")
    assert admin.send("/admin/permissions/new", name=own).status_code == 303
    assert own in admin.get("/admin/roles").text
    refused = admin.send("/admin/permissions/new", name="Not Like This")
    assert refused.status_code == 422
    assert 'value="Not Like This"' in refused.text


def test_audit_log_is_filtered(client: Client, anonymous: Client, admin: Browser) -> None:
    page, name = make(admin)
    assert Browser(anonymous).sign_in(name, "a wrong password").status_code == 401
    user_id = page.rpartition("/")[2]
    made = admin.get(f"/admin/audit?action=user.create&subject=user:{user_id}").text
    assert "1</data> events" in made
    assert f'href="{page}"' in made
    assert name in made
    failed = admin.get(f"/admin/audit?outcome=failure&subject=user:{user_id}").text
    assert "session.open" in failed
    assert "Nothing matches." in admin.get("/admin/audit?since=2100-01-01").text
    assert "Nothing matches." in admin.get("/admin/audit?until=2001-01-01").text
    assert admin.get("/admin/audit?since=tomorrow").status_code == 422
    assert admin.get("/admin/audit?outcome=maybe").status_code == 422


def test_audit_log_of_another_tenant_is_for_platform_administrators(anonymous: Client, admin: Browser) -> None:
    text = admin.get("/admin/audit").text
    other = re.findall(r'<option value="([0-9a-f-]{36})"', text)
    assert other
    answer = admin.get(f"/admin/audit?tenant_id={other[0]}")
    assert answer.status_code == 200
    stranger = signed_in(anonymous, "stranger")
    assert 'name="tenant_id"' not in stranger.get("/admin/audit").text
    mine = re.search(r'"tenant_id":"([^"]+)"', admin.get("/console/api/users/1").text)
    assert mine
    assert stranger.get(f"/admin/audit?tenant_id={mine[1]}").status_code == 404


def test_role_that_nobody_has_is_deleted(client: Client, admin: Browser) -> None:
    role = create_role(client, "can_view")
    user = create_user(client, roles=[role["name"]])
    path = f"/admin/roles/{role['id']}/delete"
    assert path in admin.get(f"/admin/roles?q={role['name']}").text
    refused = admin.send(path)
    assert refused.status_code == 409
    assert "users with this role" in refused.text
    page = f"/admin/users/{user['id']}"
    assert admin.send(f"{page}/roles", held=[role["id"]]).status_code == 303
    assert admin.send(path).status_code == 303
    assert path not in admin.get(f"/admin/roles?q={role['name']}").text


def test_sessions_of_a_user_are_ended(anonymous: Client, admin: Browser) -> None:
    page, name = make(admin)
    assert "signed in nowhere" in admin.get(page).text
    theirs = signed_in(anonymous, name)
    assert f"{page}/sessions/end" in admin.get(page).text
    assert admin.send(f"{page}/sessions/end").status_code == 303
    assert theirs.get("/").status_code == 303
    assert signed_in(anonymous, "analyst").send(f"{page}/sessions/end").status_code == 403


TENANT_PAGES = ["/admin/tenants", "/admin/health"]


@pytest.mark.parametrize("path", TENANT_PAGES)
def test_page_is_for_platform_administrators_only(admin: Browser, anonymous: Client, path: str) -> None:
    assert admin.get(path).status_code == 200
    stranger = signed_in(anonymous, "stranger")
    assert stranger.get(path).status_code == 403
    assert path not in stranger.get("/").text


def test_tenant_is_made_with_its_administrator_closed_and_opened(anonymous: Client, admin: Browser) -> None:
    answer = admin.send("/admin/tenants", name=new_name("acme"))
    assert answer.status_code == 303, answer.text
    page = answer.headers["location"].partition("?")[0]
    form = {name: value for name, value in form_of().items() if name != "roles"}
    assert admin.send(f"{page}/administrators", **form).status_code == 303
    first = signed_in(anonymous, form["username"])
    assert "/admin/users" in first.get("/").text
    assert first.send(f"{page}/quota", quota_gb="5").status_code == 403
    taken = admin.send(f"{page}/administrators", **form)
    assert taken.status_code == 409
    assert "taken" in taken.text
    assert PASSWORD not in taken.text
    assert admin.send(f"{page}/active", is_active="false").status_code == 303
    assert "closed" in admin.get(page).text
    assert first.get("/").status_code == 303
    assert admin.send(f"{page}/active", is_active="true").status_code == 303
    assert Browser(anonymous).sign_in(form["username"]).status_code == 303


def test_own_tenant_is_not_closed(client: Client, admin: Browser) -> None:
    own = client.post("/login/test-token").json()["tenant_id"]
    page = admin.get(f"/admin/tenants/{own}").text
    assert "/active" not in page
    assert admin.send(f"/admin/tenants/{own}/active", is_active="false").status_code == 409
    assert admin.get("/").status_code == 200


@pytest.mark.parametrize("typed", ["x", "-1", "0", "1e400", "nan"])
def test_quota_that_is_no_size_is_refused_and_kept(client: Client, admin: Browser, typed: str) -> None:
    own = client.post("/login/test-token").json()["tenant_id"]
    answer = admin.send(f"/admin/tenants/{own}/quota", quota_gb=typed)
    assert answer.status_code == 422, answer.text
    assert 'role="alert"' in answer.text
    assert f'value="{typed}"' in answer.text


def test_quota_of_a_tenant_is_set_and_cleared(client: Client, admin: Browser) -> None:
    own = client.post("/login/test-token").json()["tenant_id"]
    page = f"/admin/tenants/{own}"
    assert admin.send(f"{page}/quota", quota_gb="1.5").status_code == 303
    assert client.get(f"/tenants/{own}").json()["quota_bytes"] == 1_500_000_000
    assert 'value="1.5"' in admin.get(page).text
    assert "1.5 GB" in admin.get("/admin/tenants").text
    assert admin.send(f"{page}/quota", quota_gb="").status_code == 303
    assert client.get(f"/tenants/{own}").json()["quota_bytes"] is None


def test_refused_tenant_is_explained(admin: Browser) -> None:
    answer = admin.send("/admin/tenants", name="two words")
    assert answer.status_code == 422
    assert 'value="two words"' in answer.text
    assert admin.get("/admin/tenants/none").status_code == 404


def test_health_says_what_to_look_at(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    page = admin.get("/admin/health").text
    assert "SQLite" in page or "PostgreSQL" in page
    assert "No supervisor has renewed its lease" not in page
    for text in ("Predictions in real time", "Prediction log", "99 % within", "Workers started again"):
        assert text in page
    monkeypatch.setattr(status, "utc_now", lambda: datetime.now(UTC) + timedelta(days=1))
    assert "No supervisor has renewed its lease" in admin.get("/admin/health").text


def test_matrix_of_many_roles_has_pages(client: Client, admin: Browser) -> None:
    made = [create_role(client)["name"] for _ in range(25)]
    first = admin.get("/admin/roles")
    assert len(first.content) < 150_000
    assert "/admin/roles?offset=20" in first.text
    assert made[-1] not in first.text
    last = (client.get("/rbac/roles").json()["total"] - 1) // 20 * 20
    assert made[-1] in admin.get(f"/admin/roles?offset={last}").text

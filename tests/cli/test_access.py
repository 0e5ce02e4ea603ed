"""`dataml users`, `roles`, `keys`, `tenants` and `audit`."""

from datetime import datetime, timedelta

import pytest

from dataml.cli.exit_codes import ExitCode
from tests.cli.conftest import CommandLine
from tests.client import PASSWORD
from tests.dataset.datasets import new_name


@pytest.fixture
def user(admin: CommandLine) -> str:
    """The name of a new analyst."""
    name = new_name("user")
    words = ("users", "create", name, "--email", f"{name}@example.com")
    assert admin.data(*words, DATAML_NEW_PASSWORD=PASSWORD)["roles"] == ["analyst"]
    return name


def test_user_is_created_with_a_password_from_stdin(admin: CommandLine, nobody: CommandLine) -> None:
    name = new_name("user")
    words = ("users", "create", name, "--email", f"{name}@example.com", "--role", "service", "--password-stdin")
    assert admin.data(*words, stdin=f"{PASSWORD}\n")["roles"] == ["service"]
    assert nobody.run("login", "-u", name, DATAML_PASSWORD=PASSWORD).exit_code == 0
    assert name in [row["username"] for row in admin.data("users", "list")["data"]]
    assert name in admin.run("users", "list").stdout


def test_user_without_a_password_is_wrong_usage(admin: CommandLine) -> None:
    message = admin.refused(ExitCode.USAGE, "users", "create", "x", "--email", "x@example.com")
    assert "DATAML_NEW_PASSWORD" in message


def test_user_that_the_platform_refuses_is_exit_code_1(admin: CommandLine, user: str) -> None:
    words = ("users", "create", user, "--email", "x@example.com")
    assert "[" in admin.refused(ExitCode.FAILED, *words, DATAML_NEW_PASSWORD=PASSWORD)


def test_user_is_deactivated_and_activated(admin: CommandLine, nobody: CommandLine, user: str) -> None:
    assert admin.data("users", "deactivate", user)["is_active"] is False
    nobody.refused(ExitCode.FORBIDDEN, "login", "-u", user, DATAML_PASSWORD=PASSWORD)
    assert admin.data("users", "activate", user)["is_active"] is True
    assert nobody.run("login", "-u", user, DATAML_PASSWORD=PASSWORD).exit_code == 0


def test_roles_are_granted_and_revoked(admin: CommandLine, user: str) -> None:
    role = new_name("role")
    admin.data("roles", "create", role)
    assert admin.data("roles", "grant", role, "can_view")["permissions"] == ["can_view"]
    assert admin.data("users", "grant", user, role)["roles"] == ["analyst", role]
    assert admin.data("users", "revoke", user, "analyst")["roles"] == [role]
    assert admin.data("roles", "revoke", role, "can_view")["permissions"] == []
    assert role in admin.run("roles", "list").stdout
    admin.data("users", "revoke", user, role)
    assert admin.data("roles", "delete", role, "--yes")["name"] == role
    assert role not in admin.run("roles", "list").stdout
    assert "can_view" in [row["name"] for row in admin.data("roles", "permissions")["data"]]


def test_password_is_reset_by_its_user_and_by_an_administrator(
    admin: CommandLine, nobody: CommandLine, user: str
) -> None:
    nobody.run("login", "-u", user, DATAML_PASSWORD=PASSWORD)
    second, third = "a second password for tests", "a third password for tests"
    assert nobody.run("users", "reset-password", DATAML_PASSWORD=PASSWORD, DATAML_NEW_PASSWORD=second).exit_code == 0
    assert admin.run("users", "reset-password", user, "--password-stdin", stdin=third).exit_code == 0
    nobody.refused(ExitCode.FORBIDDEN, "login", "-u", user, DATAML_PASSWORD=second)
    assert nobody.run("login", "-u", user, DATAML_PASSWORD=third).exit_code == 0


def test_unknown_names_are_exit_code_4(admin: CommandLine, user: str) -> None:
    assert "no user 'absent'" in admin.refused(ExitCode.NOT_FOUND, "users", "grant", "absent", "admin")
    assert "no role 'absent'" in admin.refused(ExitCode.NOT_FOUND, "users", "grant", user, "absent")
    assert "no permission 'absent'" in admin.refused(ExitCode.NOT_FOUND, "roles", "grant", "admin", "absent")
    admin.refused(ExitCode.NOT_FOUND, "users", "deactivate", "999999")


@pytest.mark.parametrize("words", [("users", "list"), ("roles", "list"), ("roles", "create", "x")])
def test_command_without_the_permission_is_exit_code_3(viewer: CommandLine, words: tuple[str, ...]) -> None:
    assert "can_manage_" in viewer.refused(ExitCode.FORBIDDEN, *words)


def test_user_of_another_tenant_does_not_exist(admin: CommandLine, other_tenant: CommandLine, user: str) -> None:
    user_id = next(row["id"] for row in admin.data("users", "list")["data"] if row["username"] == user)
    other_tenant.refused(ExitCode.NOT_FOUND, "users", "deactivate", user_id)
    other_tenant.refused(ExitCode.NOT_FOUND, "users", "deactivate", user)


def test_key_is_shown_once_and_revoked(admin: CommandLine, nobody: CommandLine) -> None:
    day = (datetime.now() + timedelta(days=30)).date().isoformat()
    created = admin.data("keys", "create", "nightly", "--permission", "can_view", "--expires", day)
    assert datetime.fromisoformat(created["expires_at"]).astimezone().date().isoformat() == day
    listed = admin.data("keys", "list")["data"]
    assert created["id"] in [row["id"] for row in listed]
    assert created["key"] not in admin.run("keys", "list", "-o", "json").stdout
    assert nobody.run("datasets", "list", "--api-key", created["key"]).exit_code == 0
    assert "--yes" in admin.refused(ExitCode.USAGE, "keys", "revoke", created["id"])
    assert admin.data("keys", "revoke", created["id"], "--yes")["revoked_at"]
    nobody.refused(ExitCode.FORBIDDEN, "datasets", "list", "--api-key", created["key"])


def test_key_beyond_the_own_permissions_is_refused(viewer: CommandLine) -> None:
    message = viewer.refused(ExitCode.FORBIDDEN, "keys", "create", "x", "--permission", "can_train_models")
    assert "can_train_models" in message


def test_user_and_role_are_shown(admin: CommandLine, user: str) -> None:
    shown = admin.data("users", "show", user)
    assert admin.data("users", "show", shown["id"])["username"] == user
    role = admin.data("roles", "create", new_name("role"), "--permission", "can_view")
    assert admin.data("roles", "show", role["id"]) == admin.data("roles", "show", role["name"])
    assert role["permissions"] == ["can_view"]


def test_tenant_is_created_with_a_user_and_closed(admin: CommandLine, nobody: CommandLine) -> None:
    tenant, name = new_name("tenant"), new_name("user")
    created = admin.data("tenants", "create", tenant)
    assert admin.data("tenants", "show", created["id"]) == admin.data("tenants", "show", tenant) == created
    words = ("users", "create", name, "--email", f"{name}@example.com", "--tenant", tenant, "--role", "admin")
    assert admin.data(*words, DATAML_NEW_PASSWORD=PASSWORD)["tenant_id"] == created["id"]
    assert nobody.run("login", "-u", name, DATAML_PASSWORD=PASSWORD).exit_code == 0
    assert tenant in admin.run("tenants", "list").stdout
    assert "--yes" in admin.refused(ExitCode.USAGE, "tenants", "close", tenant)
    assert admin.data("tenants", "close", tenant, "--yes")["is_active"] is False
    nobody.refused(ExitCode.FORBIDDEN, "datasets", "list")
    admin.refused(ExitCode.NOT_FOUND, "tenants", "close", "absent", "--yes")


def test_audit_log_is_filtered(admin: CommandLine, viewer: CommandLine, user: str) -> None:
    user_id = admin.data("users", "show", user)["id"]
    admin.data("users", "deactivate", user)
    words = ("audit", "--subject", f"user:{user_id}", "--user", "admin")
    (row,) = admin.data(*words, "--action", "user.deactivate")["data"]
    assert row["outcome"] == "success"
    assert f"user:{user_id}" in admin.run(*words).stdout
    tomorrow = (datetime.now() + timedelta(days=1)).date().isoformat()
    assert admin.data(*words, "--since", tomorrow)["data"] == []
    assert admin.data(*words, "--until", tomorrow)["data"]
    admin.refused(ExitCode.USAGE, "audit", "--outcome", "nonsense")
    viewer.refused(ExitCode.FORBIDDEN, "audit")


@pytest.mark.parametrize("words", [("list",), ("create", "x"), ("show", "default")])
def test_tenants_are_of_administrators_of_the_platform(other_tenant: CommandLine, words: tuple[str, ...]) -> None:
    other_tenant.refused(ExitCode.FORBIDDEN, "tenants", *words)


def test_sessions_are_listed_and_ended(admin: CommandLine, user: str) -> None:
    rows = admin.data("sessions", "list", "--limit", "1000")["data"]
    assert [row for row in rows if row["is_current"]]
    user_id = str(admin.data("users", "show", user)["id"])
    assert admin.data("sessions", "list", "--user-id", user_id)["data"] == []
    assert admin.data("sessions", "end-others", "--user-id", user_id, "--yes") == {"ended": 0}


def test_tenant_has_a_quota_and_is_reopened(admin: CommandLine) -> None:
    name = new_name("tenant")
    admin.data("tenants", "create", name)
    assert admin.data("tenants", "quota", name, "5000")["quota_bytes"] == 5000
    assert admin.data("tenants", "quota", name, "none")["quota_bytes"] is None
    admin.refused(ExitCode.USAGE, "tenants", "quota", name, "much")
    assert admin.data("tenants", "close", name, "--yes")["is_active"] is False
    assert admin.data("tenants", "reopen", name)["is_active"] is True

"""The routes of the pages about accounts, and of administration."""

from starlette.routing import Route

from dataml.console.views import account, audit, health, roles, tenants, users
from dataml.console.visit import page


def create_routes() -> list[Route]:
    """Return the routes of the own account, users, roles, tenants, the audit log and health."""
    return [
        page("/account", account.show),
        page("/account/password", account.change_password, "POST"),
        page("/account/keys", account.show_keys),
        page("/account/keys/new", account.create_key, "POST"),
        page("/account/keys/{key_id:int}/revoke", account.revoke_key, "POST"),
        page("/account/sessions", account.show_sessions),
        page("/account/sessions/end", account.end_other_sessions, "POST"),
        page("/account/sessions/{session_id:int}/end", account.end_session, "POST"),
        page("/admin/users", users.show_all),
        page("/admin/users/new", users.show_form),
        page("/admin/users/new", users.create, "POST"),
        page("/admin/users/{user_id:int}", users.show),
        page("/admin/users/{user_id:int}", users.update, "POST"),
        page("/admin/users/{user_id:int}/roles", users.set_roles, "POST"),
        page("/admin/users/{user_id:int}/active", users.set_active, "POST"),
        page("/admin/users/{user_id:int}/password", users.reset_password, "POST"),
        page("/admin/users/{user_id:int}/keys/{key_id:int}/revoke", users.revoke_key, "POST"),
        page("/admin/users/{user_id:int}/sessions/end", users.end_sessions, "POST"),
        page("/admin/roles", roles.show),
        page("/admin/roles", roles.change, "POST"),
        page("/admin/roles/new", roles.create_role, "POST"),
        page("/admin/permissions/new", roles.create_permission, "POST"),
        page("/admin/roles/{role_id:int}/delete", roles.delete_role, "POST"),
        page("/admin/audit", audit.show),
        page("/admin/tenants", tenants.show_all),
        page("/admin/tenants", tenants.create, "POST"),
        page("/admin/tenants/{tenant_id}", tenants.show),
        page("/admin/tenants/{tenant_id}/quota", tenants.set_quota, "POST"),
        page("/admin/tenants/{tenant_id}/active", tenants.set_active, "POST"),
        page("/admin/tenants/{tenant_id}/administrators", tenants.add_administrator, "POST"),
        page("/admin/health", health.show),
    ]

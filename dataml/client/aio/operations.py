# Generated from the OpenAPI document by `make client`: change the platform's routes.
"""Every call of the API as a method, by its operation id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from dataml.client.aio.transport import new_idempotency_key

if TYPE_CHECKING:
    from dataml.client import schemas
    from dataml.client.aio.transport import Transport
    from dataml.client.multipart import FilePart, ReportBytes


class Operations:
    """The calls of one platform; each raises `ApiError` when it is refused, and `NotConnected` without an answer."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def log_in(self, body: schemas.Body_log_in) -> schemas.TokenAnswer:
        """Log in with a form; send the `access_token` as a bearer token with every other call.

        `scope` narrows the session to the permissions that it names, with a space between: of those the user holds
        the named ones, and nothing that only administrators of the platform may do. A refresh keeps it. A name that
        is no permission is refused, and so is a scope of which the user holds nothing.

        Args:
            body: What is sent, as a form.
        """
        return await self._transport.call("POST", "/api/v1/login/access-token", form=body)

    async def test_token(self) -> schemas.CallerAnswer:
        """Show whose bearer token it is, and what it allows."""
        return await self._transport.call("POST", "/api/v1/login/test-token")

    async def refresh_token(
        self, body: schemas.RefreshRequest | None = None, *, refresh_token: str | None = None
    ) -> schemas.TokenAnswer:
        """Exchange a refresh token for a new access token and a new refresh token.

        The old refresh token is invalid then. Using it again ends the session, except within 10 seconds, when the
        answer is the same.

        Args:
            body: What is sent, as JSON.
            refresh_token: Better sent in the body, which no log and no browser history keeps.
        """
        return await self._transport.call("POST", "/api/v1/refresh", body=body, query={"refresh_token": refresh_token})

    async def log_out(
        self, body: schemas.RefreshRequest | None = None, *, refresh_token: str | None = None
    ) -> schemas.DoneAnswer:
        """End the session of a refresh token: its access tokens are invalid from the next request on.

        Args:
            body: What is sent, as JSON.
            refresh_token: Better sent in the body, which no log and no browser history keeps.
        """
        return await self._transport.call("POST", "/api/v1/logout", body=body, query={"refresh_token": refresh_token})

    async def reset_password(
        self,
        body: schemas.ResetPassword | None = None,
        *,
        user_name: str | None = None,
        new_password: str | None = None,
        current_password: str | None = None,
    ) -> schemas.DoneAnswer:
        """Set the own password, with `current_password`, or another user's, with `can_manage_users`.

        All sessions of that user end.

        Args:
            body: What is sent, as JSON.
            user_name: Better sent in the body, which no log and no browser history keeps.
            new_password: Better sent in the body, which no log and no browser history keeps.
            current_password: Better sent in the body, which no log and no browser history keeps.
        """
        return await self._transport.call(
            "POST",
            "/api/v1/reset-password",
            body=body,
            query={"user_name": user_name, "new_password": new_password, "current_password": current_password},
        )

    async def validate_token(self) -> schemas.StatusAnswer:
        """Answer 200 when the bearer token is valid, else 401 with the reason."""
        return await self._transport.call("GET", "/api/v1/validate-token")

    async def list_sessions(
        self,
        *,
        user_id: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal["id", "-id", "created_at", "-created_at", "expires_at", "-expires_at"] | None = None,
    ) -> schemas.SessionList:
        """List your open sessions, newest first: each is a login that has not ended.

        Args:
            user_id: Whose; another's needs can_manage_users.
            limit: Rows to return at most.
            offset: Rows to skip.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/sessions/list",
            query={"user_id": user_id, "limit": limit, "offset": offset, "since": since, "until": until, "sort": sort},
        )

    async def end_session(self, session_id: int) -> schemas.SessionAnswer:
        """End a session: its tokens are refused from the next request on.

        Another user's needs can_manage_users.

        Args:
            session_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/sessions/{quote(str(session_id), safe='')}")

    async def end_other_sessions(self, *, user_id: int | None = None) -> schemas.SessionsEnded:
        """End all your sessions but the one that calls, or all those of another user.

        API keys stay valid.

        Args:
            user_id: Whose; another's needs can_manage_users.
        """
        return await self._transport.call("DELETE", "/api/v1/sessions", query={"user_id": user_id})

    async def create_user(self, body: schemas.CreateUser, *, idempotency_key: str | None = None) -> schemas.UserAnswer:
        """Make a user, with roles that hold no more than you do.

        Args:
            body: What is sent, as JSON.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST", "/api/v1/users/create-user", body=body, idempotency_key=idempotency_key or new_idempotency_key()
        )

    async def list_users(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        username: str | None = None,
        name: str | None = None,
        email: str | None = None,
        is_active: bool | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal["id", "-id", "username", "-username", "email", "-email", "created_at", "-created_at"]
        | None = None,
    ) -> schemas.UserList:
        """List the users of the tenant, in the order they were made.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in username or email or first_name or last_name, in any case of letters.
            username: Only rows with this username.
            name: The same as `username`.
            email: Only rows with this email.
            is_active: Only rows with this is_active.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/users/read-users",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "username": username,
                "name": name,
                "email": email,
                "is_active": is_active,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_user(self, user_id: int) -> schemas.UserAnswer:
        """Show one user of the tenant.

        Args:
            user_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/users/{quote(str(user_id), safe='')}")

    async def update_user(self, user_id: int, body: schemas.UpdateUser) -> schemas.UserAnswer:
        """Change a user, deactivate or reactivate them.

        Args:
            user_id: As the path has it.
            body: What is sent, as JSON.
        """
        return await self._transport.call("PUT", f"/api/v1/users/{quote(str(user_id), safe='')}", body=body)

    async def list_roles(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        sort: Literal["id", "-id", "name", "-name"] | None = None,
    ) -> schemas.RoleList:
        """List the roles of the tenant with their permissions, the built-in ones first.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET", "/api/v1/rbac/roles", query={"limit": limit, "offset": offset, "q": q, "name": name, "sort": sort}
        )

    async def create_role(
        self, body: schemas.NamedInTenant, *, idempotency_key: str | None = None
    ) -> schemas.RoleAnswer:
        """Make a role without permissions.

        The name of a built-in role answers that role.

        Args:
            body: What is sent, as JSON.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST", "/api/v1/rbac/roles", body=body, idempotency_key=idempotency_key or new_idempotency_key()
        )

    async def delete_role(self, role_id: int) -> schemas.RoleAnswer:
        """Delete a role that no user has, and that holds no more than you do.

        Built-in roles stay.

        Args:
            role_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/rbac/roles/{quote(str(role_id), safe='')}")

    async def list_permissions(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        sort: Literal["id", "-id", "name", "-name"] | None = None,
    ) -> schemas.PermissionList:
        """List the permissions of the tenant, the built-in ones first.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/rbac/permissions",
            query={"limit": limit, "offset": offset, "q": q, "name": name, "sort": sort},
        )

    async def create_permission(
        self, body: schemas.NamedInTenant, *, idempotency_key: str | None = None
    ) -> schemas.PermissionAnswer:
        """Make a permission of the tenant's own, for applications that read the answer of `/login/test-token`.

        Calls of the platform check the built-in permissions only. The name of a built-in permission answers that
        one.

        Args:
            body: What is sent, as JSON.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST", "/api/v1/rbac/permissions", body=body, idempotency_key=idempotency_key or new_idempotency_key()
        )

    async def grant_permission(self, role_id: int, permission_id: int) -> schemas.RoleAnswer:
        """Grant a role a permission that you hold.

        Args:
            role_id: As the path has it.
            permission_id: As the path has it.
        """
        return await self._transport.call(
            "PUT", f"/api/v1/rbac/roles/{quote(str(role_id), safe='')}/permissions/{quote(str(permission_id), safe='')}"
        )

    async def revoke_permission(self, role_id: int, permission_id: int) -> schemas.RoleAnswer:
        """Revoke a permission that you hold from a role; its users lose it with their next request.

        Args:
            role_id: As the path has it.
            permission_id: As the path has it.
        """
        return await self._transport.call(
            "DELETE",
            f"/api/v1/rbac/roles/{quote(str(role_id), safe='')}/permissions/{quote(str(permission_id), safe='')}",
        )

    async def grant_role(self, user_id: int, role_id: int) -> schemas.UserAnswer:
        """Give a user a role that holds no more than you do.

        Args:
            user_id: As the path has it.
            role_id: As the path has it.
        """
        return await self._transport.call(
            "PUT", f"/api/v1/rbac/users/{quote(str(user_id), safe='')}/roles/{quote(str(role_id), safe='')}"
        )

    async def revoke_role(self, user_id: int, role_id: int) -> schemas.UserAnswer:
        """Revoke a role that holds no more than you do from a user, with effect from their next request.

        Args:
            user_id: As the path has it.
            role_id: As the path has it.
        """
        return await self._transport.call(
            "DELETE", f"/api/v1/rbac/users/{quote(str(user_id), safe='')}/roles/{quote(str(role_id), safe='')}"
        )

    async def create_tenant(
        self, body: schemas.CreateTenant, *, idempotency_key: str | None = None
    ) -> schemas.TenantAnswer:
        """Make a tenant with the built-in roles.

        Make its first user with `POST /users/create-user`, with its `tenant_id` and the role `admin`.

        Args:
            body: What is sent, as JSON.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST", "/api/v1/tenants", body=body, idempotency_key=idempotency_key or new_idempotency_key()
        )

    async def list_tenants(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        is_active: bool | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal["name", "-name", "created_at", "-created_at"] | None = None,
    ) -> schemas.TenantList:
        """List all tenants, in the order they were made.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            is_active: Only rows with this is_active.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/tenants/list",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "is_active": is_active,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_tenant(self, tenant_id: str) -> schemas.TenantAnswer:
        """Show a tenant, open or closed.

        Args:
            tenant_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/tenants/{quote(str(tenant_id), safe='')}")

    async def update_tenant(self, tenant_id: str, body: schemas.UpdateTenant) -> schemas.TenantAnswer:
        """Set the quota of a tenant, open it again, or close it as `DELETE` does.

        Of a tenant that is opened again, the users can log in, keys are taken and predictors answer. Jobs that have
        ended stay so. A quota below what is stored already refuses uploads, and deletes nothing.

        Args:
            tenant_id: As the path has it.
            body: What is sent, as JSON.
        """
        return await self._transport.call("PUT", f"/api/v1/tenants/{quote(str(tenant_id), safe='')}", body=body)

    async def close_tenant(self, tenant_id: str) -> schemas.TenantAnswer:
        """Close a tenant.

        Its users and API keys are refused from the next request on, its jobs end, and its predictors stop
        answering. Its data stays.

        Args:
            tenant_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/tenants/{quote(str(tenant_id), safe='')}")

    async def create_api_key(self, body: schemas.CreateApiKey) -> schemas.ApiKeyCreated:
        """Make a key for a service that calls the platform in your name.

        The answer is the only place that shows it.

        Since the platform does not store the key, it cannot answer again: an `Idempotency-Key` is ignored. After a
        lost answer, delete the key that `GET /api-keys/list` shows, and make another one.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/api-keys", body=body)

    async def list_api_keys(
        self,
        *,
        user_id: int | None = None,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal["id", "-id", "name", "-name", "created_at", "-created_at", "expires_at", "-expires_at"]
        | None = None,
    ) -> schemas.ApiKeyList:
        """List your keys, newest first, without their secrets.

        Args:
            user_id: Whose; another's needs can_manage_users.
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/api-keys/list",
            query={
                "user_id": user_id,
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def revoke_api_key(self, key_id: int) -> schemas.ApiKeyAnswer:
        """Revoke a key: it is refused from the next request on.

        Another user's key needs can_manage_users.

        Args:
            key_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/api-keys/{quote(str(key_id), safe='')}")

    async def create_template(
        self, body: schemas.CreateTemplate, *, idempotency_key: str | None = None
    ) -> schemas.TemplateCreated:
        """Create a template: the names, types and defaults of the columns of your data, and the rules for their values.

        Args:
            body: What is sent, as JSON.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST", "/api/v1/template", body=body, idempotency_key=idempotency_key or new_idempotency_key()
        )

    async def infer_template(
        self,
        files: Sequence[FilePart] = (),
        *,
        rows: int | None = None,
        encoding: str | None = None,
        header_row: int | None = None,
        delimiter: str | None = None,
        report_bytes: ReportBytes | None = None,
    ) -> schemas.InferredTemplate:
        """Infer the columns of a template from sample files.

        Nothing is stored.

        Args:
            files: What is uploaded.
            rows: Maximum number of rows to read of each file.
            encoding: Encoding of the CSV files: utf-8, utf-16, utf-16-le, utf-16-be, cp1252, latin-1, iso-8859-15,
                cp1250, cp1251, or an alias that Python knows, such as windows-1252. Nothing is guessed: a file that
                is not in it is refused.
            header_row: Number of the line with the column names of the CSV files, counted from 1. Lines before it,
                such as titles and comments, are left out. By default the first line that is not blank.
            delimiter: What stands between two fields of the CSV files: comma, semicolon, tab, pipe, space, or one
                ASCII character that is no letter, digit, quote or line break. By default the most frequent of
                comma, semicolon, tab and | in the header.
            report_bytes: Called with the bytes sent so far, and of all.
        """
        return await self._transport.upload(
            "/api/v1/template/infer",
            files,
            query={"rows": rows, "encoding": encoding, "header_row": header_row, "delimiter": delimiter},
            report_bytes=report_bytes,
        )

    async def list_templates(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal["id", "-id", "name", "-name", "created_at", "-created_at", "modified_at", "-modified_at"]
        | None = None,
    ) -> schemas.TemplateList:
        """List the templates of the tenant, newest first.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/template/list",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_template(self, template_id: int) -> schemas.TemplateAnswer:
        """Return a template with the columns of its newest version.

        Args:
            template_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/template/{quote(str(template_id), safe='')}")

    async def delete_template(self, template_id: int) -> schemas.TemplateDeleted:
        """Delete a template that no dataset uses.

        Args:
            template_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/template/{quote(str(template_id), safe='')}")

    async def list_template_versions(
        self, template_id: int, *, limit: int | None = None, offset: int | None = None
    ) -> schemas.VersionList:
        """List the versions of a template, newest first.

        Args:
            template_id: As the path has it.
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call(
            "GET",
            f"/api/v1/template/{quote(str(template_id), safe='')}/versions",
            query={"limit": limit, "offset": offset},
        )

    async def update_template(self, template_id: int, body: schemas.UpdateTemplate) -> schemas.TemplateAnswer:
        """Update a template, which makes its next version.

        A dataset keeps the version it was validated against.

        Args:
            template_id: As the path has it.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "PUT", f"/api/v1/template/update/{quote(str(template_id), safe='')}", body=body
        )

    async def upload_dataset(
        self,
        files: Sequence[FilePart] = (),
        *,
        dataset_name: str,
        usage: str,
        wait: float | None = None,
        template_id: int | None = None,
        on_error: Literal["quarantine", "reject"] | None = None,
        iceberg_table_name: str | None = None,
        raw_table_name: str | None = None,
        lake_mode: Literal["append", "replace"] | None = None,
        snapshot_id: int | None = None,
        encoding: str | None = None,
        header_row: int | None = None,
        delimiter: str | None = None,
        idempotency_key: str | None = None,
        report_bytes: ReportBytes | None = None,
    ) -> schemas.UploadAnswer:
        r"""Create a dataset from uploaded files or from a lake table, and start to validate every cell.

        A file with a broken structure (not UTF-8, rows of different lengths, a missing column, ...) is refused at
        once, and nothing of the upload is stored. Rows with wrong cells are quarantined; `GET /dataset/error-
        report` lists the cells.

        Args:
            files: What is uploaded.
            dataset_name: Name of the new dataset, unique in the tenant: 1 to 200 printable characters without / and
                \, kept in Unicode form NFKC and without spaces around it.
            usage: t (train, training) or p (predict, prediction).
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            template_id: Template to validate against; without one the columns are inferred.
            on_error: What happens to a row with a wrong cell. quarantine: the row is quarantined and reported.
                reject: the upload fails with 422; the answer waits until every cell is validated, at most a minute.
                After a minute the answer is 201 with state validating, and a wrong cell makes the dataset failed.
            iceberg_table_name: With files: the lake table that the validated rows are also written to, in schema
                `silver` unless the name begins with another of the tenant's own (`gold.visits`). Without files: the
                table that the dataset is made from, in any schema that the tenant may read.
            raw_table_name: With files: the lake table that all rows are written to as they were uploaded, in schema
                `bronze` unless the name begins with another. They are written once the structure of the files is
                valid: every cell as text, wrong ones too, after the columns `file_id` and `row`.
            lake_mode: For `iceberg_table_name` and `raw_table_name` of an upload with files. append: the rows of
                other datasets stay in the tables, whose columns must be those of the rows. replace: they are
                deleted, and the columns become those of the rows. In both, rows that this dataset wrote before are
                replaced.
            snapshot_id: Snapshot of the table to make the dataset from; by default the newest.
            encoding: Encoding of the CSV files: utf-8, utf-16, utf-16-le, utf-16-be, cp1252, latin-1, iso-8859-15,
                cp1250, cp1251, or an alias that Python knows, such as windows-1252. Nothing is guessed: a file that
                is not in it is refused.
            header_row: Number of the line with the column names of the CSV files, counted from 1. Lines before it,
                such as titles and comments, are left out. By default the first line that is not blank.
            delimiter: What stands between two fields of the CSV files: comma, semicolon, tab, pipe, space, or one
                ASCII character that is no letter, digit, quote or line break. By default the most frequent of
                comma, semicolon, tab and | in the header.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
            report_bytes: Called with the bytes sent so far, and of all.
        """
        return await self._transport.upload(
            "/api/v1/dataset/upload",
            files,
            query={
                "wait": wait,
                "dataset_name": dataset_name,
                "usage": usage,
                "template_id": template_id,
                "on_error": on_error,
                "iceberg_table_name": iceberg_table_name,
                "raw_table_name": raw_table_name,
                "lake_mode": lake_mode,
                "snapshot_id": snapshot_id,
                "encoding": encoding,
                "header_row": header_row,
                "delimiter": delimiter,
            },
            idempotency_key=idempotency_key or new_idempotency_key(),
            report_bytes=report_bytes,
        )

    async def validate_dataset(
        self,
        dataset_id: int,
        *,
        time_limit_s: int | None = None,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> schemas.JobStarted:
        """Validate a dataset again, with its files and template as they are and the settings of today.

        For a dataset that has failed because storage or the lake was away, and after the required share of rows was
        changed. A validation that runs is superseded. Until the job has ended, the rows of the last validation can
        be read.

        Args:
            dataset_id: As the path has it.
            time_limit_s: Seconds that the job may run, at most those of the installation, which are the default.
                Time in the queue does not count. A job that takes longer fails with `job_timeout`.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST",
            f"/api/v1/dataset/{quote(str(dataset_id), safe='')}/validate",
            query={"time_limit_s": time_limit_s, "wait": wait},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )

    async def delete_dataset(self, dataset_id: int) -> schemas.DatasetDeleted:
        """Delete a dataset that no training uses, with its files and its error report.

        A validation that runs is cancelled. Predictions of its rows stay in the prediction log, and rows that were
        written to lake tables stay there.

        Args:
            dataset_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/dataset/delete/{quote(str(dataset_id), safe='')}")

    async def list_datasets(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        state: Literal["validating", "valid", "invalid", "failed"] | None = None,
        usage: Literal["t", "p"] | None = None,
        template_id: int | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal[
            "id",
            "-id",
            "name",
            "-name",
            "created_at",
            "-created_at",
            "modified_at",
            "-modified_at",
            "total_records",
            "-total_records",
        ]
        | None = None,
    ) -> schemas.DatasetList:
        """List the datasets of the tenant, newest first.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            state: Only rows with this state.
            usage: Only datasets for training (t) or prediction (p).
            template_id: Only rows with this template_id.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/dataset/list",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "state": state,
                "usage": usage,
                "template_id": template_id,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def list_validated_datasets(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        state: Literal["validating", "valid", "invalid", "failed"] | None = None,
        usage: Literal["t", "p"] | None = None,
        template_id: int | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal[
            "id",
            "-id",
            "name",
            "-name",
            "created_at",
            "-created_at",
            "modified_at",
            "-modified_at",
            "total_records",
            "-total_records",
        ]
        | None = None,
    ) -> list[schemas.DatasetRow]:
        """List the datasets that trainings and predictions can start from, newest first.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            state: Only rows with this state.
            usage: Only datasets for training (t) or prediction (p).
            template_id: Only rows with this template_id.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/dataset/list_validated",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "state": state,
                "usage": usage,
                "template_id": template_id,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_dataset(self, *, dataset_id: int) -> schemas.DatasetAnswer:
        """Return a dataset with its columns and its wrong cells in numbers.

        Args:
            dataset_id: Id of the dataset.
        """
        return await self._transport.call("GET", "/api/v1/dataset/get_dataset_by_id", query={"dataset_id": dataset_id})

    async def view_dataset(
        self,
        *,
        dataset_id: int,
        columns: list[str] | None = None,
        rows: Literal["kept", "set_aside"] | None = None,
        sort: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> schemas.DatasetPreview:
        """Return a page of the kept rows, typed, or of the quarantined rows, as text after `file_id` and `row`.

        Args:
            dataset_id: Id of the dataset.
            columns: Only these columns, in this order; repeat the parameter.
            rows: kept: the validated rows, typed; set_aside: the quarantined rows, as text.
            sort: Column to sort the rows by, or `-` and a column for the reverse; without it in file order. Text in
                any case of letters, missing values last.
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/dataset/view",
            query={
                "dataset_id": dataset_id,
                "columns": columns,
                "rows": rows,
                "sort": sort,
                "limit": limit,
                "offset": offset,
            },
        )

    async def generate_dataset_statistics(
        self,
        *,
        dataset_id: int,
        target: str | None = None,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> schemas.JobStarted:
        """Start a job that computes descriptive statistics, with Vega-Lite specifications of their charts.

        `GET /dataset/statistics` returns them when the job has succeeded. While the job runs, this call returns the
        same job.

        Args:
            dataset_id: Id of the dataset.
            target: Column to compute the association of each other column with.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST",
            "/api/v1/dataset/generate_statistics",
            query={"dataset_id": dataset_id, "target": target, "wait": wait},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )

    async def get_dataset_statistics(
        self, *, dataset_id: int, columns: list[str] | None = None, charts: bool | None = None
    ) -> schemas.StatisticsAnswer:
        """Return the statistics of a dataset, or the state of their job; 404 when they were not requested yet.

        Args:
            dataset_id: Id of the dataset.
            columns: Only the statistics of these columns; repeat the parameter.
            charts: Whether the answer has the Vega-Lite specifications.
        """
        return await self._transport.call(
            "GET", "/api/v1/dataset/statistics", query={"dataset_id": dataset_id, "columns": columns, "charts": charts}
        )

    async def get_dataset_error_report(
        self, *, dataset_id: int, format: Literal["json", "csv"] | None = None
    ) -> schemas.ErrorReportAnswer:
        """Return the wrong cells of a dataset, whose rows were quarantined.

        Args:
            dataset_id: Id of the dataset.
            format: json: counts, and the first cells of each file; csv: every cell.
        """
        return await self._transport.call(
            "GET", "/api/v1/dataset/error-report", query={"dataset_id": dataset_id, "format": format}
        )

    async def get_dataset_error_report_csv(self, *, dataset_id: int) -> str:
        """Return the wrong cells of a dataset, whose rows were quarantined.

        Args:
            dataset_id: Id of the dataset.
        """
        return await self._transport.call(
            "GET", "/api/v1/dataset/error-report", query={"dataset_id": dataset_id, "format": "csv"}, answer="text"
        )

    async def list_wrong_cells(
        self,
        *,
        dataset_id: int,
        column: str | None = None,
        rule: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> schemas.WrongCellList:
        """List the wrong cells of a dataset, in the order of its files and rows.

        `GET /dataset/error-report` has their numbers by column and by rule.

        Args:
            dataset_id: Id of the dataset.
            column: Only cells of this column.
            rule: Only cells that break this rule.
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/dataset/wrong-cells",
            query={"dataset_id": dataset_id, "column": column, "rule": rule, "limit": limit, "offset": offset},
        )

    async def add_files(
        self,
        files: Sequence[FilePart] = (),
        *,
        dataset_id: int,
        wait: float | None = None,
        encoding: str | None = None,
        header_row: int | None = None,
        delimiter: str | None = None,
        idempotency_key: str | None = None,
        report_bytes: ReportBytes | None = None,
    ) -> schemas.UploadAnswer:
        """Add files to a dataset, and start to validate all of it again.

        Until that job has ended, the rows of the last validation can be read, and no training or prediction starts
        from the dataset. A validation that runs is superseded. When the new one is cancelled, the dataset is as it
        was, without these files. Trainings keep the rows that they were made from.

        Args:
            files: What is uploaded.
            dataset_id: Id of the dataset.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            encoding: Encoding of the CSV files: utf-8, utf-16, utf-16-le, utf-16-be, cp1252, latin-1, iso-8859-15,
                cp1250, cp1251, or an alias that Python knows, such as windows-1252. Nothing is guessed: a file that
                is not in it is refused.
            header_row: Number of the line with the column names of the CSV files, counted from 1. Lines before it,
                such as titles and comments, are left out. By default the first line that is not blank.
            delimiter: What stands between two fields of the CSV files: comma, semicolon, tab, pipe, space, or one
                ASCII character that is no letter, digit, quote or line break. By default the most frequent of
                comma, semicolon, tab and | in the header.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
            report_bytes: Called with the bytes sent so far, and of all.
        """
        return await self._transport.upload(
            "/api/v1/files/add",
            files,
            query={
                "dataset_id": dataset_id,
                "wait": wait,
                "encoding": encoding,
                "header_row": header_row,
                "delimiter": delimiter,
            },
            idempotency_key=idempotency_key or new_idempotency_key(),
            report_bytes=report_bytes,
        )

    async def delete_file(self, file_id: int, *, wait: float | None = None) -> schemas.FileDeleted:
        """Delete a file of a dataset, which is then validated again without it; a validation that runs is superseded.

        When the new validation is cancelled, the file is back, and the dataset as it was.

        After the result of a batch prediction was deleted, its dataset is not validated again.

        Args:
            file_id: As the path has it.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
        """
        return await self._transport.call(
            "DELETE", f"/api/v1/files/delete/{quote(str(file_id), safe='')}", query={"wait": wait}
        )

    async def list_files(
        self,
        *,
        dataset_id: int,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        purpose: Literal["source", "prediction", "result"] | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal[
            "id",
            "-id",
            "name",
            "-name",
            "created_at",
            "-created_at",
            "size_bytes",
            "-size_bytes",
            "total_records",
            "-total_records",
        ]
        | None = None,
    ) -> schemas.FileList:
        """List the files of a dataset, results of batch predictions included, newest first.

        Args:
            dataset_id: Id of the dataset.
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in name, in any case of letters.
            name: Only rows with this name.
            purpose: source: uploaded files; prediction, or result: those of batch predictions.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/files/list",
            query={
                "dataset_id": dataset_id,
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "purpose": purpose,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def view_file(self, *, file_id: int) -> schemas.FilePreview:
        """Return the first lines of a file.

        Args:
            file_id: Id of the file.
        """
        return await self._transport.call("GET", "/api/v1/files/view", query={"file_id": file_id})

    async def download_file(self, *, file_path: str | None = None, file_id: int | None = None) -> bytes:
        """Return the content of a file, byte for byte as it was uploaded, or of one of its copies.

        Args:
            file_path: Name in another answer: `file_path`, `csv_file_path`, `result_path`, ...
            file_id: Id of the file, in place of a name.
        """
        return await self._transport.call(
            "GET", "/api/v1/files/download", query={"file_path": file_path, "file_id": file_id}, answer="bytes"
        )

    async def get_file(self, *, file_id: int) -> schemas.FileAnswer:
        """Return a file with the names of its copies.

        Args:
            file_id: Id of the file.
        """
        return await self._transport.call("GET", "/api/v1/files/get_file_by_id", query={"file_id": file_id})

    async def create_training(
        self, body: schemas.TrainRequest, *, wait: float | None = None, idempotency_key: str | None = None
    ) -> schemas.TrainCreated:
        """Train a predictor on a valid dataset.

        The answer comes at once; `/train/list` and `/jobs/{job_id}` show the progress.

        Args:
            body: What is sent, as JSON.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST",
            "/api/v1/train",
            body=body,
            query={"wait": wait},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )

    async def get_training_details(self, body: schemas.DetailsRequest) -> schemas.DetailsAnswer:
        """List the columns of a dataset and the roles they can have, to configure a training with.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/train/get_details", body=body)

    async def list_trainings(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        predictor: str | None = None,
        state: schemas.TrainingState | None = None,
        status: Literal["submitted_to_ray", "completed", "failed", "cancelled"] | None = None,
        problem_type: Literal["Classification", "Regression", "Forecast"] | None = None,
        dataset_id: int | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal[
            "id",
            "-id",
            "predictor_name",
            "-predictor_name",
            "version",
            "-version",
            "created_at",
            "-created_at",
            "accuracy",
            "-accuracy",
            "metric_value",
            "-metric_value",
        ]
        | None = None,
    ) -> schemas.TrainList:
        """List the trainings of the tenant, newest first.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in predictor_name, in any case of letters.
            name: Only versions of the predictor of this name, which may be the one in URLs.
            predictor: The same as `name`.
            state: Only trainings in this state.
            status: Only rows with this status.
            problem_type: Only rows with this problem_type.
            dataset_id: Only rows with this dataset_id.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/train/list",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "predictor": predictor,
                "state": state,
                "status": status,
                "problem_type": problem_type,
                "dataset_id": dataset_id,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def refresh_trainings(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        predictor: str | None = None,
        state: schemas.TrainingState | None = None,
        status: Literal["submitted_to_ray", "completed", "failed", "cancelled"] | None = None,
        problem_type: Literal["Classification", "Regression", "Forecast"] | None = None,
        dataset_id: int | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal[
            "id",
            "-id",
            "predictor_name",
            "-predictor_name",
            "version",
            "-version",
            "created_at",
            "-created_at",
            "accuracy",
            "-accuracy",
            "metric_value",
            "-metric_value",
        ]
        | None = None,
    ) -> schemas.TrainList:
        """List the trainings of the tenant, newest first.

        This is the same as `/train/list`: workers report every change as it happens, so the list is always up to
        date.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in predictor_name, in any case of letters.
            name: Only versions of the predictor of this name, which may be the one in URLs.
            predictor: The same as `name`.
            state: Only trainings in this state.
            status: Only rows with this status.
            problem_type: Only rows with this problem_type.
            dataset_id: Only rows with this dataset_id.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/train/refresh",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "predictor": predictor,
                "state": state,
                "status": status,
                "problem_type": problem_type,
                "dataset_id": dataset_id,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_model_summary(self, *, train_id: int) -> schemas.SummaryAnswer:
        """Show the model of a completed training, with its metrics on rows that it never saw.

        Args:
            train_id: Id of the training.
        """
        return await self._transport.call("GET", "/api/v1/train/model-summary", query={"train_id": train_id})

    async def get_feature_importance(self, *, train_id: int) -> schemas.ImportanceAnswer:
        """Show the newest feature importance of a training, and the state of the last request for one.

        Args:
            train_id: Id of the training.
        """
        return await self._transport.call("GET", "/api/v1/train/view-feature-importance", query={"train_id": train_id})

    async def generate_feature_importance_by_get(
        self, *, train_id: int, wait: float | None = None
    ) -> schemas.ImportanceStarted:
        """Compute SHAP values on a sample of the training's dataset.

        While such a job runs, another call starts none and returns the id of that job.

        Args:
            train_id: Id of the training.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
        """
        return await self._transport.call(
            "GET", "/api/v1/train/generate-feature-importance", query={"train_id": train_id, "wait": wait}
        )

    async def generate_feature_importance(
        self, *, train_id: int, wait: float | None = None, idempotency_key: str | None = None
    ) -> schemas.ImportanceStarted:
        """Compute SHAP values on a sample of the training's dataset.

        While such a job runs, another call starts none and returns the id of that job.

        Args:
            train_id: Id of the training.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST",
            "/api/v1/train/generate-feature-importance",
            query={"train_id": train_id, "wait": wait},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )

    async def download_training_schema(self, train_id: int) -> schemas.SchemaAnswer:
        """Download the columns that a training was made with as a JSON file, whatever it is bound to by now.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/train/download-schema/{quote(str(train_id), safe='')}")

    async def suggest_training(self, *, dataset_id: int, target: str) -> schemas.TrainSuggestion:
        """Suggest the problem type and the roles of the columns, by the first rows of a dataset, with the reasons.

        The answer also has what can be chosen instead: roles, algorithms and metrics by problem type.

        Args:
            dataset_id: A valid dataset of usage `t`.
            target: The column to predict.
        """
        return await self._transport.call(
            "GET", "/api/v1/train/suggestion", query={"dataset_id": dataset_id, "target": target}
        )

    async def check_training(self, body: schemas.TrainRequest) -> schemas.TrainChecked:
        """Check a training as `POST /train` does, and start nothing.

        What `POST /train` would refuse is refused with the same code. The file with the rows is read, but not
        compared with its hash.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/train/check", body=body)

    async def report_training_result(self, body: schemas.TrainReport) -> schemas.ReportReceived:
        """Report the end of a training that was run outside the cluster.

        The report has an error, or names a bundle in the attempt's own directory. The same report again changes
        nothing and gets the same answer.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/train/result", body=body)

    async def report_shap_result(self, body: schemas.ExplainReport) -> schemas.ReportReceived:
        """Report the feature importance of a training that was computed outside the cluster.

        The same report again changes nothing and gets the same answer.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/train/shap-result", body=body)

    async def get_training(self, train_id: int) -> schemas.TrainDetail:
        """Show all about one training: the request, the metrics, and the lineage.

        The lineage has the dataset, the preprocessing, the version that it continues, the versions that continue
        it, the job, and the versions of code and libraries. Of a deleted training it is as it was then, with
        `deleted_at`.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/train/{quote(str(train_id), safe='')}")

    async def update_model(self, body: schemas.UpdateRequest) -> schemas.UpdateAnswer:
        """Bind a model to the preprocessing of another training.

        That must have the identical feature layout: columns, types, roles, and all else that decides how a value is
        read.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/train/update", body=body)

    async def delete_training(self, id: int) -> schemas.TrainingDeleted:
        """Delete a version of a predictor: its model, its deployment, its feature importance and the training.

        From then on the previous version serves; without one the name is free again. Its predictions stay: the rows
        of the prediction log, and the result files of batches. So does the record of the training, with its metrics
        and lineage: `GET /train/{train_id}` shows it, and no list. Its version number is not given again.

        Args:
            id: Id of the training.
        """
        return await self._transport.call("DELETE", f"/api/v1/train/delete/{quote(str(id), safe='')}")

    async def delete_feature_importance(self, train_id: int) -> schemas.TrainingDeleted:
        """Delete the feature importance of a training, unless it is being computed.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call(
            "DELETE", f"/api/v1/train/delete-feature-importance/{quote(str(train_id), safe='')}"
        )

    async def get_explanation(self, train_id: int) -> schemas.ExplanationAnswer:
        """Show the newest finished explanation of a training: feature importance, charts with their data, example rows.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/train/{quote(str(train_id), safe='')}/explanation")

    async def get_explanation_chart(self, train_id: int, chart_name: str) -> bytes:
        """Download a chart of the explanation as a picture.

        Args:
            train_id: As the path has it.
            chart_name: `beeswarm`, or `dependence-1` and so on.
        """
        return await self._transport.call(
            "GET",
            f"/api/v1/train/{quote(str(train_id), safe='')}/explanation/{quote(str(chart_name), safe='')}.png",
            answer="bytes",
        )

    async def set_threshold(self, train_id: int, body: schemas.ThresholdRequest) -> schemas.ThresholdAnswer:
        """Keep a decision threshold with a model of two classes.

        From then on it decides predictions that bring no threshold of their own, after a second at most. Batches
        that have started keep theirs. Other versions of the predictor have their own threshold.

        Args:
            train_id: As the path has it.
            body: What is sent, as JSON.
        """
        return await self._transport.call("PUT", f"/api/v1/train/{quote(str(train_id), safe='')}/threshold", body=body)

    async def reset_threshold(self, train_id: int) -> schemas.ThresholdAnswer:
        """Put the default threshold of a model back: it predicts the more probable class.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/train/{quote(str(train_id), safe='')}/threshold")

    async def list_series(
        self,
        train_id: int,
        *,
        q: str | None = None,
        level: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> schemas.SeriesList:
        """List the series that a forecast model was trained on, and the sums of a hierarchy, the coarsest level first.

        Args:
            train_id: As the path has it.
            q: Only series with this text in their id.
            level: Only series of this level of a hierarchy, as `level` of the answer names it.
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call(
            "GET",
            f"/api/v1/train/{quote(str(train_id), safe='')}/series",
            query={"q": q, "level": level, "limit": limit, "offset": offset},
        )

    async def get_series_history(
        self, train_id: int, *, unique_id: str | None = None, steps: int | None = None, ahead: int | None = None
    ) -> schemas.HistoryAnswer:
        """Show the end of a series of a forecast model: the observed values that its forecast starts from.

        Args:
            train_id: As the path has it.
            unique_id: The series; not needed where there is one.
            steps: How many steps at most, the last ones.
            ahead: Of how many next steps to show the dates.
        """
        return await self._transport.call(
            "GET",
            f"/api/v1/train/{quote(str(train_id), safe='')}/history",
            query={"unique_id": unique_id, "steps": steps, "ahead": ahead},
        )

    async def list_predictors(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        name: str | None = None,
        promotion: Literal["automatic", "manual"] | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal[
            "id", "-id", "predictor_name", "-predictor_name", "created_at", "-created_at", "modified_at", "-modified_at"
        ]
        | None = None,
    ) -> schemas.PredictorList:
        """List the predictors of the tenant, newest first, each with the version that answers for it.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in predictor_name, in any case of letters.
            name: Only the predictor of this name, which may be the one in URLs.
            promotion: Only rows with this promotion.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/predictors",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "name": name,
                "promotion": promotion,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_predictor(self, predictor_name: str) -> schemas.PredictorAnswer:
        """Show a predictor with its versions, its aliases, and who has changed its champion and why.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
        """
        return await self._transport.call("GET", f"/api/v1/predictors/{quote(str(predictor_name), safe='')}")

    async def update_predictor(self, predictor_name: str, body: schemas.PredictorRequest) -> schemas.PredictorAnswer:
        """Say whether a version that completes answers for the predictor by itself, or waits to be promoted.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            body: What is sent, as JSON.
        """
        return await self._transport.call("PUT", f"/api/v1/predictors/{quote(str(predictor_name), safe='')}", body=body)

    async def set_alias(self, predictor_name: str, alias: str, body: schemas.AliasRequest) -> schemas.PredictorAnswer:
        """Make an alias name a version: a new alias, or one that named another version.

        `/models/{tenant}/{predictor}@{alias}/predict` calls that version. The alias `champion` promotes it.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            alias: `champion`, the version that answers for the predictor, or a name of your own: 1 to 63 small
                letters, digits and `. _ -`, not the number of a version.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "PUT",
            f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/aliases/{quote(str(alias), safe='')}",
            body=body,
        )

    async def remove_alias(self, predictor_name: str, alias: str) -> schemas.PredictorAnswer:
        """Remove an alias.

        The version that it named stays.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            alias: `champion`, the version that answers for the predictor, or a name of your own: 1 to 63 small
                letters, digits and `. _ -`, not the number of a version.
        """
        return await self._transport.call(
            "DELETE", f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/aliases/{quote(str(alias), safe='')}"
        )

    async def promote_version(self, predictor_name: str, body: schemas.PromoteRequest) -> schemas.PredictorAnswer:
        """Let a version answer for its predictor, on all replicas after a second at most.

        No request fails meanwhile. A split of the traffic ends.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST", f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/promote", body=body
        )

    async def roll_back_predictor(
        self, predictor_name: str, body: schemas.RollbackRequest | None = None
    ) -> schemas.PredictorAnswer:
        """Let the version answer again that did before the champion of now; once more goes one further back.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST", f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/rollback", body=body
        )

    async def set_traffic(self, predictor_name: str, body: schemas.TrafficRequest) -> schemas.PredictorAnswer:
        """Split the requests for a predictor by weight among versions, and copy them to shadows.

        A request with the header `X-Routing-Key` always goes to the same version while the split stays. The answers
        of shadows are only logged; they can neither slow a request nor fail it. Without a body of its own each part
        is empty: the champion gets all requests.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "PUT", f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/traffic", body=body
        )

    async def export_model(self, train_id: int) -> bytes:
        """Download a completed training as a ZIP file.

        It contains the bundle, `scorer.py`, which predicts with it and needs only NumPy and the model's own
        library, and a folder that MLflow loads. Both decide by the threshold that is kept with the model.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call(
            "GET", f"/api/v1/train/{quote(str(train_id), safe='')}/export", answer="bytes"
        )

    async def get_training_report(
        self, train_id: int, *, format: Literal["json", "html"] | None = None
    ) -> schemas.ReportAnswer:
        """Return the report of a completed training, measured on rows that the model did not see.

        Args:
            train_id: As the path has it.
            format: json: data; html: one self-contained page with charts.
        """
        return await self._transport.call(
            "GET", f"/api/v1/train/{quote(str(train_id), safe='')}/report", query={"format": format}
        )

    async def get_training_report_html(self, train_id: int) -> str:
        """Return the report of a completed training, measured on rows that the model did not see.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call(
            "GET", f"/api/v1/train/{quote(str(train_id), safe='')}/report", query={"format": "html"}, answer="text"
        )

    async def start_batch_prediction(
        self, body: schemas.BatchRequest, *, wait: float | None = None, idempotency_key: str | None = None
    ) -> schemas.BatchStarted:
        """Score a whole dataset.

        The result is a CSV file with one row for each row of the uploaded files, in order: its Id columns,
        `prediction`, `probability_<class>`, with `explain` the features with the largest effect on the prediction,
        and `error`.

        The files are read by the model's contract, as a real-time prediction is: its types, defaults and rules.
        Only the model's features have to be there. A row with a value that does not fit has the reason in `error`,
        and no prediction.

        The result of a Forecast has the next steps of all series, or of some: the Id column, the Time column,
        `value`, `lower`, `upper`, `confidence`.

        Args:
            body: What is sent, as JSON.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST",
            "/api/v1/inference/batchPrediction",
            body=body,
            query={"wait": wait},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )

    async def start_batch_prediction_alias(
        self, body: schemas.BatchRequest, *, wait: float | None = None, idempotency_key: str | None = None
    ) -> schemas.BatchStarted:
        """Score a whole dataset.

        The result is a CSV file with one row for each row of the uploaded files, in order: its Id columns,
        `prediction`, `probability_<class>`, with `explain` the features with the largest effect on the prediction,
        and `error`.

        The files are read by the model's contract, as a real-time prediction is: its types, defaults and rules.
        Only the model's features have to be there. A row with a value that does not fit has the reason in `error`,
        and no prediction.

        The result of a Forecast has the next steps of all series, or of some: the Id column, the Time column,
        `value`, `lower`, `upper`, `confidence`.

        Args:
            body: What is sent, as JSON.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST",
            "/api/v1/inference/batch-prediction",
            body=body,
            query={"wait": wait},
            idempotency_key=idempotency_key or new_idempotency_key(),
        )

    async def get_batch_result(self, *, prediction_id: int) -> schemas.ResultAnswer:
        """Show the state of a batch, and the name of its result file once it has completed.

        Args:
            prediction_id: Id of a batch prediction.
        """
        return await self._transport.call("GET", "/api/v1/inference/result", query={"prediction_id": prediction_id})

    async def download_batch_result(
        self, *, prediction_id: int, format: Literal["csv", "parquet"] | None = None
    ) -> bytes:
        """Return the result file of a batch; 404 `file_not_found` until it has completed, and once it was deleted.

        Args:
            prediction_id: Id of a batch prediction.
            format: csv: the file as the batch has written it; parquet: the same rows, typed: predictions as the
                target, probabilities and effects as numbers, Ids as text.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/inference/result/download",
            query={"prediction_id": prediction_id, "format": format},
            answer="bytes",
        )

    async def list_predictions(
        self,
        *,
        train_id: int,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        status: Literal["running", "completed", "failed", "cancelled"] | None = None,
        dataset_id: int | None = None,
        prediction_type: Literal["realtime", "forecast", "batch", "shadow"] | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal["id", "-id", "created_at", "-created_at", "records", "-records"] | None = None,
    ) -> schemas.PredictionList:
        """List the predictions of a model, newest first, also of one that was deleted.

        Args:
            train_id: Id of the training.
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in created_by, in any case of letters.
            status: Only rows with this status.
            dataset_id: Only rows with this dataset_id.
            prediction_type: Only rows with this prediction_type.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/inference/predictions",
            query={
                "train_id": train_id,
                "limit": limit,
                "offset": offset,
                "q": q,
                "status": status,
                "dataset_id": dataset_id,
                "prediction_type": prediction_type,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_prediction_form(self, *, id: int) -> schemas.FormAnswer:
        """List the fields that a prediction with this model needs.

        Args:
            id: Id of the training.
        """
        return await self._transport.call("GET", "/api/v1/inference/form-based-prediction", query={"id": id})

    async def predict(self, body: schemas.PredictRequest) -> schemas.PredictAnswer:
        """Predict one row with a completed training.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/inference", body=body)

    async def forecast(self, body: schemas.ForecastRequest) -> schemas.ForecastAnswer:
        """Forecast the next steps of one series, of several or of all.

        The conformal intervals come from the model's backtest.

        Args:
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", "/api/v1/inference/forecast", body=body)

    async def compare_shadow(
        self, predictor_name: str, *, version: int, since: str | None = None
    ) -> schemas.ComparisonAnswer:
        """Compare what a shadow has predicted with what was answered to the same requests.

        It reads the prediction log, which is a second or so behind. Requests whose actual outcome is known (`POST
        /predictors/{predictor_name}/actuals`) also score both.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            version: A version that is or was a shadow.
            since: Only requests from this time on; without a zone it is UTC.
        """
        return await self._transport.call(
            "GET",
            f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/comparison",
            query={"version": version, "since": since},
        )

    async def compare_split(
        self, predictor_name: str, *, version: list[int] | None = None, since: str | None = None
    ) -> schemas.SplitComparisonAnswer:
        """Compare versions that share the traffic, each by the requests that it has answered in real time.

        Predictions and outcomes are those of the prediction log, latency and errors those of the last five minutes.
        Each version has answered other requests, so small differences may be chance: all have an interval. The
        outcomes come by `POST /predictors/{predictor_name}/actuals`.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            version: Versions to compare, two or more; without one those that share the traffic now.
            since: Only requests from this time on; without a zone it is UTC.
        """
        return await self._transport.call(
            "GET",
            f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/traffic/comparison",
            query={"version": version, "since": since},
        )

    async def record_actuals(self, predictor_name: str, body: schemas.ActualsRequest) -> schemas.ActualsAnswer:
        """Record what has really come of predictions in real time: the class, or the number.

        Comparisons of versions then have the accuracy, or the mean absolute error. Sending the same again changes
        nothing; another value takes the place of the first. An outcome is kept as long as its prediction.

        Args:
            predictor_name: Name of the predictor, or the one that it has in URLs.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST", f"/api/v1/predictors/{quote(str(predictor_name), safe='')}/actuals", body=body
        )

    async def list_endpoints(self, *, limit: int | None = None, offset: int | None = None) -> schemas.EndpointList:
        """List the predictors that have a deployment of their own, or soon get one.

        Those that a user has asked for come first, then those that are among the newest of the platform.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call("GET", "/api/v1/endpoints", query={"limit": limit, "offset": offset})

    async def get_endpoint(self, train_id: int) -> schemas.EndpointAnswer:
        """Return what is wanted of a predictor's deployment, and what runs.

        Only the newest promoted version of a predictor has one. The pool answers for all others.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/endpoints/{quote(str(train_id), safe='')}")

    async def request_endpoint(
        self, train_id: int, body: schemas.EndpointRequest | None = None
    ) -> schemas.EndpointAnswer:
        """Give the predictor of a completed training a deployment of its own, or change how it is scaled.

        The pool answers until the deployment is up. A newer version of the predictor takes it over.

        Args:
            train_id: As the path has it.
            body: What is sent, as JSON.
        """
        return await self._transport.call("PUT", f"/api/v1/endpoints/{quote(str(train_id), safe='')}", body=body)

    async def withdraw_endpoint(self, train_id: int) -> schemas.EndpointAnswer:
        """Give a predictor back to the pool.

        One that is among the newest of the platform keeps its deployment: then `wanted` is `newest`.

        Args:
            train_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/endpoints/{quote(str(train_id), safe='')}")

    async def list_lake_schemas(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        sort: Literal["name", "-name"] | None = None,
    ) -> list[str]:
        """List the tenant's own schemas, then those that are shared with it.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only names with this text, in any case of letters.
            sort: Order; with `-` the reverse.
        """
        return await self._transport.call(
            "GET", "/api/v1/datalake/schemas", query={"limit": limit, "offset": offset, "q": q, "sort": sort}
        )

    async def list_lake_tables(
        self,
        *,
        schema_name: str,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        sort: Literal["name", "-name"] | None = None,
    ) -> list[str]:
        """List the names of the tables of a schema, sorted.

        Args:
            schema_name: Name of the schema.
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only names with this text, in any case of letters.
            sort: Order; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/datalake/schemas/tables",
            query={"schema_name": schema_name, "limit": limit, "offset": offset, "q": q, "sort": sort},
        )

    async def delete_lake_table(self, *, schema_name: str, table_name: str) -> schemas.TableDeleted:
        """Delete a table of one of the tenant's own schemas, with all its snapshots.

        A table that a job reads or writes, or that a dataset of the tenant was made from, is in use (409). Datasets
        whose rows were written to it keep their own copy, and the next validation of one of them creates the table
        again. Tables of shared schemas cannot be deleted (403). The files of the table are removed a day later.

        Args:
            schema_name: Name of the schema.
            table_name: Name of the table.
        """
        return await self._transport.call(
            "DELETE", "/api/v1/datalake/tables", query={"schema_name": schema_name, "table_name": table_name}
        )

    async def list_lake_columns(
        self, *, schema_name: str, table_name: str, limit: int | None = None, offset: int | None = None
    ) -> list[schemas.TableColumn]:
        """List the columns of a table, in their order, with Trino's names of their types.

        Args:
            schema_name: Name of the schema.
            table_name: Name of the table.
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/datalake/tables/columns",
            query={"schema_name": schema_name, "table_name": table_name, "limit": limit, "offset": offset},
        )

    async def view_lake_table(
        self, *, schema_name: str, table_name: str, limit: int | None = None
    ) -> schemas.TablePreview:
        """Return some rows of a table as it is now.

        Args:
            schema_name: Name of the schema.
            table_name: Name of the table.
            limit: Rows to return at most.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/datalake/tables/rows",
            query={"schema_name": schema_name, "table_name": table_name, "limit": limit},
        )

    async def get_table_metadata(
        self, *, schema_name: str, table_name: str, limit: int | None = None, offset: int | None = None
    ) -> schemas.TableMetadata:
        """Return the metadata of a table: its owner, location and size, and its snapshots with what made them.

        Args:
            schema_name: Name of the schema.
            table_name: Name of the table.
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/datalake/table_metadata",
            query={"schema_name": schema_name, "table_name": table_name, "limit": limit, "offset": offset},
        )

    async def get_numeric_stats(self, *, schema_name: str, table_name: str, column_name: str) -> schemas.NumericStats:
        """Return count, mean, standard deviation, extremes and median of a numeric column; no other column is read.

        Args:
            schema_name: Name of the schema.
            table_name: Name of the table.
            column_name: Name of the column.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/datalake/numeric_stats",
            query={"schema_name": schema_name, "table_name": table_name, "column_name": column_name},
        )

    async def get_distinct_count(self, *, schema: str, table: str, column: str) -> schemas.DistinctCount:
        """Return the number of distinct values of a column.

        Args:
            schema: Name of the schema.
            table: Name of the table.
            column: Name of the column.
        """
        return await self._transport.call(
            "GET", "/api/v1/datalake/distinct-count", query={"schema": schema, "table": table, "column": column}
        )

    async def share_schema(
        self, body: schemas.ShareRequest, *, idempotency_key: str | None = None
    ) -> schemas.ShareAnswer:
        """Let a tenant read a schema: another tenant's (`owner_tenant_id`), the Iceberg catalog's, or Trino's.

        Args:
            body: What is sent, as JSON.
            idempotency_key: A second call with the same key makes no second thing; a new key by default.
        """
        return await self._transport.call(
            "POST", "/api/v1/datalake/shares", body=body, idempotency_key=idempotency_key or new_idempotency_key()
        )

    async def list_shares(self, *, limit: int | None = None, offset: int | None = None) -> schemas.ShareList:
        """List the shares of all tenants, in the order of their creation.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
        """
        return await self._transport.call(
            "GET", "/api/v1/datalake/shares/list", query={"limit": limit, "offset": offset}
        )

    async def unshare_schema(self, share_id: int) -> schemas.ShareAnswer:
        """Remove a share: from the next request on, the tenant does not see the schema.

        Datasets that were made from its tables stay.

        Args:
            share_id: As the path has it.
        """
        return await self._transport.call("DELETE", f"/api/v1/datalake/shares/{quote(str(share_id), safe='')}")

    async def list_jobs(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        kind: schemas.JobKind | None = None,
        state: schemas.JobState | None = None,
        status: schemas.JobState | None = None,
        subject_id: int | None = None,
        created_by: str | None = None,
        since: str | None = None,
        until: str | None = None,
        sort: Literal[
            "id",
            "-id",
            "kind",
            "-kind",
            "state",
            "-state",
            "created_at",
            "-created_at",
            "started_at",
            "-started_at",
            "finished_at",
            "-finished_at",
        ]
        | None = None,
    ) -> schemas.JobList:
        """List the jobs of the tenant, newest first.

        Args:
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in kind or message or created_by, in any case of letters.
            kind: Only jobs of this kind.
            state: Only jobs in this state.
            status: The same as `state`.
            subject_id: Only jobs for this dataset, training or prediction.
            created_by: Only jobs of this user, by username.
            since: Not before this time; without a zone it is UTC.
            until: Before this time; without a zone it is UTC.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/jobs/list",
            query={
                "limit": limit,
                "offset": offset,
                "q": q,
                "kind": kind,
                "state": state,
                "status": status,
                "subject_id": subject_id,
                "created_by": created_by,
                "since": since,
                "until": until,
                "sort": sort,
            },
        )

    async def get_job(self, job_id: str, *, wait: float | None = None) -> schemas.JobDetail:
        """Return the state, progress, attempts, times, time limit and error of one job.

        Of a batch it has what was asked, and of a training the scores of its candidates.

        With `wait` the answer comes when the job has ended, or after so many seconds.

        Args:
            job_id: As the path has it.
            wait: Seconds to wait for the end of the job, at most. The answer comes when it has ended, or then.
        """
        return await self._transport.call("GET", f"/api/v1/jobs/{quote(str(job_id), safe='')}", query={"wait": wait})

    async def get_job_log(self, job_id: str, *, attempt: int | None = None) -> schemas.JobLog:
        """Return the log of an attempt at a job, as far as it has come: a worker writes it every few seconds.

        404 `log_not_found`: no attempt has begun, there was no such attempt, its log is too old
        (`DATAML_JOB_LOG_DAYS`), or the work was done outside the cluster.

        Args:
            job_id: As the path has it.
            attempt: Which attempt, counted from 1; the last one without it.
        """
        return await self._transport.call(
            "GET", f"/api/v1/jobs/{quote(str(job_id), safe='')}/log", query={"attempt": attempt}
        )

    async def stream_job_events(self, job_id: str) -> str:
        """Stream the changes of a job as server-sent events: `state`, `progress`, and `end`, which is the last one.

        The data of an event is the job's `job_id`, `state`, `progress`, `phrase`, `leaderboard`, `attempts` and
        `error`, as JSON. A comment comes every 15 seconds. After 10 minutes the stream ends: connect again, with
        the id of the last event.

        Args:
            job_id: As the path has it.
        """
        return await self._transport.call("GET", f"/api/v1/jobs/{quote(str(job_id), safe='')}/events", answer="text")

    async def grant_callback_token(self, job_id: str) -> schemas.CallbackToken:
        """Issue a token to report a training or feature importance from outside the cluster, with the work to do.

        The worker reports by `POST /train/result` or `/train/shap-result`.

        Args:
            job_id: As the path has it.
        """
        return await self._transport.call("POST", f"/api/v1/jobs/{quote(str(job_id), safe='')}/callback-token")

    async def check_health(self) -> schemas.HealthAnswer:
        """Answer 200 as soon as the API can answer.

        `status` is `degraded` while less than `DATAML_STORAGE_RESERVE_BYTES` is free on the disk.
        """
        return await self._transport.call("GET", "/api/v1/utils/health-check")

    async def get_platform_status(self) -> schemas.PlatformStatus:
        """Return the state of the platform as a whole: space, the queue of jobs, the supervisor, and who stores most.

        Also how many requests and predictions there were, how long they took, and what failed, from the metrics.
        """
        return await self._transport.call("GET", "/api/v1/utils/status")

    async def terminate_ray_job(self, *, ray_job_id: str, usage: str | None = None) -> schemas.StatusAnswer:
        """End a job of the own tenant.

        The job is cancelled when this call answers, and its worker is ended within seconds. A job that has ended
        already stays as it is. A job of another `usage` is not ended.

        Args:
            ray_job_id: Id of the job, e.g. `train-job-12`.
            usage: What the job is for, which must be so: `validation`, `statistics`, `training`,
                `feature_importance`, `prediction` or `forecast`, or the `kind` of the job. Not needed to find it.
        """
        return await self._transport.call(
            "POST", "/api/v1/ray/terminate_ray_job", query={"ray_job_id": ray_job_id, "usage": usage}
        )

    async def list_audit_events(
        self,
        *,
        username: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        outcome: schemas.Outcome | None = None,
        address: str | None = None,
        since: str | None = None,
        until: str | None = None,
        tenant_id: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        q: str | None = None,
        sort: Literal["id", "-id", "at", "-at", "action", "-action"] | None = None,
    ) -> schemas.AuditList:
        """Who did what, on what, from where, and what came of it; newest first.

        Args:
            username: Who, as the log has it.
            action: What: `user.create`, or `user` for all that was done to users.
            subject: On what, e.g. `user:7`.
            outcome: What came of it.
            address: From where.
            since: Not before this time.
            until: Before this time.
            tenant_id: Another tenant's log, for an administrator of the platform.
            limit: Rows to return at most.
            offset: Rows to skip.
            q: Only rows with this text in username or action or subject, in any case of letters.
            sort: Order of the rows; with `-` the reverse.
        """
        return await self._transport.call(
            "GET",
            "/api/v1/audit/list",
            query={
                "username": username,
                "action": action,
                "subject": subject,
                "outcome": outcome,
                "address": address,
                "since": since,
                "until": until,
                "tenant_id": tenant_id,
                "limit": limit,
                "offset": offset,
                "q": q,
                "sort": sort,
            },
        )

    async def predict_by_name(
        self, tenant_name: str, predictor_name: str, body: schemas.DirectRequest
    ) -> schemas.PredictAnswer | schemas.PredictionsAnswer:
        """Predict with a predictor by its name: its champion answers, or the versions that share its traffic.

        This is the fastest route: the predictor's own deployment answers it when that runs.

        Args:
            tenant_name: Name of your own tenant.
            predictor_name: A predictor, by its name in URLs.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST",
            f"/models/{quote(str(tenant_name), safe='')}/{quote(str(predictor_name), safe='')}/predict",
            body=body,
        )

    async def predict_by_alias(
        self, tenant_name: str, predictor_name: str, alias: str, body: schemas.DirectRequest
    ) -> schemas.PredictAnswer | schemas.PredictionsAnswer:
        """Predict with the version of a predictor that an alias names.

        Args:
            tenant_name: Name of your own tenant.
            predictor_name: A predictor, by its name in URLs.
            alias: An alias of the predictor; `champion` is the version that answers without one.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST",
            f"/models/{quote(str(tenant_name), safe='')}/{quote(str(predictor_name), safe='')}@{quote(str(alias), safe='')}/predict",
            body=body,
        )

    async def predict_by_version(
        self, tenant_name: str, predictor_name: str, version: int, body: schemas.DirectRequest
    ) -> schemas.PredictAnswer | schemas.PredictionsAnswer:
        """Predict with one version of a predictor.

        Args:
            tenant_name: Name of your own tenant.
            predictor_name: A predictor, by its name in URLs.
            version: Number of a version.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST",
            f"/models/{quote(str(tenant_name), safe='')}/{quote(str(predictor_name), safe='')}/v{quote(str(version), safe='')}/predict",
            body=body,
        )

    async def forecast_by_name(
        self, tenant_name: str, forecast_name: str, body: schemas.DirectForecastRequest
    ) -> schemas.ForecastAnswer:
        """Forecast with a predictor by its name, as `POST /inference/forecast` does by a training's id.

        Its champion answers, or the versions that share its traffic.

        Args:
            tenant_name: Name of your own tenant.
            forecast_name: A predictor of a Forecast, by its name in URLs.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST",
            f"/models/{quote(str(tenant_name), safe='')}/{quote(str(forecast_name), safe='')}/forecast",
            body=body,
        )

    async def forecast_by_alias(
        self, tenant_name: str, forecast_name: str, alias: str, body: schemas.DirectForecastRequest
    ) -> schemas.ForecastAnswer:
        """Forecast with the version of a predictor that an alias names.

        Args:
            tenant_name: Name of your own tenant.
            forecast_name: A predictor of a Forecast, by its name in URLs.
            alias: An alias of the predictor; `champion` is the version that answers without one.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST",
            f"/models/{quote(str(tenant_name), safe='')}/{quote(str(forecast_name), safe='')}@{quote(str(alias), safe='')}/forecast",
            body=body,
        )

    async def forecast_by_version(
        self, tenant_name: str, forecast_name: str, version: int, body: schemas.DirectForecastRequest
    ) -> schemas.ForecastAnswer:
        """Forecast with one version of a predictor.

        Args:
            tenant_name: Name of your own tenant.
            forecast_name: A predictor of a Forecast, by its name in URLs.
            version: Number of a version.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST",
            f"/models/{quote(str(tenant_name), safe='')}/{quote(str(forecast_name), safe='')}/v{quote(str(version), safe='')}/forecast",
            body=body,
        )

    async def get_server_metadata(self) -> schemas.ServerMetadata:
        """Show the server's name, its version, and the extensions of the protocol that it has."""
        return await self._transport.call("GET", "/v2")

    async def check_live(self) -> schemas.ServerLiveness:
        """Answer 200 as soon as the server can answer."""
        return await self._transport.call("GET", "/v2/health/live")

    async def check_ready(self) -> schemas.ServerReadiness:
        """Answer 200 as soon as the server takes requests."""
        return await self._transport.call("GET", "/v2/health/ready")

    async def get_model_metadata(self, predictor_name: str) -> schemas.ModelMetadata:
        """Show the inputs and outputs of a predictor's promoted version.

        Args:
            predictor_name: A predictor, as its `url_name`.
        """
        return await self._transport.call("GET", f"/v2/models/{quote(str(predictor_name), safe='')}")

    async def get_model_version_metadata(self, predictor_name: str, version: str) -> schemas.ModelMetadata:
        """Show the inputs and outputs of one version of a predictor.

        Args:
            predictor_name: A predictor, as its `url_name`.
            version: A version of it, such as `3` or `v3`, or an alias.
        """
        return await self._transport.call(
            "GET", f"/v2/models/{quote(str(predictor_name), safe='')}/versions/{quote(str(version), safe='')}"
        )

    async def check_model_ready(self, predictor_name: str) -> schemas.ModelReadiness:
        """Answer 200 when a predictor takes requests.

        Args:
            predictor_name: A predictor, as its `url_name`.
        """
        return await self._transport.call("GET", f"/v2/models/{quote(str(predictor_name), safe='')}/ready")

    async def check_model_version_ready(self, predictor_name: str, version: str) -> schemas.ModelReadiness:
        """Answer 200 when one version of a predictor takes requests.

        Args:
            predictor_name: A predictor, as its `url_name`.
            version: A version of it, such as `3` or `v3`, or an alias.
        """
        return await self._transport.call(
            "GET", f"/v2/models/{quote(str(predictor_name), safe='')}/versions/{quote(str(version), safe='')}/ready"
        )

    async def infer(self, predictor_name: str, body: schemas.ModelInferRequest) -> schemas.ModelInferResponse:
        """Predict rows with a predictor's promoted version.

        The body is JSON, or JSON and bytes as the header `Inference-Header-Content-Length` says.

        Args:
            predictor_name: A predictor, as its `url_name`.
            body: What is sent, as JSON.
        """
        return await self._transport.call("POST", f"/v2/models/{quote(str(predictor_name), safe='')}/infer", body=body)

    async def infer_with_version(
        self, predictor_name: str, version: str, body: schemas.ModelInferRequest
    ) -> schemas.ModelInferResponse:
        """Predict rows with one version of a predictor, as `POST /v2/models/{predictor_name}/infer` does.

        Args:
            predictor_name: A predictor, as its `url_name`.
            version: A version of it, such as `3` or `v3`, or an alias.
            body: What is sent, as JSON.
        """
        return await self._transport.call(
            "POST",
            f"/v2/models/{quote(str(predictor_name), safe='')}/versions/{quote(str(version), safe='')}/infer",
            body=body,
        )

    async def get_metrics(self) -> str:
        """Return the metrics of all processes of the platform, as text for Prometheus.

        OpenMetrics is answered where `Accept` asks for it. Every replica of the API answers the same.
        """
        return await self._transport.call("GET", "/metrics", answer="text")

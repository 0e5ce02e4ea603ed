"""The tenant filter stands in `db/scope.py`: no statement goes round it, and the database backs it."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError

from dataml.db.scope import Scope
from dataml.tables import METADATA
from dataml.template.models import Template
from tests.conftest import Platform
from tests.database import execute_sql
from tests.source import parse

# What makes a statement, and what reads a row without one.
STATEMENTS = {"select", "update", "delete", "insert", "text", "exists", "union", "union_all", "values", "lambda_stmt"}
BY_ID = {"get", "get_one", "query", "refresh", "exec_driver_sql"}

# Modules that see the rows of all tenants, and why they must.
EVERY_TENANT = {
    "dataml.access.service": "a token names its user before the tenant is known",
    "dataml.access.sessions": "so does a username, and a refresh token",
    "dataml.access.throttle": "failed logins count before anybody is known",
    "dataml.access.users": "usernames are unique over all tenants",
    "dataml.access.tenants": "lists the tenants themselves",
    "dataml.access.roles": "locks the row of a tenant; grants are deleted by their whole key",
    "dataml.http.idempotency.store": "the supervisor deletes expired keys of all tenants",
    "dataml.jobs.lease": "the supervisor works for all tenants",
    "dataml.jobs.service": "the supervisor works for all tenants",
    "dataml.train.champions": "finds the versions that answer for the predictors of all tenants, to deploy them",
    "dataml.train.service": "finds the newest predictors of all tenants, to deploy them",
    "dataml.dataset.file_service": "tells which uploads in storage belong to anybody",
    "dataml.dataset.deleted_files": "the supervisor removes deleted files of all tenants",
    "dataml.datalake.service": "administrators share schemas between tenants; a table is read by all that see it",
    "dataml.ops.metrics": "whoever may read the metrics sees how many jobs of all tenants wait, and for how long",
    "dataml.ops.status": "administrators of the platform see how much all tenants store, and the whole queue",
    "dataml.endpoint.service": "finds the predictors of all tenants that a deployment was asked for",
    "dataml.doctor.references": "compares the files of an installation with its rows",
    "deployments.deployer": "writes down which predictors it has deployed",
}
ROOT = Path(__file__).parents[2]
MODULES = sorted(path for folder in ("dataml", "deployments") for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


OUTSIDE_DB = [path for path in MODULES if not module_name(path).startswith("dataml.db.")]


@pytest.mark.parametrize("path", OUTSIDE_DB, ids=module_name)
def test_no_module_bypasses_the_scope(path: Path) -> None:
    tree = parse(path.read_text())
    made = [
        f"{alias.name} in line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy"
        for alias in node.names
        if alias.name in STATEMENTS
    ]
    whole = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    read = [
        f"{ast.unparse(node.func)} in line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in BY_ID
        and ast.unparse(node.func.value) in ("session", "connection")
        # A row that was read in scope may be read again.
        and node.func.attr != "refresh"
    ]
    assert not made + read + [name for name in whole if name.split(".")[0] == "sqlalchemy"]


def test_modules_that_read_every_tenant_are_listed() -> None:
    found = {module_name(path) for path in OUTSIDE_DB if "dataml.db.every_tenant" in imports(path)}
    assert found == EVERY_TENANT.keys()


TENANT_OWNED = {name: table for name, table in METADATA.tables.items() if "tenant_id" in table.c}


@pytest.mark.parametrize("table", TENANT_OWNED.values(), ids=str)
def test_foreign_keys_stay_within_a_tenant(table: Table) -> None:
    pointing = [key for key in table.foreign_key_constraints if key.referred_table.name in TENANT_OWNED]
    for key in pointing:
        assert key.column_keys[0] == "tenant_id", key.name
        assert [element.column.name for element in key.elements] == ["tenant_id", "id"], key.name


def test_tables_with_tenant_rows_exist() -> None:
    assert {"user", "role", "api_key", "dataset", "training", "job", "audit_event"} <= TENANT_OWNED.keys()


def test_database_refuses_a_row_that_mixes_two_tenants(platform: Platform) -> None:
    (user_id, own), (role_id, other) = (
        execute_sql(platform.settings, query)[0]
        for query in (
            "SELECT id, tenant_id FROM \"user\" WHERE username = 'analyst'",
            "SELECT role.id, tenant_id FROM role JOIN tenant ON tenant.id = tenant_id WHERE tenant.name = 'other'",
        )
    )
    assert own != other
    for tenant_id in (own, other):
        with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
            execute_sql(platform.settings, "INSERT INTO user_role VALUES (?, ?, ?)", tenant_id, user_id, role_id)


def test_every_statement_of_a_scope_has_the_tenant_filter() -> None:
    scope = Scope("mine", "me")
    for statement in (
        scope.select(Template),
        scope.select_columns(Template, Template.name),
        scope.update(Template).values(name="x"),
        scope.delete(Template),
    ):
        assert "template.tenant_id = 'mine'" in str(statement.compile(compile_kwargs={"literal_binds": True}))

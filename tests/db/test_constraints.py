"""A violated constraint is read from the error of the database, the same on SQLite and PostgreSQL."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from dataml.access import tenants
from dataml.access.models import RefreshToken, Tenant, User
from dataml.dataset.models import Dataset
from dataml.db.base import Base, utc_now
from dataml.db.constraints import ConstraintKind, ConstraintViolation, read_violation
from dataml.db.session import Database
from dataml.installation import prepare
from dataml.settings import Settings
from dataml.train.models import Training


@pytest.fixture(scope="module")
def database(settings: Settings) -> Iterator[Database]:
    prepare(settings)
    database = Database(settings)
    yield database
    asyncio.run(database.close())


def new_user(tenant: Tenant, **changes: Any) -> User:
    """Return a user with a name of their own."""
    name = uuid.uuid4().hex
    return User(**{"tenant_id": tenant.id, "username": name, "username_key": name, "password_hash": "x"} | changes)


def new_dataset(tenant: Tenant, **changes: Any) -> Dataset:
    """Return a dataset with a name of its own."""
    fields = {"name": uuid.uuid4().hex, "usage": "t", "data_source": "csv", "created_by": "admin"}
    return Dataset(**fields | {"tenant_id": tenant.id} | changes)


def new_training(tenant: Tenant, **changes: Any) -> Training:
    """Return a training of a dataset that does not exist."""
    fields = {
        "predictor_name": "churn",
        "url_name": "churn",
        "dataset_version": 1,
        "dataset_parquet": "x",
        "domain": "x",
        "target": "y",
    }
    fields |= {"problem_type": "Regression", "requested_algorithm": "auto", "created_by": "admin"}
    ids = {"tenant_id": tenant.id, "dataset_id": 10**9, "preprocess_id": 10**9}
    return Training(**fields | ids | {"shap_enabled": False, "shap_sample_rows": 1} | changes)


async def violation(database: Database, make_rows: Any) -> ConstraintViolation:
    """Return the violation of inserting rows one after the other; each call works in a tenant of its own."""
    try:
        async with database.transaction() as session:
            tenant = await tenants.add(session, uuid.uuid4().hex)
            rows: list[Base] = make_rows(tenant)
            for row in rows:
                session.add(row)
                await session.flush()
                session.expunge(row)
    except IntegrityError as error:
        return read_violation(error)
    raise AssertionError("the rows violate no constraint")


@pytest.mark.parametrize(
    ("make_rows", "columns"),
    [
        (
            lambda tenant: [new_user(tenant, username_key="same"), new_user(tenant, username_key="same")],
            {"username_key"},
        ),
        (
            lambda tenant: [new_user(tenant, email_key="a@b"), new_user(tenant, email_key="a@b")],
            {"tenant_id", "email_key"},
        ),
        (lambda tenant: [new_dataset(tenant, name="rows"), new_dataset(tenant, name="rows")], {"tenant_id", "name"}),
        (lambda tenant: [new_dataset(tenant, id=10**6), new_dataset(tenant, id=10**6)], {"id"}),
    ],
    ids=["a unique column", "a unique index", "a unique constraint", "a primary key"],
)
def test_duplicate_has_the_columns_of_its_constraint(database: Database, make_rows: Any, columns: set[str]) -> None:
    read = asyncio.run(violation(database, make_rows))
    assert read == ConstraintViolation(ConstraintKind.UNIQUE, frozenset(columns))
    assert all(read.is_duplicate(column) for column in columns)
    assert not read.is_duplicate("created_by")


@pytest.mark.parametrize(
    "make_rows",
    [
        lambda tenant: [new_dataset(tenant, template_id=10**9)],
        lambda tenant: [new_training(tenant)],
        lambda tenant: [
            RefreshToken(tenant_id=tenant.id, session_id=10**9, token_hash=uuid.uuid4().hex, created_at=utc_now())
        ],
    ],
    ids=["template", "dataset", "session"],
)
def test_missing_row_violates_a_foreign_key(database: Database, make_rows: Any) -> None:
    read = asyncio.run(violation(database, make_rows))
    assert read == ConstraintViolation(ConstraintKind.FOREIGN_KEY)
    assert not read.is_duplicate("template_id")


def test_missing_value_violates_neither_kind_of_constraint(database: Database) -> None:
    rows = asyncio.run(violation(database, lambda tenant: [new_dataset(tenant, created_by=None)]))
    assert rows == ConstraintViolation(ConstraintKind.OTHER)

"""A violated constraint is read from the error of the database, the same on SQLite and PostgreSQL."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
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

ReadViolation = Callable[[Callable[[Tenant], list[Base]]], ConstraintViolation]


@pytest.fixture(scope="module")
def violation(settings: Settings) -> Iterator[ReadViolation]:
    """Return a function that inserts rows one after the other in a new tenant, and returns the violation."""
    prepare(settings)
    database = Database(settings)
    with start_blocking_portal() as portal:
        yield lambda make_rows: portal.call(insert, database, make_rows)
        portal.call(database.close)


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


async def insert(database: Database, make_rows: Callable[[Tenant], list[Base]]) -> ConstraintViolation:
    try:
        async with database.transaction() as session:
            tenant = await tenants.add(session, uuid.uuid4().hex)
            for row in make_rows(tenant):
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
def test_duplicate_has_the_columns_of_its_constraint(
    violation: ReadViolation, make_rows: Any, columns: set[str]
) -> None:
    read = violation(make_rows)
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
def test_missing_row_violates_a_foreign_key(violation: ReadViolation, make_rows: Any) -> None:
    read = violation(make_rows)
    assert read == ConstraintViolation(ConstraintKind.FOREIGN_KEY)
    assert not read.is_duplicate("template_id")


def test_missing_value_violates_neither_kind_of_constraint(violation: ReadViolation) -> None:
    rows = violation(lambda tenant: [new_dataset(tenant, created_by=None)])
    assert rows == ConstraintViolation(ConstraintKind.OTHER)

"""The churn example, typed, and small tables made for one purpose."""

from functools import cache
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
_TYPES = {pa.int64(): DataType.INTEGER, pa.float64(): DataType.FLOAT, pa.string(): DataType.STRING}

CHURN_ROLES = {"customer_id": "Id", "churn": "Target"}


@cache
def churn() -> pa.Table:
    return csv.read_csv(EXAMPLES / "telecom_churn.csv")


@cache
def churn_contract() -> Contract:
    return contract_of(churn())


def churn_roles() -> dict[str, str]:
    return {name: CHURN_ROLES.get(name, "Feature") for name in churn_contract().names}


def contract_of(table: pa.Table) -> Contract:
    types = _TYPES | {t.arrow: t for t in DataType}
    return Contract.build(Column(field.name, types[field.type]) for field in table.schema)

"""What a column asks of its values beyond their type, one by one and a column at once."""

from typing import Any

import pyarrow as pa
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid, InvalidFields


def contract(data_type: DataType, **constraints: Any) -> Contract:
    return Contract.build([Column("x", data_type, **constraints)])


def by_row(contract: Contract, text: str) -> str:
    try:
        contract.parse_row({"x": text})
    except InvalidFields as error:
        return error.fields[0].code
    return "kept"


def by_batch(contract: Contract, texts: list[str]) -> list[str]:
    parsed = contract.parse_batch(pa.record_batch({"x": pa.array(texts)}))
    found = ["kept"] * len(texts)
    for error in parsed.errors.to_pylist():
        found[error["row"]] = error["rule"]
        assert error["value"] == texts[error["row"]]
        assert error["reason"]
    assert parsed.table.num_rows == found.count("kept")
    return found


CASES: list[tuple[DataType, dict[str, Any], dict[str, str]]] = [
    (
        DataType.INTEGER,
        {"minimum": "0", "maximum": "10"},
        {"0": "kept", "10": "kept", "-1": "below_minimum", "11": "above_maximum", "x": "not_an_integer"},
    ),
    (DataType.FLOAT, {"minimum": "0.5"}, {"0.5": "kept", "1e9": "kept", "0.4999": "below_minimum"}),
    (
        DataType.DATE,
        {"minimum": "2024-01-01", "maximum": "2024-12-31"},
        {"2024-01-01": "kept", "2023-12-31": "below_minimum", "2025-01-01": "above_maximum"},
    ),
    (
        DataType.TIMESTAMP,
        {"maximum": "2024-06-01T12:00:00Z"},
        {"2024-06-01T12:00:00Z": "kept", "2024-06-01T14:00:00+02:00": "kept", "2024-06-01T12:00:01Z": "above_maximum"},
    ),
    (
        DataType.STRING,
        {"allowed_values": ("basic", "premium plus")},
        {"basic": "kept", "premium plus": "kept", "Basic": "not_allowed", "premium": "not_allowed"},
    ),
    (DataType.INTEGER, {"allowed_values": ("1", "02")}, {"1": "kept", "2": "kept", "3": "not_allowed"}),
    (
        DataType.STRING,
        {"pattern": "[A-Z]{2}[0-9]+|none"},
        {
            "AB1": "kept",
            "none": "kept",
            "AB": "pattern_mismatch",
            "xAB1": "pattern_mismatch",
            "AB1\n": "pattern_mismatch",
        },
    ),
    (DataType.STRING, {"pattern": "\\pL+"}, {"größe": "kept", "a b": "pattern_mismatch"}),
    (
        DataType.FLOAT,
        {"minimum": "0", "allowed_values": ("-1", "1")},
        {"-1": "below_minimum", "1": "kept", "2": "not_allowed"},
    ),
]


@pytest.mark.parametrize(("data_type", "constraints", "cells"), CASES, ids=lambda case: str(case)[:40])
def test_constraints_hold_alike_for_row_and_batch(
    data_type: DataType, constraints: dict[str, Any], cells: dict[str, str]
) -> None:
    built = contract(data_type, **constraints)
    assert {text: by_row(built, text) for text in cells} == cells
    assert dict(zip(cells, by_batch(built, list(cells)), strict=True)) == cells
    assert Contract.from_json(built.to_json()) == built


def test_missing_value_breaks_no_bound() -> None:
    built = contract(DataType.INTEGER, minimum="5")
    assert built.parse_row({"x": None}) == {"x": None}
    assert built.parse_batch(pa.record_batch({"x": pa.array([None, ""])})).errors.num_rows == 0
    required = contract(DataType.INTEGER, minimum="5", nullable=False)
    assert by_row(required, "") == "missing_value"
    assert by_batch(required, ["", "4", "6"]) == ["missing_value", "below_minimum", "kept"]


def test_constraints_hold_for_typed_columns() -> None:
    parsed = contract(DataType.INTEGER, maximum="2").parse_batch(pa.record_batch({"x": pa.array([1, 2, 3], pa.int8())}))
    assert [(error["row"], error["value"], error["rule"]) for error in parsed.errors.to_pylist()] == [
        (2, "3", "above_maximum")
    ]


BAD: list[tuple[DataType, dict[str, Any], str]] = [
    (DataType.INTEGER, {"minimum": "x"}, "bad_minimum"),
    (DataType.INTEGER, {"minimum": ""}, "bad_minimum"),
    (DataType.INTEGER, {"maximum": "1.5"}, "bad_maximum"),
    (DataType.FLOAT, {"maximum": "inf"}, "bad_maximum"),
    (DataType.STRING, {"minimum": "a"}, "bad_minimum"),
    (DataType.BOOLEAN, {"maximum": "true"}, "bad_maximum"),
    (DataType.DATE, {"minimum": "08/09/2024"}, "bad_minimum"),
    (DataType.INTEGER, {"minimum": "2", "maximum": "1"}, "bad_range"),
    (DataType.INTEGER, {"allowed_values": ("1", "x")}, "bad_allowed_values"),
    (DataType.INTEGER, {"allowed_values": ()}, "bad_allowed_values"),
    (DataType.STRING, {"allowed_values": ("a", "")}, "bad_allowed_values"),
    (DataType.STRING, {"pattern": "("}, "bad_pattern"),
    (DataType.STRING, {"pattern": "a)(b"}, "bad_pattern"),
    (DataType.STRING, {"pattern": "(?=a)"}, "bad_pattern"),
    (DataType.STRING, {"pattern": ""}, "bad_pattern"),
    (DataType.STRING, {"pattern": "a" * 1001}, "bad_pattern"),
    (DataType.STRING, {"pattern": "(a{1000}){1000}"}, "bad_pattern"),
    (DataType.STRING, {"pattern": "\ud800"}, "bad_pattern"),
    (DataType.INTEGER, {"pattern": "1"}, "bad_pattern"),
    (DataType.INTEGER, {"minimum": "1", "default": "0"}, "bad_default"),
    (DataType.STRING, {"allowed_values": ("a",), "default": "b"}, "bad_default"),
]


@pytest.mark.parametrize(("data_type", "constraints", "code"), BAD, ids=lambda case: str(case)[:40])
def test_invalid_constraint_is_refused(data_type: DataType, constraints: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        contract(data_type, **constraints)
    assert [field.code for field in caught.value.fields] == [code]
    assert isinstance(caught.value, Invalid)


def test_contract_from_before_constraints_is_read() -> None:
    column = {"name": "x", "data_type": "Integer", "default": None, "date_order": None, "nullable": True}
    assert Contract.from_json({"columns": [column]}) == contract(DataType.INTEGER)

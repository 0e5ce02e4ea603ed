"""The contract: built, stored, and giving the same value for the same text by every route."""

import itertools
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from dataml.contract.contract import MAX_COLUMNS, CellError, Column, Contract, ErrorReport
from dataml.contract.files.layout import CsvOptions
from dataml.contract.types import DataType
from dataml.errors import Invalid, InvalidFields
from dataml.jobs.spec import SourceFile, ValidateResult, ValidateSpec

CONTRACT = Contract.build(
    [
        Column("name", DataType.STRING),
        Column("age", DataType.INTEGER, default="18"),
        Column("joined", DataType.DATE, date_order="dmy"),
        Column("active", DataType.BOOLEAN, nullable=False),
    ]
)


def one(data_type: DataType, **options: Any) -> Contract:
    return Contract.build([Column("x", data_type, **options)])


def texts(*cells: str | None) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(cells, pa.string())})


# ---- building and storing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ([], "no_columns"),
        ([Column(f"c{i}", DataType.STRING) for i in range(MAX_COLUMNS + 1)], "too_many_columns"),
        ([Column("a", DataType.STRING), Column(" a ", DataType.FLOAT)], "duplicate_column"),
        ([Column("  ", DataType.STRING)], "bad_column_name"),
        ([Column("a\nb", DataType.STRING)], "bad_column_name"),
        ([Column("a" * 256, DataType.STRING)], "bad_column_name"),
        ([Column("a", DataType.INTEGER, default="x")], "bad_default"),
        ([Column("a", DataType.DATE, default="08/09/2024")], "bad_default"),
    ],
)
def test_contract_that_cannot_work_is_refused(columns: list[Column], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        Contract.build(columns)
    assert caught.value.code == code


def test_every_invalid_column_is_named() -> None:
    with pytest.raises(InvalidFields) as caught:
        Contract.build([Column("", DataType.STRING), Column("b", DataType.INTEGER, default="x")])
    assert [field.location[2:] for field in caught.value.fields] == [(0, "column_name"), (1, "default_value")]
    assert caught.value.code == "invalid_fields"


def test_empty_default_is_no_default() -> None:
    assert one(DataType.STRING, default="").column("x").default is None


def test_names_columns_schema_and_selection() -> None:
    assert CONTRACT.names == ("name", "age", "joined", "active")
    assert CONTRACT.column("age").default == "18"
    assert CONTRACT.schema.field("joined").type == pa.date32()
    assert CONTRACT.select(["active", "name"]).names == ("active", "name")
    with pytest.raises(Invalid) as caught:
        CONTRACT.column("nobody")
    assert caught.value.code == "unknown_column"


def test_contract_survives_json() -> None:
    assert Contract.from_json(CONTRACT.to_json()) == CONTRACT


def test_specs_and_results_with_contracts_survive_json() -> None:
    spec = ValidateSpec(1, (SourceFile(2, "a.csv", "t/1/a.csv", "csv"),), CONTRACT)
    assert CONTRACT.schema is not None  # what is cached beside the fields must not be stored with them
    adapter = TypeAdapter(ValidateSpec)
    assert adapter.validate_json(adapter.dump_json(spec)) == spec
    with_options = SourceFile(2, "a.csv", "t/1/a.csv", "csv", encoding="cp1252", header_row=3)
    files = TypeAdapter(SourceFile)
    assert files.validate_json(files.dump_json(with_options)).csv_options == CsvOptions("cp1252", 3)
    before_options = {"file_id": 2, "name": "a.csv", "path": "t/1/a.csv", "format": "csv", "records": 5}
    assert files.validate_python(before_options).csv_options == CsvOptions()
    report = ErrorReport(1, 1, {"age": 1}, {"not_an_integer": 1}, (CellError("f", 1, "age", "x", "r", "why"),))
    assert TypeAdapter(ErrorReport).validate_json(TypeAdapter(ErrorReport).dump_json(report)) == report
    assert TypeAdapter(ValidateResult).json_schema()


# ---- one row --------------------------------------------------------------------------------------------------------


def test_row_is_typed_in_column_order_with_defaults() -> None:
    row = CONTRACT.parse_row({"active": "yes", "joined": "03/02/2024", "name": 7})
    assert list(row.items()) == [("name", "7"), ("age", 18), ("joined", date(2024, 2, 3)), ("active", True)]


def test_null_takes_the_default_or_stays_null() -> None:
    row = CONTRACT.parse_row({"name": None, "age": None, "joined": "", "active": False})
    assert row == {"name": None, "age": 18, "joined": None, "active": False}


def test_every_invalid_field_of_a_row_is_named() -> None:
    with pytest.raises(InvalidFields) as caught:
        CONTRACT.parse_row({"age": True, "joined": "soon", "active": None, "colour": "red"})
    assert {(field.location, field.code) for field in caught.value.fields} == {
        (("body", "features", "name"), "missing_feature"),
        (("body", "features", "age"), "wrong_type"),
        (("body", "features", "joined"), "not_a_date"),
        (("body", "features", "active"), "missing_value"),
        (("body", "features", "colour"), "unknown_feature"),
    }


def test_unknown_feature_is_refused_even_where_a_default_fills_the_gap() -> None:
    with pytest.raises(InvalidFields, match="colour"):
        CONTRACT.parse_row({"name": "a", "joined": None, "active": True, "colour": "red"})


# ---- batches --------------------------------------------------------------------------------------------------------


def test_rows_with_an_invalid_cell_are_left_out_and_every_such_cell_is_reported() -> None:
    batch = pa.record_batch(
        {
            "active": ["1", "maybe", "0", ""],
            "name": ["a", "b", "c", "d"],
            "joined": ["2024-01-01", "13/13/2024", "", "2024-01-02"],
            "extra": ["?", "?", "?", "?"],
        }
    )
    parsed = CONTRACT.parse_batch(batch)
    assert parsed.kept.to_pylist() == [True, False, True, False]
    assert parsed.table.schema == CONTRACT.schema
    assert parsed.table.to_pylist() == [
        {"name": "a", "age": 18, "joined": date(2024, 1, 1), "active": True},
        {"name": "c", "age": 18, "joined": None, "active": False},
    ]
    assert [tuple(error.values())[:4] for error in parsed.errors.to_pylist()] == [
        (1, "joined", "13/13/2024", "not_a_date"),
        (1, "active", "maybe", "not_a_boolean"),
        (3, "active", "", "missing_value"),
    ]


def test_missing_column_needs_a_default() -> None:
    with pytest.raises(Invalid) as caught:
        CONTRACT.parse_batch(pa.record_batch({"name": ["a"]}))
    assert caught.value.code == "missing_column"


NUMBERS = [
    f"{sign}{body}{end}"
    for sign in ("", "+", "-", "--", " ")
    for body in ("0", "7", "007", "12", "1.5", ".5", "5.", ".", "1e5", "1E-3", "1e309", "1e-400", "0x1F", "0X1f", "1_0")
    for end in ("", " ", ".0", "e", "\t", "\n")
] + [
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "999999999999999999", "1" * 40),
    *(
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "٣",
        "1,5",
        "½",
        "0.1",
        "1" * 31 + ".5",
        "4.9e-324",
        "1.7976931348623159e308",
    ),
]
WORDS = [
    "",
    " ",
    "true",
    "TRUE",
    "Yes",
    "y",
    "N",
    "f",
    "T",
    "0",
    "1",
    "on",
    "İ",
    "a\0b",
    "NA",
    "null",
    "\u00a01\u00a0",
    "é",
]
DAYS = [
    *("2024-08-09", "2024-02-30", "0000-01-01", "0001-01-01", "9999-12-31", "2024-8-9", "2024/08/09", "20240809"),
    *("09-Aug-24", "9 Aug 2024", "Aug 9, 2024", "08/09/2024", "13/08/2024", "08/13/2024", "31.12.69", "08-08-2024"),
]
CLOCKS = [
    *("", " ", "T", "T10", " 10", "T10:11", " 10:11:12", "T10:11:12.5", "T10:11:12.123456", "T10:11:12.1234567"),
    *("T00:00", "T24:00", "T10:60", "T10:00:60", "T10:11:12.", " 3:05 PM", " 13:05 PM", " 00:00:00"),
]
ZONES = ["", "Z", "z", "+00", "+05:30", "-0800", "+24:00", "+23:60", " Z", "UTC"]
GRID = sorted({*NUMBERS, *WORDS, *("".join(parts) for parts in itertools.product(DAYS, CLOCKS, ZONES))})
SPELLED = [
    *("0", "5", "12", "999", "1234", "1,234", "12,345,678", "12,34,567", "1.234", "1.234.567", "1 234", "1\u00a0234"),
    *("1'234", "1\u2019234", "1,234.5", "1.234,5", "1 234,5", "1'234.5", "12,5", "12.5", "0,5", ".5", ",5", "1.", "1,"),
    *("007", "1e3", "1,5E+03", "1.5e-3", "1e400", "99999999999999999999", "1,23", "1..2", "1,,2", "abc", "NA", ""),
]
DECORATIONS = [
    *("{}", "-{}", "{}-", "({})", "+{}", " {} ", "${}", "-${}", "${}-", "{} $", "{}%", "{} %", "-{}%", "({}%)"),
    *("{}- $", "{}- %"),
]
SPELLINGS = ["1,234.5", "1.234,5", "1 234,5", "1'234.5", "1234,5", "$1,234.5", "1234.5%", "1.234,5%"]


def by_row(contract: Contract, cell: str) -> tuple[object, str | None]:
    try:
        return contract.parse_row({"x": cell})["x"], None
    except InvalidFields as refused:
        return None, refused.fields[0].code


def by_batch(contract: Contract, cells: list[str]) -> list[tuple[object, str | None]]:
    """Values are read with row numbers kept, so that each cell meets its own answer."""
    parsed = contract.parse_batch(texts(*cells))
    rules = {error["row"]: error["rule"] for error in parsed.errors.to_pylist()}
    values = iter(parsed.table.column(0).to_pylist())
    return [(None, rules[row]) if row in rules else (next(values), None) for row in range(len(cells))]


@pytest.mark.parametrize("order", ["dmy", "mdy", None])
@pytest.mark.parametrize("data_type", DataType)
def test_row_and_batch_agree_on_every_spelling(data_type: DataType, order: Any) -> None:
    contract = one(data_type, date_order=order)
    expected = [by_row(contract, cell) for cell in GRID]
    assert len(GRID) > 2500
    assert by_batch(contract, GRID) == expected
    accepted = [cell for cell, (_, rule) in zip(GRID, expected, strict=True) if rule is None]
    assert by_batch(contract, accepted) == [answer for answer in expected if answer[1] is None]


@pytest.mark.parametrize("data_type", [DataType.INTEGER, DataType.FLOAT])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_row_and_batch_agree_in_every_number_format(data_type: DataType, spelling: str) -> None:
    contract = one(data_type, number_format=spelling)
    written = [decorate.format(number) for number in SPELLED for decorate in DECORATIONS]
    expected = [by_row(contract, cell) for cell in written]
    assert any(rule is None for _, rule in expected)
    assert by_batch(contract, written) == expected


@pytest.mark.parametrize("data_type", DataType)
def test_row_and_batch_of_one_agree_on_every_spelling(data_type: DataType) -> None:
    # Alone, a cell takes the way of whole columns wherever Arrow reads it at all.
    contract = one(data_type)
    for cell in GRID:
        assert by_batch(contract, [cell]) == [by_row(contract, cell)], cell


def test_short_dates_of_a_stored_contract_have_their_year_last() -> None:
    column = Column("x", DataType.DATE, default="13/01/24", minimum="13/01/23", allowed_values=("13/01/24", "05/05/24"))
    contract = Contract.from_json(Contract((column,)).to_json())
    assert contract.parse_row({"x": ""}) == {"x": date(2024, 1, 13)}
    assert contract.parse_row({"x": "2024-05-05"}) == {"x": date(2024, 5, 5)}


def test_nested_object_is_refused_with_the_names_of_the_features() -> None:
    contract = Contract.build([Column("a.b", DataType.INTEGER), Column("a.c", DataType.INTEGER, default="1")])
    with pytest.raises(InvalidFields) as caught:
        contract.parse_row({"a": {"b": 1}})
    messages = {error.location[-1]: error.message for error in caught.value.fields}
    assert "objects are not read; send its fields as features of their own: 'a.b', 'a.c'" in messages["a"]
    assert contract.parse_row({"a.b": 2}) == {"a.b": 2, "a.c": 1}

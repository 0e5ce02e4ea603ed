"""Uploaded files: formats told apart, structures checked, rows read, contracts inferred."""

import base64
import csv
import io
import pickle
import random
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.files import csv as csv_files
from dataml.contract.files.reading import FileFormat, detect_format, infer_contract, open_batches, scan_file
from dataml.contract.types import DataType
from dataml.errors import Invalid

Write = Callable[[bytes | str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: bytes | str) -> Path:
        path = tmp_path / "data.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def code_of(path: Path, format: FileFormat = "csv", contract: Contract | None = None) -> str:
    with pytest.raises(Invalid) as caught:
        scan_file(path, format, contract)
    return caught.value.code


def rows(path: Path, delimiter: str = ",") -> list[tuple[str | None, ...]]:
    batches = open_batches(path, "csv", delimiter)
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


# ---- formats --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first", "expected"),
    [
        ("a.csv", b"a,b\n", "csv"),
        ("a.txt", b"a\n", "csv"),
        ("A.PARQUET", b"PAR1..", "parquet"),
        ("a.csv", b"PAR1", "parquet"),
        ("a.csv", b"ORCID,name\n", "csv"),
        ("a.csv", b"ARROW1,ARROW2\n", "csv"),
        ("a.csv", b"<DATE>,<OPEN>\n", "csv"),
    ],
)
def test_the_content_tells_the_format(name: str, first: bytes, expected: str) -> None:
    assert detect_format(name, first) == expected


@pytest.mark.parametrize(
    ("name", "first", "code"),
    [
        ("a.csv", b"", "empty_file"),
        ("a.parquet", b"a,b\n1,2\n", "not_a_parquet"),
        ("a.csv", b"PK\x03\x04..", "not_a_csv"),
        ("a.csv", b"\x7fELF..", "not_a_csv"),
        ("a.csv", b"\x80\x04\x95", "not_a_csv"),
        ("a.csv", b"  <!DOCTYPE html>", "not_a_csv"),
        ("a.csv", b'{"a": 1}', "not_a_csv"),
        ("a.csv", b'[{"a": 1}]', "not_a_csv"),
        ("a.csv", "a,b".encode("utf-16"), "not_utf8"),
    ],
)
def test_what_is_no_table_is_refused_by_its_first_bytes(name: str, first: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        detect_format(name, first)
    assert caught.value.code == code


# ---- structure of a CSV ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", [("1", "2")]),
        ("a,b\n1,2", [("1", "2")]),
        ("a,b\r\n1,2\r\n", [("1", "2")]),
        ("a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")]),
        ("a,b\r\n1,2\n3,4\r5,6\r\r\n7,8", [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8")]),
        ('a,b\n"x\ny\r\n\rz",1\n', [("x\ny\r\n\rz", "1")]),
        ("a,b\n00123,=cmd|' /C calc'!A0\n", [("00123", "=cmd|' /C calc'!A0")]),
        ("\ufeffa,b\n1,2\n", [("1", "2")]),
        ('\ufeff"a",b\n1,2\n', [("1", "2")]),
        ("\n\na,b\n\n1,2\n\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
        ('a,b\n1,"x""y"\n', [("1", 'x"y')]),
        ('a,b\n"1\r\n2","x,y"\n', [("1\r\n2", "x,y")]),
        ('a,b\n"",\n', [(None, None)]),
        ('a\n""\n\n1\n', [(None,), ("1",)]),
        ("a,b\nNA,null\n", [("NA", "null")]),
        ("a,b\n é,1\n", [(" é", "1")]),
    ],
)
def test_sound_files_are_read_as_they_were_scanned(write: Write, content: str, expected: list[object]) -> None:
    path = write(content)
    summary = scan_file(path, "csv")
    assert (summary.total_records, summary.total_fields) == (len(expected), len(summary.names))
    assert rows(path) == expected


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        (b"", "empty_file", "empty"),
        (b"\n\r\n", "empty_file", "empty"),
        (b"\xef\xbb\xbf", "empty_file", "empty"),
        (b"a,b\n", "no_rows", "no rows"),
        (b"a,b\n1,2\n1,caf\xe9\n", "not_utf8", "Line 3"),
        (b"a,b\n1,caf\xc3", "not_utf8", "Line 2"),
        (b"a,b\n1,\0\n", "nul_byte", "Line 2"),
        (b"a,b\n\n1,2,3\n", "ragged_row", "Line 3: 3 fields, where the header has 2"),
        (b'a,b\n"x\ny",2\n1\n', "ragged_row", "Line 4: 1 fields"),
        (b"a,b\n1,2\n \n", "ragged_row", "Line 3"),
        (b"a,a\n1,2\n", "duplicate_column", "'a'"),
        (b"a, a \n1,2\n", "duplicate_column", "'a'"),
        (b"a,\n1,2\n", "empty_column_name", "Column 2"),
        (b",a\n1,2\n", "empty_column_name", "Column 1"),
        (b"a\x07,b\n1,2\n", "bad_column_name", "column 1"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "unterminated_quote", "Line 3"),
        (b'a,b\n1,"', "unterminated_quote", "Line 2"),
        (b'a,"b\n1,2\n', "unterminated_quote", "Line 1"),
        (b'a,b\n1,"2"x\n', "stray_quote", "Line 2: text follows"),
        (b'a,b\n1,5" pipe\n', "stray_quote", "Line 2: a quote stands inside"),
        (b"a,b\n1," + b"x" * (2**20 + 1) + b"\n", "field_too_large", "Line 2"),
        (b'a,b\n1,"' + b"x" * (17 << 20), "row_too_large", "Line 2"),
        (b"a,b\n1," + b"x" * 2_000_000 + b"\n", "field_too_large", "Line 2"),
        (",".join(f"c{i}" for i in range(2001)).encode() + b"\n1\n", "too_many_columns", "2,001"),
        (",".join(f"c{i}" for i in range(200_000)).encode() + b"\n1\n", "too_many_columns", "200,000"),
        (b"PK\x03\x04zip", "not_a_csv", "zip"),
    ],
)
def test_broken_structures_are_named(write: Write, content: bytes, code: str, where: str) -> None:
    with pytest.raises(Invalid) as caught:
        scan_file(write(content), "csv")
    assert caught.value.code == code
    assert where in caught.value.detail


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(write: Write, delimiter: str) -> None:
    path = write(f'"a,1;"{delimiter}b{delimiter}c\n1{delimiter}2{delimiter}3\n')
    summary = scan_file(path, "csv")
    assert (summary.delimiter, summary.names) == (delimiter, ("a,1;", "b", "c"))
    assert rows(path, delimiter) == [("1", "2", "3")]


def test_columns_are_compared_with_the_contract(write: Write) -> None:
    contract = Contract.build(
        [Column("a", DataType.STRING), Column("b", DataType.STRING), Column("d", DataType.STRING, default="x")]
    )
    assert scan_file(write("a, b ,c\n1,2,3\n"), "csv", contract).ignored == ("c",)
    assert code_of(write("a,c\n1,2\n"), "csv", contract) == "missing_column"


def test_only_the_wanted_columns_are_read(write: Write) -> None:
    path = write("a, b ,c\n1,2,3\n")
    (batch,) = open_batches(path, "csv", columns=["c", "b", "unknown"])
    assert batch.to_pylist() == [{"b": "2", "c": "3"}]


def test_a_generated_file_of_any_text_is_read_back_exactly(write: Write) -> None:
    chance = random.Random(7)
    cells = ["", "a", ",", '"', "\n", "\r\n", 'x"y', "é", " ", "'", ";", "1,5", "\t"]
    written = [["".join(chance.choices(cells, k=3)) for _ in range(4)] for _ in range(3000)]
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c", "d"], *written])
    path = write(target.getvalue())
    assert scan_file(path, "csv").total_records == len(written)
    assert rows(path) == [tuple(cell or None for cell in row) for row in written]


def test_the_verdict_does_not_depend_on_where_blocks_end(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    pieces = ["a", "1", ",", ",", "\n", "\n", '"', "\r", "\r\n", '"x"', '"y,z"', "é", " ", '""']
    headers = ["h1,h2\n", '"h1","h\n2"\r\n', "\n\nh1,h2\r", "\ufeffh1,h2\r\n"]

    def verdict(content: bytes, block_bytes: int) -> object:
        monkeypatch.setattr(csv_files, "BLOCK_BYTES", block_bytes)
        try:
            return csv_files.scan_csv(io.BytesIO(content))
        except Invalid:
            return None

    sound = 0
    for _ in range(3000):
        content = (chance.choice(headers) + "".join(chance.choices(pieces, k=chance.randint(0, 16)))).encode()
        whole = verdict(content, 1 << 20)
        sound += whole is not None
        assert verdict(content, chance.randint(3, 9)) == whole, content
    assert sound > 30


def test_rows_larger_than_a_block_of_the_reader_are_read(write: Write) -> None:
    wide = ",".join(["x" * 500_000] * 7) + "\n"
    path = write("a,b,c,d,e,f,g\n" + wide * 3 + "1,2,3,4,5,6,7\n" * 10)
    assert scan_file(path, "csv").total_records == 13
    assert sum(batch.num_rows for batch in open_batches(path, "csv")) == 13


# ---- Parquet --------------------------------------------------------------------------------------------------------


class Trap(pa.ExtensionType):
    """An extension type that shows whether a reader revived it."""

    revived = 0

    def __init__(self) -> None:
        super().__init__(pa.int64(), "dataml.tests.trap")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> "Trap":
        cls.revived += 1
        return cls()


def parquet(path: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_plain_parquet_file_is_read_typed(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", **{" a.b ": pa.array([1, None]), "c": pa.array(["x", "y"])})
    summary = scan_file(path, "parquet")
    assert (summary.names, summary.total_records) == (("a.b", "c"), 2)
    (batch,) = open_batches(path, "parquet", columns=["a.b"])
    assert batch.to_pydict() == {"a.b": [1, None]}


def test_an_extension_type_is_refused_before_it_is_revived(tmp_path: Path) -> None:
    pa.register_extension_type(Trap())
    try:
        values = pa.ExtensionArray.from_storage(Trap(), pa.array([1]))
        path = parquet(tmp_path / "a.parquet", a=values)
        assert code_of(path, "parquet") == "unsupported_parquet_type"
        with pytest.raises(Invalid):
            list(open_batches(path, "parquet"))
        assert Trap.revived == 0
        pq.ParquetFile(path)
        assert Trap.revived == 1  # which is what the early look is for
    finally:
        pa.unregister_extension_type("dataml.tests.trap")


def with_footer(path: Path, footer: Callable[[bytes], bytes]) -> Path:
    """The file, with what `footer` makes of its footer."""
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    changed = footer(content[start:-8])
    path.write_bytes(content[:start] + changed + len(changed).to_bytes(4, "little") + content[-4:])
    return path


def thrift_length(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + thrift_length(number >> 7)


def stored_schema(kind: pa.DataType) -> bytes:
    """What a Parquet file with one column of this type keeps of its Arrow schema, with its length."""
    text = base64.b64encode(pa.schema([("a", kind)]).serialize().to_pybytes())
    return thrift_length(len(text)) + text


def test_an_extension_type_behind_a_harmless_schema_is_refused_before_it_is_revived(tmp_path: Path) -> None:
    """A reader takes the last of two values of one key."""
    path = parquet(tmp_path / "a.parquet", a=pa.array([1]))
    plain, trapped = stored_schema(pa.int64()), stored_schema(Trap())
    pa.register_extension_type(Trap())
    try:
        Trap.revived = 0
        with_footer(path, lambda footer: footer.replace(plain, plain + b"\x08\x04" + trapped))
        assert code_of(path, "parquet") == "unsupported_parquet_type"
        assert Trap.revived == 0
        pq.ParquetFile(path)
        assert Trap.revived > 0
    finally:
        pa.unregister_extension_type("dataml.tests.trap")


RAY_TYPES = ["ray.data.arrow_tensor", "ray.data.arrow_tensor_v2", "ray.data.arrow_variable_shaped_tensor"]
RAY_TYPES += ["ray.data.arrow_pickled_object"]


@pytest.mark.parametrize("name", RAY_TYPES)
def test_a_type_of_ray_that_unpickles_is_refused_by_its_name_alone(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpickled: list[bytes] = []
    monkeypatch.setattr(pickle, "loads", unpickled.append)
    about = {b"ARROW:extension:name": name.encode(), b"ARROW:extension:metadata": pickle.dumps((2, 2))}
    schema = pa.schema([pa.field("a", pa.list_(pa.int64()), metadata=about)])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [[1, 2, 3, 4]]}, schema=schema), path)
    # Read by hand: where Ray has registered the type, any reader of the footer revives it.
    written = re.search(rb"ARROW:schema.{1,8}?([A-Za-z0-9+/]{100,}=*)", path.read_bytes(), re.DOTALL)
    assert written is not None
    assert name.encode() in base64.b64decode(written[1])
    assert code_of(path, "parquet") == "unsupported_parquet_type"
    assert not unpickled


@pytest.mark.parametrize("rows", [0, 2, 4, -3])
def test_a_parquet_file_that_counts_its_rows_wrong_is_refused(tmp_path: Path, rows: int) -> None:
    path = parquet(tmp_path / "a.parquet", a=pa.array([1, 2, 3]))
    zigzag = bytes([rows * 2 if rows >= 0 else -rows * 2 - 1])
    with_footer(path, lambda footer: footer.replace(b"\x16\x06", b"\x16" + zigzag, 1))
    assert code_of(path, "parquet") == "not_a_parquet"


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([b"x"]),
        pa.array([1], pa.time64("us")),
        pa.array([1], pa.duration("s")),
    ],
)
def test_nested_and_exotic_parquet_types_are_refused(tmp_path: Path, values: pa.Array) -> None:
    assert code_of(parquet(tmp_path / "a.parquet", a=values), "parquet") == "unsupported_parquet_type"


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-5], lambda data: b"PAR1" + data[60:], lambda data: b"PAR1PAR1"]
)
def test_a_damaged_parquet_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = parquet(tmp_path / "a.parquet", a=pa.array(range(1000)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Invalid) as caught:
        list(open_batches(path, "parquet"))
    assert caught.value.code == "not_a_parquet"


def test_a_text_that_a_parquet_file_holds_once_for_many_rows_is_read_in_small_parts(tmp_path: Path) -> None:
    text = pa.array(["x" * 500_000, "y"])
    cells = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 1_000, pa.int32()), text)
    path = parquet(tmp_path / "a.parquet", a=cells, n=pa.array(range(2_000)))
    assert path.stat().st_size < 2_000_000
    parts = list(open_batches(path, "parquet"))
    assert max(part.nbytes for part in parts) < 70_000_000
    numbers = [number for part in parts for number in part.column("n").to_pylist()]
    assert numbers == list(range(2_000))
    assert [cell.as_py()[0] for part in parts for cell in part.column("a")] == ["x", "y"] * 1_000


def test_a_text_larger_than_a_field_may_be_is_refused_in_parquet_too(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", a=pa.array(["x", None, "y" * 2_000_000]))
    with pytest.raises(Invalid) as caught:
        list(open_batches(path, "parquet"))
    assert caught.value.code == "field_too_large"


def test_an_empty_parquet_file_has_no_rows(tmp_path: Path) -> None:
    assert code_of(parquet(tmp_path / "a.parquet", a=pa.array([], pa.int64())), "parquet") == "no_rows"


# ---- inference ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "data_type"),
    [
        (["1", "-2", ""], DataType.INTEGER),
        (["0", "1"], DataType.INTEGER),
        (["1", " 2 "], DataType.INTEGER),
        (["1", "2.5"], DataType.FLOAT),
        (["12.0", "1e3"], DataType.FLOAT),
        (["007", "1"], DataType.STRING),
        (["+49", "1"], DataType.STRING),
        (["12345678901234567890", "1"], DataType.STRING),
        (["1", "inf"], DataType.STRING),
        (["1", "NA"], DataType.STRING),
        (["Yes", "no", ""], DataType.BOOLEAN),
        (["TRUE", "false"], DataType.BOOLEAN),
        (["y", "n"], DataType.STRING),
        (["2024-01-01", "08-Aug-24"], DataType.DATE),
        (["2024-01-01", "2024-01-01 10:00"], DataType.TIMESTAMP),
        (["2024-01-01 00:00:00"], DataType.TIMESTAMP),
        (["13/01/2024", "01/02/2024"], DataType.DATE),
        (["01/02/2024"], DataType.STRING),
        (["2024-01-01", "soon"], DataType.STRING),
        (["", ""], DataType.STRING),
    ],
)
def test_all_values_of_a_column_tell_its_type(cells: list[str], data_type: DataType) -> None:
    one_by_one = [pa.record_batch({"x": pa.array([cell])}) for cell in cells]
    together = [pa.record_batch({"x": pa.array(cells)})]
    assert infer_contract(one_by_one).column("x").data_type is data_type
    assert infer_contract(together).column("x").data_type is data_type


def test_an_inferred_contract_records_the_date_order() -> None:
    contract = infer_contract([pa.record_batch({"x": pa.array(["13/01/2024", "01/02/2024"])})])
    assert contract.parse_row({"x": "01/02/2024"}) == {"x": date(2024, 2, 1)}


def test_parquet_types_are_taken_at_their_word() -> None:
    batch = pa.record_batch(
        {"i": pa.array([1]), "b": pa.array([True]), "t": pa.array([date(2024, 1, 1)]), "n": pa.nulls(1)}
    )
    types = [column.data_type for column in infer_contract([batch]).columns]
    assert types == [DataType.INTEGER, DataType.BOOLEAN, DataType.DATE, DataType.STRING]


def test_files_of_one_dataset_must_share_their_columns() -> None:
    batches = [pa.record_batch({"a": ["1"], "b": ["1"]}), pa.record_batch({"a": ["1"]})]
    with pytest.raises(Invalid) as caught:
        infer_contract(batches)
    assert caught.value.code == "missing_column"

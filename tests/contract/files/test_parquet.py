"""Uploaded Parquet files: plain columns only, decided before Arrow reads the schema."""

import base64
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.files.parquet import open_parquet, open_uploaded_parquet, reject_extension_types
from dataml.contract.files.reading import open_batches
from dataml.errors import Invalid
from tests.contract.files.uploads import refused_code, write_parquet


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


def with_footer(path: Path, footer: Callable[[bytes], bytes]) -> Path:
    """Replace the footer of a file by the result of a function of it, and return the file."""
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    changed = footer(content[start:-8])
    path.write_bytes(content[:start] + changed + len(changed).to_bytes(4, "little") + content[-4:])
    return path


def thrift_length(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + thrift_length(number >> 7)


def stored_schema(kind: pa.DataType) -> bytes:
    """Return the Arrow schema that a Parquet file with one column of this type stores, with its length."""
    text = base64.b64encode(pa.schema([("a", kind)]).serialize().to_pybytes())
    return thrift_length(len(text)) + text


def test_extension_type_is_refused_before_it_is_revived(tmp_path: Path) -> None:
    pa.register_extension_type(Trap())
    try:
        values = pa.ExtensionArray.from_storage(Trap(), pa.array([1]))
        path = write_parquet(tmp_path / "a.parquet", a=values)
        assert refused_code(path, "parquet") == "unsupported_parquet_type"
        with pytest.raises(Invalid):
            list(open_batches(path, "parquet"))
        assert Trap.revived == 0
        pq.ParquetFile(path)
        assert Trap.revived == 1  # which is what the early look is for
    finally:
        pa.unregister_extension_type("dataml.tests.trap")


def test_extension_type_behind_a_harmless_schema_is_refused_before_it_is_revived(tmp_path: Path) -> None:
    """A reader takes the last of two values of one key."""
    path = write_parquet(tmp_path / "a.parquet", a=pa.array([1]))
    plain, trapped = stored_schema(pa.int64()), stored_schema(Trap())
    pa.register_extension_type(Trap())
    try:
        Trap.revived = 0
        with_footer(path, lambda footer: footer.replace(plain, plain + b"\x08\x04" + trapped))
        assert refused_code(path, "parquet") == "unsupported_parquet_type"
        assert Trap.revived == 0
        pq.ParquetFile(path)
        assert Trap.revived > 0
    finally:
        pa.unregister_extension_type("dataml.tests.trap")


RAY_TYPES = ["ray.data.arrow_tensor", "ray.data.arrow_tensor_v2", "ray.data.arrow_variable_shaped_tensor"]
RAY_TYPES += ["ray.data.arrow_pickled_object"]


@pytest.mark.parametrize("name", RAY_TYPES)
def test_type_of_ray_that_unpickles_is_refused_by_its_name_alone(
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
    assert refused_code(path, "parquet") == "unsupported_parquet_type"
    assert not unpickled


@pytest.mark.parametrize("rows", [0, 2, 4, -3])
def test_parquet_file_with_a_wrong_row_count_is_refused(tmp_path: Path, rows: int) -> None:
    path = write_parquet(tmp_path / "a.parquet", a=pa.array([1, 2, 3]))
    zigzag = bytes([rows * 2 if rows >= 0 else -rows * 2 - 1])
    with_footer(path, lambda footer: footer.replace(b"\x16\x06", b"\x16" + zigzag, 1))
    assert refused_code(path, "parquet") == "not_a_parquet"


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-5], lambda data: b"PAR1" + data[60:], lambda data: b"PAR1PAR1"]
)
def test_damaged_parquet_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = write_parquet(tmp_path / "a.parquet", a=pa.array(range(1000)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Invalid) as caught:
        list(open_batches(path, "parquet"))
    assert caught.value.code == "not_a_parquet"


def test_text_is_read_as_dictionaries_on_request(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", a=pa.array(["x", "y", "x"]), n=pa.array([1, 2, 3]))
    with open_uploaded_parquet(path, read_dictionaries=True) as file:
        types = file.schema_arrow.types
    assert types == [pa.dictionary(pa.int32(), pa.string()), pa.int64()]


def test_column_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", name=pa.array([1]))
    path.write_bytes(path.read_bytes().replace(b"name", b"n\xffme"))
    with pytest.raises(Invalid) as caught:
        open_uploaded_parquet(path)
    assert caught.value.code == "bad_column_name"


def test_own_file_is_not_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read ahead stays in memory until the file is closed."""
    options: dict[str, object] = {}
    monkeypatch.setattr(pq, "ParquetFile", lambda path, **given: options.update(given))
    open_parquet(tmp_path / "a.parquet")
    assert options == {"pre_buffer": False}


def test_file_without_extension_types_is_accepted(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", a=pa.array([1]))
    with path.open("rb") as stream:
        reject_extension_types(stream, path.stat().st_size)

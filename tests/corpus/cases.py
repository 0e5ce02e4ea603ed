"""The cases of the corpus: small files as programs and people write them, and what each must be read as."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import yaml

from dataml.contract.contract import Column, Contract
from dataml.contract.files.layout import CsvOptions
from dataml.contract.types import DataType

FOLDER: Final = Path(__file__).parent / "files"

_KEYS: Final = frozenset({"about", "options", "template", "pending"})
_REFUSED_KEYS: Final = frozenset({"refused", "message"})
_READ_KEYS: Final = frozenset({"columns", "rows", "errors", "warnings", "first_row", "last_row"})
_RANGE: Final = re.compile(r"(.*)\{([0-9]+)\.\.([0-9]+)\}")
_FORMATS: Final = ("date_order", "date_format", "number_format", "missing_values", "time_zone")


class BrokenCase(Exception):
    """A YAML file that does not say what its keys need, or says what nothing compares."""


@dataclass(frozen=True)
class Reading:
    """A table as it was read, or as it must be.

    Attributes:
        columns: for each name the type and the formats that are recorded for it.
        rows: how many rows there are, and how many of them are kept.
        errors: how many cells break each rule.
        warnings: code and column of each warning.
        first_row: the values of the first row that is kept, `last_row` those of the last; None if none is kept.
    """

    columns: dict[str, dict[str, Any]]
    total_rows: int
    kept_rows: int
    errors: dict[str, int]
    warnings: list[tuple[str, str | None]]
    first_row: dict[str, Any] | None
    last_row: dict[str, Any] | None


@dataclass(frozen=True)
class Refusal:
    """A refused file: the code, and words of the message."""

    code: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A file, how it is uploaded, and what must come of it; `pending` says why that cannot be yet."""

    path: Path
    about: str
    options: CsvOptions
    template: Contract | None
    pending: str | None
    expected: Reading | Refusal


def list_case_files(folder: Path = FOLDER) -> list[Path]:
    """Return the YAML files of all cases."""
    return sorted(folder.glob("*.yaml"))


def find_data_file(case_file: Path) -> Path:
    """Return the file that lies beside the YAML file and has its name.

    Raises:
        BrokenCase: there is none, or there are several.
    """
    others = [path for path in case_file.parent.glob(f"{case_file.stem}.*") if path.suffix != ".yaml"]
    if len(others) != 1:
        raise BrokenCase(f"{case_file.name}: one file of this name is needed beside it, not {len(others)}")
    return others[0]


def load_case(case_file: Path) -> Case:
    """Return the case that a YAML file describes.

    Raises:
        BrokenCase: a key is missing, unknown, without a use, or has a value of another kind.
    """
    try:
        record = yaml.load(case_file.read_text(encoding="utf-8"), _UniqueKeyLoader)
        return _build_case(find_data_file(case_file), record)
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise BrokenCase(f"{case_file.name}: {type(error).__name__}: {error}") from error


def describe_column(column: Column) -> dict[str, Any]:
    """Return the type and the formats of a column that are not the usual ones, as a YAML file has them."""
    formats = {name: value for name in _FORMATS if (value := getattr(column, name)) is not None}
    return {"type": column.data_type.value} | formats


def _build_case(path: Path, record: dict[str, Any]) -> Case:
    is_refused = "refused" in record
    unknown = set(record) - _KEYS - (_REFUSED_KEYS if is_refused else _READ_KEYS)
    if unknown:
        raise BrokenCase(f"{path.name}: keys that nothing compares: {', '.join(sorted(unknown))}")
    template = record.get("template")
    return Case(
        path,
        _text(record["about"]),
        CsvOptions(**record.get("options", {})),
        None if template is None else Contract.build(_build_column(each) for each in template),
        _text(record["pending"]) if "pending" in record else None,
        _build_refusal(record) if is_refused else _build_reading(path, record),
    )


def _build_refusal(record: dict[str, Any]) -> Refusal:
    words = record.get("message", [])
    if not isinstance(words, list):
        raise ValueError("`message` is a list of texts")
    return Refusal(_text(record["refused"]), tuple(map(_text, words)))


def _build_reading(path: Path, record: dict[str, Any]) -> Reading:
    columns = {_text(name): _describe(column) for name, column in _expand(record["columns"]).items()}
    first, last = _expand(record.get("first_row")), _expand(record.get("last_row"))
    rows, errors = record["rows"], record.get("errors", {})
    if set(rows) != {"total", "kept"}:
        raise ValueError("`rows` has `total` and `kept`")
    if (rows["kept"] < rows["total"]) != bool(errors):
        raise ValueError("`errors` counts the cells by rule exactly where rows are not kept")
    if rows["kept"] and not set(first or ()) == set(last or ()) == set(columns):
        raise ValueError("`first_row` and `last_row` have the names of `columns`")
    warnings = [(_text(code), column) for code, column in record.get("warnings", [])]
    return Reading(columns, rows["total"], rows["kept"], dict(errors), sorted(warnings, key=str), first, last)


def _expand(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the values by name, where `x{1..3}` has named x1, x2 and x3, which have equal ones."""
    if values is None:
        return None
    expanded: dict[str, Any] = {}
    for name, value in values.items():
        match = _RANGE.fullmatch(name)
        names = [f"{match[1]}{n}" for n in range(int(match[2]), int(match[3]) + 1)] if match else [name]
        expanded |= dict.fromkeys(names, value)
    return expanded


def _describe(column: str | dict[str, Any]) -> dict[str, Any]:
    described = {"type": column} if isinstance(column, str) else dict(column)
    unknown = set(described) - {"type", *_FORMATS}
    if unknown or described["type"] not in set(DataType):
        raise ValueError(f"no description of a column: {column}")
    if "missing_values" in described:
        described["missing_values"] = tuple(described["missing_values"])
    return described


def _build_column(record: dict[str, Any]) -> Column:
    known = {field.name for field in fields(Column)} - {"data_type"}
    formats = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    data_type = DataType.parse(formats.pop("type"))
    unknown = set(formats) - known
    if unknown:
        raise ValueError(f"a column of a template has no {', '.join(sorted(unknown))}")
    return Column(data_type=data_type, **formats)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a text is expected, not {value!r}")
    return value


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, which takes the last of two equal keys without a word, but for that."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node.

        Raises:
            BrokenCase: a key occurs twice.
        """
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise BrokenCase(f"a key occurs twice{node.start_mark}")
        return super().construct_mapping(node, deep)

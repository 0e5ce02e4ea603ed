"""A tenant in which names and values are HTML, long, emoji, or written from right to left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from tests.browser import objects
from tests.browser.objects import Objects
from tests.client import Client
from tests.dataset.datasets import create_dataset
from tests.sample_tenant import create_user

SCRIPT: Final = "<script>alert(1)</script>"
# A dataset's name has no slash.
IMAGE: Final = '"><img src=x onerror=alert(2)>'
ATTRIBUTE: Final = "' onmouseover='alert(3)' x='{{7*7}}"
MIXED: Final = "😀🎉 שלום עולם مرحبا بالعالم 日本語"
LAKE_TABLE: Final = "hostile_customers"
_ROWS: Final = 240
_DAYS: Final = 60


def lengthen(start: str, length: int) -> str:
    """Return a text of this length that begins with `start` and has no further place to break."""
    return (start + "W" * length)[:length]


@dataclass(frozen=True)
class _Column:
    name: str
    values: tuple[str, str]
    role: str | None = None


COLUMNS: Final = (
    _Column("id", ("", ""), "Id"),
    _Column(lengthen(SCRIPT, 250), ("red", "blue")),
    _Column(IMAGE, (SCRIPT, IMAGE)),
    _Column(MIXED, (MIXED, ATTRIBUTE)),
    _Column(ATTRIBUTE, (lengthen("<b>", 250), "short")),
    _Column("age", ("", "")),
    _Column("<i>target</i>", ("<u>yes</u>", "no"), "Target"),
)


def hostile_csv(rows: int = _ROWS) -> bytes:
    """Return a CSV of the hostile columns, two of which determine the target."""
    lines = [[column.name for column in COLUMNS]]
    for number in range(rows):
        bits = [number >> place & 1 for place in range(len(COLUMNS))]
        bits[-1] = bits[1] ^ bits[2]
        cells = [column.values[bit] for column, bit in zip(COLUMNS, bits, strict=True)]
        cells[0], cells[5] = f"A{number}", str(18 + number % 60)
        lines.append(cells)
    return _to_csv(lines)


def create_hostile_tenant(client: Client) -> Objects:
    """Create objects of each kind in the client's tenant, and return their ids."""
    template_id, invalid_id = _create_data_with_errors(client)
    dataset = create_dataset(
        client, (f"{IMAGE}.csv", hostile_csv()), name=lengthen(IMAGE, 200), iceberg_table_name=LAKE_TABLE
    )
    training = _train(client, dataset["id"], lengthen(SCRIPT, 100), COLUMNS)
    objects.explain(client, training)
    forecast = _create_forecast(client)
    to_predict = create_dataset(client, ("rows.csv", hostile_csv(20)), name=MIXED, usage="p")
    batch = objects.score(client, training, to_predict)
    user = create_user(client, username=lengthen("שלום", 150), first_name=lengthen(SCRIPT, 150), last_name=MIXED)
    key_name = lengthen(SCRIPT + MIXED, 100)
    return [
        objects.list_ids(client, dataset, training, forecast, batch, user, key_name, LAKE_TABLE),
        {"dataset_id": invalid_id, "template_id": template_id},
        {"dataset_id": forecast["dataset_id"], "train_id": forecast["id"], "job_id": forecast["job_id"]},
    ]


def _create_data_with_errors(client: Client) -> tuple[int, int]:
    """Return the id of a template, and that of a dataset in which each row but two has a wrong cell."""
    schema = [
        {"column_name": lengthen(SCRIPT, 250), "data_type": "String", "allowed_values": [MIXED, IMAGE]},
        {"column_name": MIXED, "data_type": "Integer", "default_value": "7"},
    ]
    template = objects.post(
        client, "/template/", json={"template_name": lengthen(ATTRIBUTE, 200), "template_schema": schema}
    )
    wrong = [SCRIPT, lengthen("<b>", 250), ATTRIBUTE, MIXED * 3, "text"]
    rows = [[MIXED, "1"], [IMAGE, "2"], *([MIXED, value] for value in wrong), *([value, "3"] for value in wrong)]
    content = _to_csv([[column["column_name"] for column in schema], *rows])
    dataset = create_dataset(client, ("wrong.csv", content), name="<b>wrong<b>", template_id=template["id"])
    assert dataset["error_summary"]["total_errors"] > 1, dataset
    return template["id"], dataset["id"]


def _create_forecast(client: Client) -> dict[str, Any]:
    """Return a trained forecast of two series."""
    first = date(2024, 1, 1)
    columns = (
        _Column("<s>series</s>", ("", ""), "Id"),
        _Column("day", ("", ""), "Time"),
        _Column(MIXED, ("", ""), "Target"),
    )
    rows = [
        [series, str(first + timedelta(day)), str(day % 7 + day % 3 + 1)]
        for series in (SCRIPT, MIXED)
        for day in range(_DAYS)
    ]
    content = _to_csv([[column.name for column in columns], *rows])
    dataset = create_dataset(client, ("series.csv", content), name="<b>series<b>")
    return _train(client, dataset["id"], MIXED, columns, problem_type="Forecast", algorithm="SeasonalNaive")


def _train(client: Client, dataset_id: int, name: str, columns: Sequence[_Column], **changes: Any) -> dict[str, Any]:
    roles = {column.name: column.role for column in columns if column.role}
    options = {"algorithm": "LightGBM"} | changes
    return objects.train(client, dataset_id, name, roles, lengthen(SCRIPT, 200), **options)


def _to_csv(rows: Sequence[Sequence[str]]) -> bytes:
    lines = (",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in rows)
    return "\n".join(lines).encode()

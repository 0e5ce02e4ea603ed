"""Rows can be read in the order of a column, and wrong cells by column and rule."""

import itertools
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.dataset import selected_rows
from dataml.dataset.selected_rows import parse_sort, read_matching, read_sorted
from dataml.db.scope import Page
from dataml.errors import Invalid
from tests.client import Client
from tests.dataset.datasets import create_dataset, create_template

NUMBERS = random.Random(5).sample(range(1000), 1000)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Write a file with ten row groups: 1,000 different numbers, text, and a column whose name holds a dot."""
    path = tmp_path / "n.parquet"
    text = ["b", "A", None, "a"] * 250
    table = pa.table({"n": NUMBERS, "n.x": ["x"] * 1000, "text": text, "is": [True, None, False, True] * 250})
    pq.write_table(table, path, row_group_size=100)
    return path


@pytest.mark.parametrize(("limit", "offset"), [(10, 0), (50, 475), (100, 950), (5, 1000)])
def test_pages_of_sorted_rows_join(parquet: Path, limit: int, offset: int) -> None:
    page = Page(limit, offset)
    numbers = [row["n"] for row in read_sorted(parquet, ["n"], page, "n", descending=False)]
    assert numbers == list(range(1000))[offset : offset + limit]
    numbers = [row["n"] for row in read_sorted(parquet, None, page, "n", descending=True)]
    assert numbers == list(range(999, -1, -1))[offset : offset + limit]


def test_text_is_sorted_in_any_case_and_missing_values_are_last(parquet: Path) -> None:
    for descending, order in ((False, ["a", "b", None]), (True, ["b", "a", None])):
        rows = read_sorted(parquet, ["text"], Page(1000), "text", descending=descending)
        values = [row["text"] and row["text"].lower() for row in rows]
        assert [value for value, _ in itertools.groupby(values)] == order


def test_rows_with_the_same_value_stay_in_file_order(parquet: Path) -> None:
    rows = read_sorted(parquet, ["n"], Page(500), "is", descending=True)
    assert [row["n"] for row in rows] == [number for place, number in enumerate(NUMBERS) if place % 4 in (0, 3)]


def test_more_cells_than_can_be_sorted_are_refused(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selected_rows, "_MAX_SORTED_CELLS", 1999)
    assert read_sorted(parquet, ["n"], Page(1), "n", descending=False) == [{"n": 0}]
    with pytest.raises(Invalid) as refused:
        read_sorted(parquet, ["n", "text"], Page(1), "n", descending=False)
    assert refused.value.code == "too_many_rows_to_sort"


def test_rows_are_found_by_their_values(parquet: Path) -> None:
    total, rows = read_matching(parquet, ["n", "text"], Page(3, 1), {"text": "a", "n.x": "x"})
    assert total == 250
    assert rows == [{"n": NUMBERS[place], "text": "a"} for place in (7, 11, 15)]
    assert read_matching(parquet, ["n"], Page(), {"text": "none"}) == (0, [])


def test_minus_before_a_column_reverses_the_order() -> None:
    contract = Contract((Column("a", DataType.STRING), Column("-b", DataType.STRING), Column("b", DataType.STRING)))
    assert [parse_sort(contract, text) for text in ("a", "-a", "-b", "--b", "b")] == [
        ("a", False),
        ("a", True),
        ("-b", False),
        ("-b", True),
        ("b", False),
    ]


@pytest.fixture(scope="module")
def wrong(client: Client) -> dict[str, Any]:
    """Create a dataset with 300 wrong cells in 200 rows, of two columns and two rules."""
    template_id = create_template(client, n="Integer", day="Date", row="String")
    lines = [
        f"{'x' if number % 3 else number},{'never' if number % 3 == 1 else '2024-01-05'},r" for number in range(300)
    ]
    return create_dataset(client, ("n.csv", "\n".join(["n,day,row", *lines]).encode()), template_id=template_id)


def cells(client: Client, dataset: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = client.get("/dataset/wrong-cells", params={"dataset_id": dataset["id"]} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_wrong_cells_are_listed_by_pages(client: Client, wrong: dict[str, Any]) -> None:
    whole = cells(client, wrong, limit=1000)
    assert whole["total"] == len(whole["data"]) == 300
    assert whole["data"][0] == {
        "file": "n.csv",
        "row": 2,
        "column": "n",
        "value": "x",
        "rule": "not_an_integer",
        "reason": whole["data"][0]["reason"],
    }
    assert cells(client, wrong, limit=7, offset=90) == {"total": 300, "data": whole["data"][90:97]}


def test_wrong_cells_are_filtered_by_column_and_rule(client: Client, wrong: dict[str, Any]) -> None:
    report = client.get("/dataset/error-report", params={"dataset_id": wrong["id"]}).json()
    for column, count in report["by_column"].items():
        page = cells(client, wrong, column=column, limit=5, offset=20)
        assert (page["total"], {cell["column"] for cell in page["data"]}) == (count, {column})
    for rule, count in report["by_rule"].items():
        page = cells(client, wrong, rule=rule)
        assert (page["total"], {cell["rule"] for cell in page["data"]}) == (count, {rule})
    assert cells(client, wrong, column="n", rule=max(report["by_rule"]))["total"] in (0, 200)
    assert cells(client, wrong, column="absent") == {"total": 0, "data": []}


def test_a_dataset_without_wrong_cells_has_an_empty_list(client: Client) -> None:
    made = create_dataset(client, ("a.csv", b"a\n1\n"))
    assert cells(client, made) == {"total": 0, "data": []}


def test_rows_are_viewed_in_the_order_of_a_column(client: Client, wrong: dict[str, Any]) -> None:
    def view(**query: Any) -> list[dict[str, Any]]:
        return client.get("/dataset/view", params={"dataset_id": wrong["id"]} | query).json()["preview"]

    assert [row["n"] for row in view(sort="-n", limit=3)] == [297, 294, 291]
    assert [row["n"] for row in view(sort="n", limit=2, offset=1, columns=["n"])] == [3, 6]
    # The column `row` of the file is `row_` among the quarantined rows, where `row` is a number of a line.
    assert view(rows="set_aside", sort="row", limit=1)[0]["row_"] == "r"
    assert {row["day"] for row in view(rows="set_aside", sort="-day", limit=100)} == {"never"}
    refused = client.get("/dataset/view", params={"dataset_id": wrong["id"], "sort": "-absent"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_column")

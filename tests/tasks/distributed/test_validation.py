"""Validating by Ray Data, section by section: the same files, and the same refusals, as in one worker."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataml.contract.contract import Column, Contract
from dataml.contract.types import DataType
from dataml.errors import Invalid
from dataml.jobs.spec import JobContext, SourceFile, ValidateResult, ValidateSpec
from dataml.storage.storage import Storage
from dataml.tasks import validate

CONTRACT = Contract.build(
    [
        Column("id", DataType.INTEGER, unique=True),
        Column("amount", DataType.FLOAT, minimum="0"),
        Column("day", DataType.DATE),
        Column("note", DataType.STRING),
        Column("region", DataType.STRING, default="north"),
    ]
)
SECTION_BYTES = 20_000


@pytest.fixture(autouse=True)
def small_sections(ray_cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "SECTION_BYTES", SECTION_BYTES)
    monkeypatch.setattr("dataml.tasks.distributed.cluster.cpu_count", lambda: 3)
    monkeypatch.setattr("dataml.contract.files.csv.BLOCK_BYTES", 7_000)


def lines(seed: int, rows: int, ending: str = "\n") -> str:
    """Write notes with quotes, delimiters and line ends; some cells are wrong, some ids are repeated."""
    chance = np.random.default_rng(seed)
    found = ["id,amount,day,note"]
    for row in range(rows):
        number = row if chance.random() > 0.01 else int(chance.integers(0, 50))
        amount = chance.choice(["1.5", "-2", "x", ""], p=[0.9, 0.04, 0.04, 0.02])
        note = chance.choice(['"a,b"', '"say ""no"""', f'"two{ending}lines"', "plain", '""'])
        found.append(f"{number},{amount},{chance.integers(13, 28)}/03/2024,{note}")
    return ending.join(found) + ending


def run(root: Path, files: list[SourceFile], distributed: bool, on_error: str = "quarantine") -> ValidateResult:
    spec = ValidateSpec(
        1, tuple(files), CONTRACT, "reject" if on_error == "reject" else "quarantine", distributed=distributed
    )
    return validate.run(spec, JobContext(Storage(root), f"out-{distributed}"))


def add(root: Path, name: str, content: str) -> SourceFile:
    (root / name).write_text(content, encoding="utf-8", newline="")
    return SourceFile(len(name), name, name, "csv")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_sections_are_validated_like_the_whole(tmp_path: Path, ending: str) -> None:
    files = [
        add(tmp_path, "a.csv", "\ufeff" + lines(1, 4000, ending)),
        add(tmp_path, "bb.csv", lines(2, 100, ending)),
        add(tmp_path, "ccc.csv", lines(3, 3000, ending).rstrip()),
    ]
    alone, together = (run(tmp_path, files, distributed) for distributed in (False, True))
    assert together.files == alone.files
    assert together.contract == alone.contract
    assert alone.kept_records < alone.total_records == 7100
    for one, other in (
        (alone.parquet, together.parquet),
        (alone.errors, together.errors),
        (alone.quarantined, together.quarantined),
    ):
        assert one is not None
        assert other is not None
        assert pq.read_table(tmp_path / other).equals(pq.read_table(tmp_path / one))


def test_row_groups_of_a_parquet_file_are_sections(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": range(5000),
            "amount": [float(row % 7 - 1) for row in range(5000)],
            "day": pa.array([20_000] * 5000, pa.date32()),
            "note": [f"note {row}" for row in range(5000)],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=500, use_dictionary=False)
    file = SourceFile(1, "a.parquet", "a.parquet", "parquet")
    alone, together = (run(tmp_path, [file], distributed) for distributed in (False, True))
    assert together.files == alone.files
    assert pq.read_table(tmp_path / together.parquet).equals(pq.read_table(tmp_path / alone.parquet))


@pytest.mark.parametrize(
    ("wrong", "code"), [("1,2,2024-01-01\n", "ragged_row"), ('1,2,2024-01-01,"open\n', "unterminated_quote")]
)
def test_a_broken_structure_is_refused_with_its_line_in_the_file(tmp_path: Path, wrong: str, code: str) -> None:
    file = add(tmp_path, "a.csv", "id,amount,day,note\n" + "1,2,2024-01-01,x\n" * 5000 + wrong)
    with pytest.raises(Invalid) as caught:
        run(tmp_path, [file], distributed=True)
    assert caught.value.code == code
    assert caught.value.detail.startswith("a.csv: Line 5,002: ")


def test_the_first_bad_cell_of_the_file_is_the_one_that_rejects_it(tmp_path: Path) -> None:
    body = [f"{row},2,2024-01-01,x\n" for row in range(5000)]
    body[3000] = "3000,bad,2024-01-01,x\n"
    body[4000] = "4000,worse,2024-01-01,x\n"
    file = add(tmp_path, "a.csv", "id,amount,day,note\n" + "".join(body))
    with pytest.raises(Invalid) as caught:
        run(tmp_path, [file], distributed=True, on_error="reject")
    assert caught.value.code == "bad_cell"
    assert "row 3,001, column 'amount': 'bad'" in caught.value.detail

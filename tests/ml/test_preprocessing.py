"""A value becomes the same number in a table and in a row."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from dataml.errors import Invalid
from dataml.ml.preprocessing import MAX_CATEGORIES, Preprocessing
from tests.ml.samples import churn, churn_contract, contract_of


def fit(table: pa.Table) -> Preprocessing:
    return Preprocessing.fit(contract_of(table), table.column_names, table)


def rows_as_float32(preprocessing: Preprocessing, table: pa.Table) -> np.ndarray:
    return np.array([preprocessing.transform_row(row) for row in table.to_pylist()], dtype=np.float32)


EVERY_TYPE = pa.table(
    {
        "whole": pa.array([1, -(2**62) - 1, None, 2**53 + 1], pa.int64()),
        "real": pa.array([0.1, 1e300, None, -1e300]),
        "flag": pa.array([True, False, None, True]),
        "text": pa.array(["a", "b", None, "a"]),
        "day": pa.array([date(1969, 12, 31), date(2024, 2, 29), None, date(1, 1, 1)]),
        "moment": pa.array(
            [
                datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
                datetime(2024, 2, 29, 7, 30, tzinfo=UTC),
                None,
                datetime(9999, 12, 31, 23, tzinfo=UTC),
            ],
            pa.timestamp("us", "UTC"),
        ),
    }
)


def test_a_row_equals_the_matrix_to_the_bit_for_every_type() -> None:
    preprocessing = fit(EVERY_TYPE)
    matrix = preprocessing.transform(EVERY_TYPE)
    assert matrix.dtype == np.float32
    assert rows_as_float32(preprocessing, EVERY_TYPE).tobytes() == matrix.tobytes()
    assert np.isnan(matrix[2]).all()
    assert not np.isinf(matrix).any()


def test_a_row_equals_the_matrix_on_real_data() -> None:
    table = churn().drop_columns(["customer_id", "churn"])
    preprocessing = Preprocessing.fit(churn_contract(), table.column_names, table)
    assert rows_as_float32(preprocessing, table).tobytes() == preprocessing.transform(table).tobytes()


def test_dates_become_calendar_numbers() -> None:
    preprocessing = fit(EVERY_TYPE)
    row = dict(
        zip([c.name for c in preprocessing.layout], preprocessing.transform_row(EVERY_TYPE.to_pylist()[1]), strict=True)
    )
    assert row["day.epoch_days"] == 19782
    assert (row["day.year"], row["day.month"], row["day.day"]) == (2024, 2, 29)
    assert row["day.weekday"] == 3  # a Thursday, counted from Monday
    assert row["moment.hour"] == 7
    assert row["moment.epoch_days"] == 19782.3125


def test_the_preprocessing_is_the_same_after_json() -> None:
    preprocessing = fit(EVERY_TYPE)
    again = Preprocessing.from_json(preprocessing.to_json())
    assert again == preprocessing
    assert again.transform(EVERY_TYPE).tobytes() == preprocessing.transform(EVERY_TYPE).tobytes()


def test_codes_follow_frequency_and_an_unseen_text_is_missing() -> None:
    preprocessing = fit(pa.table({"colour": ["red", "blue", "blue", "green", "blue", "red"]}))
    assert preprocessing.layout[0].vocabulary == ("blue", "red", "green")
    assert preprocessing.categorical == (0,)
    assert preprocessing.transform_row({"colour": "red"}) == [1.0]
    assert np.isnan(preprocessing.transform_row({"colour": "violet"})).all()


def test_rare_texts_of_a_large_vocabulary_share_a_code_with_unseen_ones() -> None:
    common = [f"common{i}" for i in range(MAX_CATEGORIES - 1)] * 3
    table = pa.table({"city": [*common, *[f"rare{i}" for i in range(10)]]})
    preprocessing = fit(table)
    other = float(MAX_CATEGORIES - 1)
    assert (
        preprocessing.transform_row({"city": "rare3"}) == preprocessing.transform_row({"city": "never seen"}) == [other]
    )
    assert np.isnan(preprocessing.transform_row({"city": None})).all()
    assert preprocessing.transform(table).max() == other
    assert rows_as_float32(preprocessing, table).tobytes() == preprocessing.transform(table).tobytes()


def test_useless_columns_are_dropped_with_a_reason() -> None:
    rows = 40
    table = pa.table(
        {
            "constant": [7] * rows,
            "empty": pa.nulls(rows, pa.float64()),
            "code": [f"row {i}" for i in range(rows)],
            "useful": [i % 3 for i in range(rows)],
            "sometimes": [None, 7] * (rows // 2),
        }
    )
    preprocessing = fit(table)
    assert [column.source for column in preprocessing.layout] == ["useful", "sometimes"]
    assert preprocessing.dropped == {
        "constant": "every value is the same",
        "empty": "every value is missing",
        "code": "nearly every text is different, as in an identifier",
    }
    assert preprocessing.features == ("useful", "sometimes", "constant", "empty", "code")


def test_a_table_without_useful_features_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        fit(pa.table({"constant": [1, 1, 1]}))
    assert refusal.value.code == "no_features"


SHIFTED = pa.table(
    {
        "seconds": pa.array([*range(1_700_000_000, 1_700_000_199), None], pa.int64()),
        "identifier": pa.array([10**18 + 3 * i for i in range(200)], pa.int64()),
        "tiny": pa.array([i * 1e-300 for i in range(200)]),
        "moment": pa.array(
            [datetime(2024, 2, 29, 7, i // 60, i % 60, tzinfo=UTC) for i in range(200)], pa.timestamp("us", "UTC")
        ),
        "usual": pa.array([i / 7 for i in range(200)]),
    }
)


def test_values_that_float32_would_merge_are_shifted_the_same_in_a_row() -> None:
    preprocessing = fit(SHIFTED)
    matrix = preprocessing.transform(SHIFTED)
    assert rows_as_float32(preprocessing, SHIFTED).tobytes() == matrix.tobytes()
    names = [column.name for column in preprocessing.layout]
    for name in ("identifier", "tiny", "moment.epoch_days", "usual"):
        assert len(np.unique(matrix[:, names.index(name)])) == SHIFTED.num_rows
    assert len(np.unique(matrix[:-1, names.index("seconds")])) == SHIFTED.num_rows - 1
    shifted = {column["name"] for column in preprocessing.to_json()["columns"] if "offset" in column}
    assert shifted == {"seconds", "identifier", "tiny", "moment.epoch_days"}
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing


def test_a_column_that_float32_would_make_constant_is_kept() -> None:
    table = pa.table({"seconds": [1_700_000_000 + i % 10 for i in range(40)]})
    assert fit(table).dropped == {}

"""A job tells which features a predictor rests on."""

from pathlib import Path

import pytest

from dataml.jobs import explain
from dataml.jobs.spec import ExplainSpec, JobContext
from tests.jobs.training import train_on
from tests.ml.samples import CHURN_ROLES, churn


@pytest.mark.parametrize("algorithm", ["XGBoost", "LightGBM"])
def test_churn_rests_on_the_contract_and_the_tenure(tmp_path: Path, algorithm: str) -> None:
    bundle = train_on(tmp_path, churn(), algorithm=algorithm, roles=CHURN_ROLES).bundle
    spec = ExplainSpec(1, bundle, "train.parquet", sample_rows=300, seed=4)
    result = explain.run(spec, JobContext(tmp_path, "jobs/2"))
    assert {"contract", "tenure"} <= set(list(result.feature_importance)[:5])
    assert len(result.feature_importance) == 19
    assert sum(result.feature_importance.values()) == pytest.approx(1)
    assert (result.sample_rows, result.total_rows) == (300, 7043)
    assert explain.run(spec, JobContext(tmp_path, "jobs/3")) == result


def test_a_small_dataset_is_explained_whole(tmp_path: Path) -> None:
    rows = churn().slice(0, 400)
    bundle = train_on(tmp_path, rows, roles=CHURN_ROLES).bundle
    result = explain.run(ExplainSpec(1, bundle, "train.parquet", 1_000), JobContext(tmp_path, "jobs/2"))
    assert result.sample_rows == result.total_rows == 400

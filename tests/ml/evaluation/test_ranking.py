"""Rankings are scored like in scikit-learn, and groups of neighbouring scores keep rare rows in their ranks."""

import numpy as np
import pytest
from sklearn import metrics as reference

from dataml.ml.evaluation.ranking import RankingCurve, auc_influence, roc_auc, run_starts


def draw_rows(rows: int = 500, decimals: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    truth = (random.random(rows) < 0.3).astype(np.int64)
    return truth, np.round(1 / (1 + np.exp(-random.normal(2 * truth - 1, 1))), decimals)


@pytest.mark.parametrize("decimals", [12, 1], ids=["different scores", "tied scores"])
def test_areas_and_curves_are_those_of_scikit_learn(decimals: int) -> None:
    truth, positive = draw_rows(decimals=decimals)
    ranked = RankingCurve.from_scores(truth == 1, positive)
    assert roc_auc(truth == 1, positive) == pytest.approx(ranked.auc_scores.roc)
    assert ranked.auc_scores.roc == pytest.approx(reference.roc_auc_score(truth, positive))
    assert ranked.auc_scores.pr == pytest.approx(reference.average_precision_score(truth, positive))
    roc, pr = ranked.roc_curve(), ranked.pr_curve()
    assert roc is not None
    assert pr is not None
    fpr, tpr, _ = reference.roc_curve(truth, positive, drop_intermediate=False)
    for x, y in zip(*roc.values(), strict=True):
        assert np.isclose(fpr, x, atol=1e-5)[np.isclose(tpr, y, atol=1e-5)].any()
    precision, recall, _ = reference.precision_recall_curve(truth, positive)
    for x, y in list(zip(*pr.values(), strict=True))[1:]:
        assert np.isclose(recall, x, atol=1e-5)[np.isclose(precision, y, atol=1e-5)].any()


def test_curves_have_two_hundred_points_at_most_and_reach_their_ends() -> None:
    truth, positive = draw_rows(5_000)
    ranked = RankingCurve.from_scores(truth == 1, positive)
    roc, pr = ranked.roc_curve(), ranked.pr_curve()
    assert roc is not None
    assert pr is not None
    for curve in (roc, pr):
        assert {len(points) for points in curve.values()} <= set(range(150, 201))
    assert (roc["true_positive_rate"][0], roc["true_positive_rate"][-1]) == (0, 1)
    assert (pr["recall"][0], pr["recall"][-1]) == (0, 1)


def test_a_threshold_counts_the_rows_from_it_on_as_positive() -> None:
    truth, positive = draw_rows()
    table = RankingCurve.from_scores(truth == 1, positive).threshold_table()["table"]
    assert [row["threshold"] for row in table] == [n / 20 for n in range(21)]
    for row in table[:-1]:
        flagged = (positive >= row["threshold"]).astype(int)
        assert row["precision"] == pytest.approx(reference.precision_score(truth, flagged, zero_division=np.nan))
        assert row["recall"] == pytest.approx(reference.recall_score(truth, flagged))
        assert row["specificity"] == pytest.approx(reference.recall_score(truth, flagged, pos_label=0))
        assert row["predicted_positive"] == pytest.approx(flagged.mean())
    assert (table[0]["recall"], table[0]["specificity"]) == (1, 0)
    assert (table[-1]["precision"], table[-1]["predicted_positive"]) == (None, 0)


def test_the_best_thresholds_are_better_than_all_others() -> None:
    truth, positive = draw_rows()
    thresholds = RankingCurve.from_scores(truth == 1, positive).threshold_table()
    f1 = max(reference.f1_score(truth, positive >= each) for each in positive)
    assert thresholds["best_f1"]["f1_score"] == pytest.approx(f1)
    assert reference.f1_score(truth, positive >= thresholds["best_f1"]["threshold"]) == pytest.approx(f1)
    fpr, tpr, _ = reference.roc_curve(truth, positive)
    assert thresholds["best_youden"]["youden_j"] == pytest.approx((tpr - fpr).max())


def test_one_class_alone_has_no_curve_and_no_best_threshold() -> None:
    ranked = RankingCurve.from_scores(np.array([False, False]), np.array([0.2, 0.4]))
    assert (ranked.roc_curve(), ranked.pr_curve()) == (None, None)
    assert np.isnan(ranked.auc_scores.roc)
    table = ranked.threshold_table()
    assert (table["best_f1"], table["best_youden"]) == (None, None)
    assert np.isnan(roc_auc(np.array([True, True]), np.array([0.2, 0.4])))


def test_coarser_groups_keep_the_areas_nearly_and_rare_rows_exactly() -> None:
    truth, positive = draw_rows(20_000)
    ranked = RankingCurve.from_scores(truth == 1, positive)
    coarse = ranked.coarsen(500)
    assert len(coarse.score) < 2_000
    assert (coarse.positive.sum(), coarse.negative.sum()) == (ranked.positive.sum(), ranked.negative.sum())
    assert coarse.auc_scores.roc == pytest.approx(ranked.auc_scores.roc, abs=0.005)
    rare = np.zeros(20_000, dtype=bool)
    rare[np.argsort(positive)[[100, 9_000, 19_990]]] = True
    ranked = RankingCurve.from_scores(rare, positive)
    assert (ranked.coarsen(500).positive > 0).sum() == 3


def test_the_influence_is_the_derivative_of_the_area_by_a_rows_weight() -> None:
    truth, positive = draw_rows(60, decimals=1)
    auc, influence = auc_influence(truth == 1, positive)
    assert auc == pytest.approx(reference.roc_auc_score(truth, positive))
    weight = 1e-5
    for row in range(0, 60, 7):
        weights = np.ones(60)
        weights[row] += weight
        heavier = reference.roc_auc_score(truth, positive, sample_weight=weights)
        assert (heavier - auc) / weight == pytest.approx(influence[row], abs=1e-5)


def test_runs_begin_where_the_value_changes() -> None:
    assert run_starts(np.array([3.0, 3.0, 2.0, 1.0, 1.0])).tolist() == [0, 2, 3]

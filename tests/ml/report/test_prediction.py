"""The evaluation of a classification or a regression is read for its page."""

from typing import Any

from dataml.ml.report.metrics import Interval
from dataml.ml.report.prediction import read_prediction_report


def threshold(at: float) -> dict[str, Any]:
    names = ("precision", "recall", "f1_score", "specificity", "predicted_positive")
    return {"threshold": at} | dict.fromkeys(names, 0.5)


def test_an_empty_report_has_no_sections() -> None:
    report = read_prediction_report({}, {})
    assert (report.metrics, report.charts, report.thresholds, report.classes) == ((), (), (), ())
    assert (report.n_rows, report.calibration, report.n_omitted_classes) == (None, None, 0)


def test_the_best_thresholds_stand_among_the_others() -> None:
    table = [threshold(0.25), threshold(0.75)]
    thresholds = {"table": table, "best_f1": threshold(0.4), "best_youden": None}
    rows = read_prediction_report({}, {"thresholds": thresholds}).thresholds
    assert [(row.threshold, row.best_by) for row in rows] == [(0.25, ""), (0.4, "F1"), (0.75, "")]


def test_an_interval_without_bounds_of_its_coverage_has_none() -> None:
    each = {"half_width": 2.0, "coverage": 0.9, "coverage_low": 0.8, "coverage_high": 0.95}
    levels = {"0.9": each, "0.95": each | {"coverage_low": None}}
    first, second = read_prediction_report({}, {"intervals": levels}).intervals
    assert (first.level, first.coverage_interval) == (0.9, Interval(0.8, 0.95))
    assert second.coverage_interval is None


def test_held_out_rows_are_those_of_the_manifest_first() -> None:
    assert read_prediction_report({"rows": {"test": 7}}, {"rows": 9}).n_rows == 7
    assert read_prediction_report({"rows": {}}, {"rows": 9}).n_rows == 9

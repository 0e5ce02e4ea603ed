"""One model's report as one HTML page to attach to a mail: nothing is loaded, nothing runs, light, dark and on paper.

Run as a program it reads {"summary", "report", "importance"} as JSON and writes the page: drawing charts takes V8 and
its memory, which a process that serves should not keep.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

from dataml.ml.evaluation import charts
from dataml.ml.report.forecast import forecast_sections
from dataml.ml.report.markup import Html, chart, element, facts, joined, section, table
from dataml.ml.report.metric_descriptions import class_text, words
from dataml.ml.report.scores import digits, interval, percent, reach, tiles

Facts = Mapping[str, Any]

_HEADLINES: Final = ("accuracy", "roc_auc", "f1_score", "log_loss", "r2", "rmse", "mae")
_CHARTS: Final = (
    "confusion_matrix",
    "roc_curve",
    "pr_curve",
    "calibration_curve",
    "thresholds",
    "per_class",
    "predicted_vs_true",
    "residual_histogram",
    "interval_coverage",
)
# What a section of its own, or a line of "How it was made", tells.
_TOLD: Final = frozenset(
    {
        *("predictor_name", "version", "train_id", "dataset", "domain", "created_by", "created_at", "problem_type"),
        *("target", "target_type", "classes", "algorithm", "model", "accuracy", "metrics", "confusion_matrix"),
        *("rows", "split", "seed", "candidates", "validation_metric", "best_iteration", "params", "roles"),
        *("dropped_features", "versions", "onnx", "format_version", "files"),
    }
)


def render_html(summary: Facts, report: Facts, importance: Mapping[str, float] | None) -> str:
    """The page.

    `summary` is a manifest's, and may have `predictor_name`, `version`, `train_id`, `domain`, `dataset` and
    `created_by`; what else it has is told by its own names. `report` has an evaluation's details, or of a
    forecast what `forecast_sections` reads, or nothing; `importance` is by feature.
    """
    title = f"{summary.get('predictor_name') or 'Model'} v{summary.get('version') or 1}"
    is_forecast = summary.get("problem_type") == "Forecast"
    parts = [
        _header(summary),
        *(forecast_sections(summary, report) if is_forecast else _prediction_sections(summary, report)),
        section("What it looks at", *_importance(summary, importance)),
        section("How it was made", *_making(summary)),
        section("Everything else", *_others(summary)),
        _footer(),
    ]
    style = files("dataml.ml.report").joinpath("report.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{joined(parts)}\n</body>\n</html>\n"
    )


def _prediction_sections(summary: Facts, report: Facts) -> list[Html]:
    return [
        tiles(summary, report, _HEADLINES),
        section("How well it predicts", *_metrics(summary, report)),
        section("Pictures", _charts(report)),
        section("Intervals around a prediction", *_intervals(report)),
        section("Where to draw the line", *_thresholds(report)),
        section("Class by class", *_classes(report)),
        section("Can the probabilities be believed?", *_calibration(report)),
    ]


def _header(summary: Facts) -> Html:
    name = element("span", summary.get("predictor_name") or summary.get("target") or "Model")
    version = element("span", f"version {summary.get('version') or 1}", "version")
    told = {
        "model": summary.get("model") or summary.get("algorithm"),
        "target": f"predicts {summary.get('target')}",
        "domain": summary.get("domain"),
        "moment": f"trained {_moment(summary['created_at'])}" if summary.get("created_at") else None,
    }
    line = " · ".join(str(value) for value in told.values() if value)
    return element("header", joined([element("h1", joined([name, version])), element("p", line)]))


def _moment(text: str) -> str:
    """`2024-08-08T10:11:12Z` as one reads it."""
    return f"{text[:10]} {text[11:16]} UTC" if text.endswith("Z") and "T" in text else text


def _metrics(summary: Facts, report: Facts) -> Sequence[Html]:
    tested = (summary.get("rows") or {}).get("test") or report.get("rows")
    seen = f"Measured on {tested:,} rows that the model has not seen while it was made." if tested else ""
    rows = [
        (
            element("strong", f"{words(name).title} {words(name).better}"),
            value,
            element("span", interval(report, name), "range"),
            words(name).meaning(value, summary) if value is not None else "Not defined for these rows.",
        )
        for name, value in (summary.get("metrics") or {}).items()
    ]
    heads = ["score", "value", "95% interval", "in plain words"]
    note = (
        "↑ more is better, ↓ less is better. The interval says how far the score may be off because the held-out rows "
        "are no more than a sample (percentile bootstrap). One without width means that all of these rows agree, and "
        "not that there is no doubt."
    )
    return [element("p", seen) if seen else Html(""), table(heads, rows), element("p", note, "note")]


def _charts(report: Facts) -> Html:
    found = report.get("charts") or {}
    drawn = [chart(found[name], number) for number, name in enumerate(_CHARTS) if name in found]
    return element("div", joined(drawn), "charts") if drawn else Html("")


def _intervals(report: Facts) -> Sequence[Html]:
    found = report.get("intervals") or {}
    if not found:
        return []
    rows = [
        (
            f"{float(level):.0%}",
            None if each["half_width"] is None else f"prediction ± {each['half_width']:.4g}",
            percent(each["coverage"]),
            reach(each["coverage_low"], each["coverage_high"], percent),
        )
        for level, each in found.items()
    ]
    told = (
        "How far from its prediction the true value may lie. The width comes from rows that the model did not learn "
        "from (split conformal prediction); the coverage is how often it held the truth on the held-out rows."
    )
    quantiles = report.get("residual_quantiles") or {}
    residuals = table(
        [f"{float(at):.0%}" for at in quantiles], [[digits(value) for value in quantiles.values()]], "numeric"
    )
    heads = ["level", "interval", "coverage measured", "95% interval of the coverage"]
    quantiles_told = [element("h3", "Quantiles of true minus predicted"), residuals] if quantiles else []
    return [element("p", told), table(heads, rows), *quantiles_told]


def _thresholds(report: Facts) -> Sequence[Html]:
    found = report.get("thresholds")
    if not found:
        return []
    names = ("precision", "recall", "f1_score", "specificity", "predicted_positive")
    best = {"best F1": found["best_f1"], "best Youden J": found["best_youden"]}
    rows = [(row, "") for row in found["table"]] + [(row, label) for label, row in best.items() if row]
    # In the order of thresholds, the best ones among the others.
    rows.sort(key=lambda item: item[0]["threshold"])
    shown = [
        (
            digits(row["threshold"]),
            *(digits(row[name]) for name in names),
            element("span", label, "best") if label else Html(""),
        )
        for row, label in rows
    ]
    told = (
        "Which rows to call positive, from which probability on: a low threshold finds more of them and is wrong more "
        "often. A prediction takes the more probable class, which is a threshold of 0.5."
    )
    note = (
        "The best thresholds were looked for on the held-out rows themselves, so on new rows they are a little less "
        "good. F1 weighs precision and recall alike; Youden's J is recall + specificity - 1."
    )
    heads = ["threshold", "precision", "recall", "F1", "specificity", "called positive", ""]
    return [element("p", told), table(heads, shown, "numeric"), element("p", note, "note")]


def _classes(report: Facts) -> Sequence[Html]:
    found = report.get("per_class") or {}
    if not found:
        return []
    names = ("precision", "recall", "f1_score", "roc_auc")
    rows = [(name, each["support"], *(digits(each[score]) for score in names)) for name, each in found.items()]
    left_out = report.get("per_class_left_out") or 0
    note = f"The {len(found)} classes with most held-out rows; {left_out:,} others are not shown." if left_out else ""
    heads = ["class", "rows", "precision", "recall", "F1", "ROC AUC"]
    return [table(heads, rows, "numeric"), element("p", note, "note") if note else Html("")]


def _calibration(report: Facts) -> Sequence[Html]:
    found = report.get("calibration")
    if not found:
        return []
    names = {"expected_calibration_error": "expected calibration error", "log_loss": "log loss", "brier": "Brier score"}
    before = found.get("before")
    rows = [(label, *([digits(before[name])] if before else []), digits(found[name])) for name, label in names.items()]
    heads = ["less is better", "before calibration", "after"] if before else ["less is better", "value"]
    told = (
        f"Of the rows given 70% for {found['of']}, seven in ten should be it. The expected calibration error is how "
        "far the probabilities are from that on average, over ten bins of equally many rows; with few rows some of it "
        "is chance."
    )
    return [element("p", told), table(heads, rows, "numeric")]


def _importance(summary: Facts, importance: Mapping[str, float] | None) -> Sequence[Html]:
    if not importance:
        return []
    told = (
        f"How much each feature moves predictions of {summary.get('target')}, as a share of all movement (mean "
        "absolute SHAP value). It tells what the model uses, and not what causes what."
    )
    drawn = chart(charts.importance(importance), len(_CHARTS))
    return [element("p", told), drawn]


def _making(summary: Facts) -> Sequence[Html]:
    rows = summary.get("rows") or {}
    by_role: dict[str, list[str]] = {}
    for column, role in (summary.get("roles") or {}).items():
        by_role.setdefault(str(role), []).append(column)
    told: dict[str, object] = {
        "Predictor": f"{summary.get('predictor_name') or '—'}, version {summary.get('version') or 1}",
        "Training": summary.get("train_id"),
        "Dataset": summary.get("dataset"),
        "Started by": summary.get("created_by"),
        "Finished": summary.get("created_at"),
        "Problem": summary.get("problem_type"),
        "Target": f"{summary.get('target')} ({summary.get('target_type')})",
        "Classes": [class_text(each) for each in summary.get("classes") or []],
        "Model": summary.get("model") or summary.get("algorithm"),
        "Best iteration": summary.get("best_iteration"),
        f"Candidates by {str(summary.get('validation_metric') or 'score').replace('_', ' ')}": summary.get(
            "candidates"
        ),
        "Rows": {name.replace("_", " "): count for name, count in rows.items()},
        "Split": summary.get("split"),
        "Seed": summary.get("seed"),
        **{f"Columns: {role}": names for role, names in by_role.items()},
        "Features left out": summary.get("dropped_features") or "none",
        "Parameters": summary.get("params"),
        "ONNX copy": summary.get("onnx"),
        "Versions": summary.get("versions"),
    }
    return [facts((name, value) for name, value in told.items() if value not in (None, {}, [], ""))]


def _others(summary: Facts) -> Sequence[Html]:
    others = {name.replace("_", " "): value for name, value in summary.items() if name not in _TOLD}
    kept = {name: value for name, value in others.items() if value not in (None, {}, [], (), "")}
    return [facts(kept.items())] if kept else []


def _footer() -> Html:
    return element(
        "footer", "Made by dataml. This page loads nothing and runs nothing: it can be kept and sent as it is."
    )


def main() -> None:
    given = json.load(sys.stdin)
    page = render_html(given["summary"], given["report"], given["importance"])
    sys.stdout.buffer.write(page.encode())


if __name__ == "__main__":
    main()

"""One model's report as one HTML page to keep and to send: no script, nothing loaded, light, dark and print.

The data of the page are dataclasses, its looks and its texts are Jinja templates in `templates/`. Run as a program,
this module reads {"summary", "report", "importance"} as JSON and writes the page: drawing charts takes V8 and its
memory, which a process that serves should not keep.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dataml.ml.evaluation import charts
from dataml.ml.report import formatting
from dataml.ml.report.details import read_model_details
from dataml.ml.report.forecast import read_forecast_report
from dataml.ml.report.metrics import read_context
from dataml.ml.report.prediction import read_prediction_report
from dataml.ml.report.svg_charts import draw_chart
from dataml.ml.report.values import display_value, is_empty


def render_html(summary: Mapping[str, Any], report: Mapping[str, Any], importance: Mapping[str, float] | None) -> str:
    """Return the page of a model.

    Args:
        summary: A manifest's summary. It may have `predictor_name`, `version`, `train_id`, `domain`, `dataset` and
            `created_by`; fields that this version does not know are shown by their own names.
        report: An evaluation's details, for a forecast its backtest's report, or nothing.
        importance: Share of the mean |SHAP value| by feature, or nothing.
    """
    is_forecast = summary.get("problem_type") == "Forecast"
    template = get_environment().get_template("forecast.html" if is_forecast else "prediction.html")
    return template.render(
        details=read_model_details(summary),
        report=read_forecast_report(summary, report) if is_forecast else read_prediction_report(summary, report),
        context=read_context(summary),
        importance_chart=draw_chart(charts.importance(importance), "importance") if importance else None,
    )


@cache
def get_environment() -> Environment:
    """Return the Jinja environment of the report's templates. Everything that is not `Markup` is escaped."""
    environment = Environment(
        loader=PackageLoader("dataml.ml.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=formatting.shorten,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": formatting.format_number,
        "score": formatting.format_score,
        "percent": formatting.format_percent,
        "level": formatting.format_level,
        "timestamp": formatting.format_timestamp,
        "display": display_value,
    }
    environment.tests["empty"] = is_empty
    return environment


def main() -> None:
    """Read the data of a page from standard input, as JSON, and write the page to standard output."""
    data = json.load(sys.stdin)
    page = render_html(data["summary"], data["report"], data["importance"])
    sys.stdout.buffer.write(page.encode())


if __name__ == "__main__":
    main()

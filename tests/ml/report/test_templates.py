"""The templates of the report: all of them compile, and escape whatever text the data has."""

import json
from typing import Any

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from dataml.ml.report.formatting import MAX_CHARACTERS
from dataml.ml.report.page import get_environment, render_html
from tests.ml.pages import Page
from tests.ml.report import test_forecast, test_page

EVIL = "</p></style><script>alert(1)</script>"


def replace_texts(value: Any) -> Any:
    """Return JSON data with `EVIL` in the place of every text. Names of fields and specifications of charts stay."""
    if isinstance(value, dict):
        return {name: each if name == "charts" else replace_texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [replace_texts(each) for each in value]
    return EVIL if isinstance(value, str) else value


def test_every_template_compiles() -> None:
    environment = get_environment()
    names = environment.list_templates(extensions=["html"])
    assert {"layout.html", "prediction.html", "forecast.html", "details.html"} <= set(names)
    for name in names:
        environment.get_template(name)


def test_whatever_text_a_prediction_has_is_escaped() -> None:
    result = test_page.evaluate_binary(classes=["false", "true"])
    summary = test_page.make_summary(result, other={EVIL: [EVIL, {EVIL: EVIL}]}, rows_of={"a": [{EVIL: EVIL}]})
    report = json.loads(json.dumps(result.details))
    report["per_class"] = {EVIL: next(iter(report["per_class"].values()))}
    page = Page(render_html(replace_texts(summary), replace_texts(report), {EVIL: 1.0}))
    assert page.count("script") == 0
    assert page.count("style") == 1
    assert page.unclosed == []


def test_whatever_text_a_forecast_has_is_escaped() -> None:
    scores = test_forecast.make_scores(["a", "b", "c"])
    summary = replace_texts(test_forecast.make_summary(scores)) | {"problem_type": "Forecast"}
    summary["metrics"] |= {EVIL: 1.0}
    report = replace_texts(test_forecast.make_report(scores)) | {"models": {EVIL: 1}}
    page = Page(render_html(summary, report, {EVIL: 1.0}))
    assert page.count("script") == 0
    assert page.count("style") == 1
    assert page.unclosed == []


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        get_environment().from_string("{{ unknown }}").render()


def test_a_long_text_is_cut_and_markup_is_not() -> None:
    template = get_environment().from_string("{{ value }}")
    assert len(template.render(value="x" * 10_000)) == MAX_CHARACTERS
    assert len(template.render(value=Markup("<b></b>" * 10_000))) == 70_000

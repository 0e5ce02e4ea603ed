"""The details of a model are read from its manifest, whatever it has and lacks."""

from dataml.ml.report.details import read_model_details


def test_an_empty_summary_has_defaults() -> None:
    details = read_model_details({})
    assert (details.predictor_name, details.version, details.classes, details.validation_metric) == (
        None,
        1,
        (),
        "score",
    )


def test_names_are_words_and_columns_are_grouped_by_role() -> None:
    details = read_model_details(
        {
            "algorithm": "LightGBM",
            "classes": [False, True],
            "validation_metric": "log_loss",
            "rows": {"early_stopping": 5},
            "roles": {"id": "Id", "age": "Feature", "plan": "Feature"},
        }
    )
    assert details.model == "LightGBM"
    assert details.classes == ("false", "true")
    assert details.validation_metric == "log loss"
    assert details.rows == {"early stopping": 5}
    assert details.columns_by_role == {"Id": ["id"], "Feature": ["age", "plan"]}


def test_unknown_fields_are_kept_and_empty_ones_left_out() -> None:
    other = str(read_model_details({"a_new_field": "its value", "nothing": None, "blank": "", "seed": 7}).other)
    assert "a new field" in other
    assert "its value" in other
    assert not any(name in other for name in ("nothing", "blank", "seed"))


def test_warnings_are_read_also_those_of_earlier_versions() -> None:
    rare = {"code": "rare_class", "message": "Rare.", "column": "y", "count": 3, "examples": ["fraud"]}
    details = read_model_details({"warnings": [rare, "Too short."]})
    assert [(warning.code, warning.message) for warning in details.warnings] == [
        ("rare_class", "Rare."),
        ("note", "Too short."),
    ]


def test_the_positive_class_is_the_recorded_one_or_the_second() -> None:
    classes = {"classes": ["fraud", "legit"]}
    assert read_model_details(classes | {"positive_class": "fraud"}).positive_class == "fraud"
    assert read_model_details(classes).positive_class == "legit"
    assert read_model_details({"classes": ["a", "b", "c"]}).positive_class is None

"""The texts of an export are filled in, and their examples are right."""

import ast
import re
from importlib import import_module

from dataml.ml.export import standalone_scorer
from dataml.ml.export.templates import FORECAST_README, LOADER, README
from tests.source import parse


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_readme_names_the_predictor_and_its_example_calls_the_scorer() -> None:
    text = README.format(name="churn-v2", model="LightGBMClassifier", target="churn")
    assert text.startswith("# churn-v2\n")
    assert "A LightGBMClassifier that predicts `churn`" in text
    predict, mlflow = python_blocks(text)
    assert [ast.unparse(each) for each in parse(predict).body] == [
        "from scorer import Scorer",
        "Scorer().predict([{'column': 'value'}])",
    ]
    assert callable(standalone_scorer.Scorer.predict)
    assert "load_model('mlflow')" in ast.unparse(parse(mlflow))


def test_the_names_of_the_forecast_readme_are_importable() -> None:
    text = FORECAST_README.format(name="sales-v1", model="LightGBM", target="sold")
    (example,) = python_blocks(text)
    imports = [node for node in ast.walk(parse(example)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").startswith("dataml.")]
    assert ours
    for node in ours:
        assert all(hasattr(import_module(str(node.module)), alias.name) for alias in node.names)


def test_the_mlflow_loader_is_a_module_that_loads_the_scorer() -> None:
    tree = parse(LOADER.format(module="dataml_scorer_12345678"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "_load_pyfunc" in functions
    assert "from dataml_scorer_12345678 import Scorer" in ast.unparse(tree)

"""Templates of an export's text files: the same for every model but for its names."""

from typing import Final

LOADER: Final = '''"""Loads the model for MLflow, which finds this module by the file MLmodel."""

from {module} import Scorer


def _load_pyfunc(path):
    return MlflowModel(Scorer(path))


class MlflowModel:
    """The model as MLflow calls it."""

    def __init__(self, scorer):
        self.scorer = scorer

    def predict(self, frame, params=None):
        """Return a DataFrame with `prediction` and, for classes, `probability_<class>`.

        Raises:
            ValueError: a value of a row is wrong or missing.
        """
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        records = []
        for prediction in self.scorer.predict(rows):
            probabilities = prediction["probabilities"] or {{}}
            columns = {{f"probability_{{name}}": value for name, value in probabilities.items()}}
            records.append({{"prediction": prediction["prediction"], **columns}})
        return type(frame)(records, index=frame.index)
'''

README: Final = """# {name}

A {model} that predicts `{target}`, exported from dataml. It runs without the platform.

| file | what it is |
|---|---|
| `scorer.py` | predicts with the files beside it; needs Python 3.11 and what `requirements.txt` names |
| `dataml_values_*` | the platform's modules that read a value, which `scorer.py` imports |
| `contract.json` | the columns, their types, defaults and spellings |
| `preprocess.json` | how values become the numbers the model reads, see below |
| `model.*` | the model in its library's own format; `.onnx` is its copy for ONNX Runtime, if verified to be equal |
| `manifest.json` | where the model comes from, how well it scored, the SHA-256 of the other files |
| `report.json` | how well it predicts, in detail |
| `threshold.json` | the decision threshold that was kept with a model of two classes, if there was one |
| `mlflow/` | the same model for MLflow |

## Predict

```
pip install -r requirements.txt
python scorer.py rows.csv > predictions.csv
```

```python
from scorer import Scorer

Scorer().predict([{{"column": "value"}}])
```

The CSV file is UTF-8 with a header and commas; columns that are no features are ignored, an empty cell is missing. A
row that cannot be read has the reason in the column `error`. Values are read as on the platform, by its own modules in
`dataml_values_*`. Bounds, allowed values and patterns of a template are for the platform's uploads, and not checked
here.

The predicted one of two classes is the more probable one or, with `threshold.json`, the positive class where its
probability is at least the threshold. `Scorer.threshold` can be set to another number.

## The model's own file

`model.*` and `.onnx` read the matrix that `preprocess.json` describes, float32, a column for each entry of `columns`.
A number is itself or, where the entry has `offset` and `scale`, `(value - offset) * scale`. The difference is one of
whole numbers, or of float64: float32 would merge numbers that are close together and far from 0. Years to hours of a
timestamp are those of UTC or, where the entry has a `time_zone`, of the clock of that zone.

They predict `{target}` in its own unit, unless `manifest.json` has `target_scaling`, for a target that float32 does not
hold. Then the target is their prediction, as float64, times `scale` plus `shift`. `scorer.py` and `mlflow` do all this.

## MLflow

```python
import mlflow

mlflow.pyfunc.load_model("mlflow").predict(data_frame)
```

The folder `mlflow` is complete in itself, and holds code and plain files only, nothing pickled.
"""

FORECAST_README: Final = """# {name}

A {model} that forecasts `{target}`, exported from dataml: native boosters, JSON and Parquet, nothing pickled.

| file | what it is |
|---|---|
| `forecast.json` | frequency, horizon, members and their weights, intervals |
| `series.parquet` | a row a series: its name, the weights of the members, and the parameters of its own models |
| `history.parquet` | the end of every series, as far back as the members look |
| `contract.json`, `preprocess.json` | the columns, and how covariates become the numbers that boosters read |
| `model.*` | the booster of all series, if one is a member |
| `manifest.json`, `report.json` | where the model comes from, how well it forecasts, the SHA-256 of the other files |

Unpacked into a folder it needs Python 3.11, the package dataml (`requirements.txt`) and no platform:

```python
from pathlib import Path

from dataml.ml.forecasting.bundle import load_forecaster
from dataml.ml.forecasting.forecaster import ForecastParameters

load_forecaster(Path(".")).forecast(ForecastParameters(steps=14))
```
"""

"""What a model is shown as: its report, its metrics, the importance of its features."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataml.client.charts import BarChart
from dataml.client.tables import Fields, Table

if TYPE_CHECKING:
    import pandas as pd

    from dataml.client import schemas

# Not numbers, or shown by themselves.
_NOT_METRICS = frozenset({"confusion_matrix"})


class Report:
    """The report of a model: a page with charts in a notebook, its metrics in a terminal; `info` has it as data."""

    def __init__(self, info: schemas.ReportAnswer, page: str) -> None:
        self.info = info
        self.page = page

    @property
    def charts(self) -> dict[str, Any]:
        """Specifications of Vega-Lite by name."""
        return self.info["report"].get("charts", {})

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, which any browser shows without a network, and return its path."""
        path = Path(path)
        path.write_text(self.page)
        return path

    def __str__(self) -> str:
        summary = self.info["summary"]
        head = f"{self.info['predictor_name']} version {self.info['version']}: {summary.get('model')}"
        return f"{head}\n{metrics_of(summary.get('metrics'))}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        # Apart from the notebook: the styles of neither reach the other, and nothing runs.
        page = html.escape(self.page, quote=True)
        return f'<iframe sandbox srcdoc="{page}" style="width:100%;height:700px;border:1px solid #ddd"></iframe>'


class Importance(dict[str, float]):
    """Share of each feature in the predictions, the largest first; they add up to 1."""

    def __init__(self, info: schemas.ImportanceAnswer) -> None:
        super().__init__(info["feature_importance"])
        self.info = info

    def plot(self, top: int = 20) -> BarChart:
        """Return a chart of the most important features: a picture in a notebook, text in a terminal."""
        return BarChart(dict(list(self.items())[:top]), "Feature importance")

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with the columns `feature` and `importance`."""
        import pandas as pd

        return pd.DataFrame({"feature": list(self), "importance": list(self.values())})

    def __str__(self) -> str:
        return str(Fields(self))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.plot().to_svg()


def metrics_of(metrics: Mapping[str, Any] | None) -> Fields:
    """Return the metrics that are single numbers."""
    return Fields({name: value for name, value in (metrics or {}).items() if name not in _NOT_METRICS})


def leaderboard_of(summary: Mapping[str, Any]) -> Table:
    """Return the candidates of a training, the best first.

    Their scores are errors on the rows that choose among them: less is better.
    """
    metric = str(summary.get("validation_metric") or "score")
    kept = summary.get("algorithm")
    weights = {member.get("name") or member["algorithm"]: member["weight"] for member in summary.get("members") or []}
    is_single = len(weights) < 2
    weights = weights or {kept: 1.0}
    scores: dict[str, float | None] = summary.get("candidates") or {}
    rows = [
        {
            "algorithm": name,
            metric: score,
            "is_kept": name in weights if is_single else name == kept,
            "weight": weights.get(name, 1.0 if name == kept else None),
        }
        for name, score in sorted(scores.items(), key=lambda item: (item[1] is None, item[1]))
    ]
    return Table(rows, ("algorithm", metric, "is_kept", "weight"), "Candidates")

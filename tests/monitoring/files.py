"""The expressions of the dashboard and of the alert rules in `deployments/monitoring`."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parents[2] / "deployments" / "monitoring"
ALERTS: Final = FOLDER / "alerts.yaml"
DASHBOARD: Final = FOLDER / "grafana-dashboard.json"


def read_rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def read_panels() -> list[dict[str, Any]]:
    """The panels of the dashboard that show something."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def read_expressions() -> dict[str, str]:
    """Every expression by the name of its rule or panel, with Grafana's variables replaced."""
    found = {rule["alert"]: rule["expr"] for rule in read_rules()}
    for panel in read_panels():
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$tenant", ".*")
            found[f"{panel['title']} {target['refId']}"] = expression
    return found

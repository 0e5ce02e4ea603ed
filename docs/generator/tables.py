"""Writes the tables of settings, permissions, roles and layers from the code."""

import tomllib
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dataml.access.permissions import BuiltinRole, Permission
from dataml.contract.warnings import WARNING_CODES
from dataml.settings import Settings
from docs.generator.api import PREFIX, operations
from docs.generator.source import ROOT

# Needs that are no permission, in the order of the page.
_OTHER_NEEDS: Final = (
    "nothing",
    "a job's token",
    "a token or an API key",
    "a token",
    "platform admin",
    "platform admin or the metrics token",
)
_LIMITS: Final = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def settings() -> str:
    """Return the table of all settings."""
    lines = ["| setting | type | default | description |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        text = f"{field.description or ''} {_limits(field)}".strip().replace("|", "\\|")
        lines.append(f"| `DATAML_{name.upper()}` | {_type(field)} | {_default(name, field)} | {text} |")
    return "\n".join(lines)


def warnings() -> str:
    """Return the table of the codes of warnings."""
    lines = ["| code | meaning |", "|---|---|"]
    return "\n".join(lines + [f"| `{code}` | {meaning} |" for code, meaning in WARNING_CODES.items()])


def permissions() -> str:
    """Return the table of needs, with every call in the row of what it needs."""
    calls: dict[str, list[str]] = {need: [] for need in (*_OTHER_NEEDS, *Permission)}
    for method, path, operation in operations():
        calls.setdefault(operation["x-needs"], []).append(f"`{method} {path.removeprefix(PREFIX)}`")
    lines = ["| needs | calls |", "|---|---|"]
    for need, paths in calls.items():
        name = need if need in _OTHER_NEEDS else f"`{need}`"
        lines.append(f"| {name} | {', '.join(paths) or '(no call)'} |")
    return "\n".join(lines)


def roles() -> str:
    """Return the table of what each built-in role holds at first."""
    roles = list(BuiltinRole)
    lines = ["| permission | " + " | ".join(f"`{role}`" for role in roles) + " |", "|---" * (len(roles) + 1) + "|"]
    for permission in Permission:
        held = " | ".join("yes" if permission in role.permissions else "" for role in roles)
        lines.append(f"| `{permission}` | {held} |")
    return "\n".join(lines)


def layers() -> str:
    """Return the layers of the packages, the highest first, from the contracts of import-linter."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = [each for each in config["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    (top,) = [each["layers"] for each in contracts if "deployments" in each["layers"]]
    (packages,) = [each["layers"] for each in contracts if each.get("exhaustive")]
    names = list(dict.fromkeys([layer.replace("dataml.", "") for layer in top] + packages))
    return " → ".join(", ".join(f"`{name.strip()}`" for name in layer.split("|")) for layer in names)


def _limits(field: FieldInfo) -> str:
    words = []
    for constraint in field.metadata:
        for key, template in _LIMITS.items():
            value = getattr(constraint, key, None)
            if value is not None:
                words.append(template.format(f"{value:,}"))
    return f"{', '.join(words).capitalize()}." if words else ""


def _type(field: FieldInfo) -> str:
    kinds = [
        kind for kind in (getattr(field.annotation, "__args__", None) or [field.annotation]) if kind is not type(None)
    ]
    names: dict[Any, str] = {str: "text", int: "integer", float: "number", bool: "true or false", SecretStr: "text"}
    return names.get(kinds[0], "path" if getattr(kinds[0], "__name__", "") == "Path" else "JSON")


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined or value is None:
        return "none"
    if name.endswith("_bytes"):
        return f"`{value}` ({value / 1024**3:g} GiB)"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"

"""The configuration of the models of JSON bodies."""

from typing import Any

from pydantic import ConfigDict


def request_config(example: dict[str, Any]) -> ConfigDict:
    """Return the configuration of a model: unknown fields are refused, and OpenAPI shows this example of a body."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})

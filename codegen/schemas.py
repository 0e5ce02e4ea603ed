"""Types of Python for the schemas of an OpenAPI document: a TypedDict for each object."""

import keyword
import re
import textwrap
from typing import Any, Final

Json = dict[str, Any]
_SIMPLE: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WIDTH: Final = 116
_HEADER: Final = '''\
# Generated from the OpenAPI document by `make client`: change the platform's schemas.
"""The bodies and the answers of all calls, as types."""

from typing import Any, Literal, NotRequired, TypedDict
'''


class SchemaWriter:
    """Collects the schemas that are used, and writes their module."""

    def __init__(self, document: Json) -> None:
        self._named: Json = dict(document.get("components", {}).get("schemas", {}))

    def module(self) -> str:
        """Return the module with all schemas, also those that `annotation` has found within others."""
        # An object within another one gets a name while it is written.
        written: dict[str, str] = {}
        while missing := [name for name in self._named if name not in written]:
            for name in missing:
                written[name] = self._definition(name, self._named[name])
        blocks = [block for _, block in sorted(written.items())]
        return "\n\n".join([_HEADER, *blocks]) + "\n"

    def annotation(self, schema: Json, *, prefix: str = "", name: str = "") -> str:
        """Return a schema as an annotation; names of schemas get the prefix, and `name` is for one without a title."""
        if "$ref" in schema:
            return prefix + schema["$ref"].rpartition("/")[2]
        for defined, inner in schema.get("$defs", {}).items():
            self._named.setdefault(defined, inner)
        if "const" in schema:
            return f"Literal[{schema['const']!r}]"
        if "enum" in schema:
            return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self._union(schema[union], prefix, name)
        if len(schema.get("allOf", ())) == 1:
            return self.annotation(schema["allOf"][0], prefix=prefix, name=name)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._union([{**schema, "type": each} for each in kind], prefix, name)
        if kind == "array":
            return f"list[{self.annotation(schema.get('items', {}), prefix=prefix, name=name)}]"
        if kind == "object":
            return self._object(schema, prefix, name)
        return _SIMPLE.get(kind or "", "Any")

    def _union(self, members: list[Json], prefix: str, name: str) -> str:
        written = [self.annotation(member, prefix=prefix, name=name) for member in members]
        unique = list(dict.fromkeys(written))
        return "Any" if "Any" in unique else " | ".join(unique)

    def _object(self, schema: Json, prefix: str, name: str) -> str:
        if schema.get("properties"):
            title = re.sub(r"\W", "", schema.get("title", "")) or name
            if title:
                self._named.setdefault(title, schema)
                return prefix + title
        values = schema.get("additionalProperties")
        inner = self.annotation(values, prefix=prefix, name=name) if isinstance(values, dict) and values else "Any"
        return f"dict[str, {inner}]"

    def _definition(self, name: str, schema: Json) -> str:
        if schema.get("type") != "object" or not schema.get("properties"):
            inner = {**schema, "title": ""} if schema.get("type") == "object" else schema
            return f"{name} = {self.annotation(inner)}"
        required = set(schema.get("required", ()))
        fields = {field: self._field(inner, field in required) for field, inner in schema["properties"].items()}
        if any(not field.isidentifier() or keyword.iskeyword(field) for field in fields):
            pairs = ", ".join(f'"{field}": {annotation}' for field, annotation in fields.items())
            return f'{name} = TypedDict("{name}", {{{pairs}}})'
        lines = [f"class {name}(TypedDict):", *docstring(schema.get("description", name), "    "), ""]
        return "\n".join([*lines, *(f"    {field}: {annotation}" for field, annotation in fields.items())])

    def _field(self, schema: Json, is_required: bool) -> str:
        annotation = self.annotation(schema)
        # A name that is defined later in the module.
        quoted = f'"{annotation}"' if re.search(r"\b[A-Z]\w+", annotation.replace("Literal", "")) else annotation
        return quoted if is_required else f"NotRequired[{quoted}]"


def docstring(text: str, indent: str, arguments: dict[str, str] | None = None) -> list[str]:
    """Return the lines of a docstring: the first paragraph as its first line, the others, and the arguments."""
    first, *others = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    sentence, _, rest = first.partition(". ")
    raw = "r" if "\\" in text + "".join((arguments or {}).values()) else ""
    lines = [f'{indent}{raw}"""{sentence.rstrip(".")}.']
    for paragraph in [rest, *others] if rest else others:
        lines += ["", *textwrap.wrap(paragraph, _WIDTH, initial_indent=indent, subsequent_indent=indent)]
    if arguments:
        lines += ["", f"{indent}Args:"]
        for name, meaning in arguments.items():
            inner = indent + "    "
            text = f"{name}: {' '.join(meaning.split())}"
            lines += textwrap.wrap(text, _WIDTH, initial_indent=inner, subsequent_indent=inner + "    ")
    if len(lines) == 1:
        return [lines[0] + '"""']
    return [*lines, f'{indent}"""']

"""Reads the platform's source: which strings reach a parameter of a given name, and from where."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("dataml", "deployments")
# Migrations make no errors, and clients only read them.
_LEFT_OUT: Final = frozenset({"migrations", "demo", "client"})
_MAX_DEPTH: Final = 4

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Site:
    """A call in the source, the function that it stands in, and the package of both."""

    call: ast.Call
    function: Function | None
    package: str

    @property
    def callee(self) -> str:
        """The last part of the name of what is called."""
        return last_name(self.call.func)


class Source:
    """The parsed source of the platform."""

    def __init__(self, wanted: frozenset[str]) -> None:
        """Read all modules; `wanted` are the names of the parameters whose arguments are looked for."""
        self._wanted = wanted
        self._functions: dict[str, list[Function]] = defaultdict(list)
        # Of each callable with a wanted parameter: the names of its parameters in their order.
        self._signatures: dict[str, list[str]] = {}
        self.sites: list[Site] = []
        # Pairs of a code and its sentence that are constants of a module, by package.
        self.pairs: list[tuple[str, str, str]] = []
        for package in PACKAGES:
            for path in sorted((ROOT / package).rglob("*.py")):
                if not _LEFT_OUT & set(path.relative_to(ROOT).parts):
                    self._read(ast.parse(path.read_text()), _package(path))
        self._calls: dict[str, list[Site]] = defaultdict(list)
        for site in self.sites:
            self._calls[site.callee].append(site)

    def argument(self, site: Site) -> ast.expr | None:
        """Return what the call passes for a wanted parameter, or None."""
        for keyword in site.call.keywords:
            if keyword.arg in self._wanted:
                return keyword.value
        names = self._signatures.get(site.callee, [])
        place = next((i for i, name in enumerate(names) if name in self._wanted), len(site.call.args))
        return site.call.args[place] if place < len(site.call.args) else None

    def parameter(self, site: Site) -> str | None:
        """Return the wanted parameter that the callee has, or None."""
        named = [keyword.arg for keyword in site.call.keywords if keyword.arg in self._wanted]
        return next(iter(named or [n for n in self._signatures.get(site.callee, []) if n in self._wanted]), None)

    def functions(self, name: str) -> list[Function]:
        """Return every function of this name."""
        return self._functions[name]

    def values(self, node: ast.expr | None, site: Site, depth: int = 0) -> list[str]:
        """Return the strings that an expression can be, as far as the source tells."""
        if depth > _MAX_DEPTH:
            return []
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.IfExp):
            return self.values(node.body, site, depth) + self.values(node.orelse, site, depth)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node, site, depth)
        if isinstance(node, ast.Name) and site.function is not None:
            return list(dict.fromkeys(self._named(node.id, site, site.function, depth)))
        return []

    def _read(self, tree: ast.Module, package: str) -> None:
        for node in ast.walk(tree):
            if isinstance(node, Function):
                self._functions[node.name].append(node)
                self._sign(node.name, parameters(node))
            elif isinstance(node, ast.ClassDef):
                init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
                fields = [last_name(n.target) for n in node.body if isinstance(n, ast.AnnAssign)]
                self._sign(node.name, parameters(init) if init else fields)
        for statement in tree.body:
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            texts = [n.value if isinstance(n, ast.Constant) else None for n in getattr(value, "elts", [])]
            if len(texts) == 2 and isinstance(texts[0], str) and isinstance(texts[1], str) and " " in texts[1]:
                self.pairs.append((texts[0], texts[1], package))
        self.sites += [Site(call, function, package) for call, function in _calls(tree, None)]

    def _sign(self, name: str, names: list[str]) -> None:
        if self._wanted & set(names):
            self._signatures[name] = names

    def _joined(self, node: ast.JoinedStr, site: Site, depth: int) -> list[str]:
        values = [""]
        for part in node.values:
            options = self.values(part, site, depth)
            if isinstance(part, ast.FormattedValue):
                # `noun.replace(" ", "_")` is the one call that codes are made by.
                is_replace = isinstance(part.value, ast.Call) and isinstance(part.value.func, ast.Attribute)
                inner = part.value.func.value if is_replace else part.value  # type: ignore[union-attr]
                options = [value.replace(" ", "_") for value in self.values(inner, site, depth + 1)]
            values = [before + after for before in values for after in options]
        return values

    def _named(self, name: str, site: Site, function: Function, depth: int) -> Iterator[str]:
        """Yield what a parameter or a local name can be: by callers, assignments, and loops over literals."""
        names = parameters(function)
        if name in names:
            # A call that passes a wanted parameter on is read where that function is called.
            if depth or name not in self._wanted:
                for caller in self._calls[function.name]:
                    yield from self.values(_passed(caller.call, name, names), caller, depth + 1)
            return
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                yield from self._assigned(node, name, site, function, depth)
            elif isinstance(node, ast.For):
                place = _place(name, node.target)
                for row in self._rows(node.iter) if place is not None else []:
                    yield from self.values(row.elts[place or 0], site, depth + 1)

    def _rows(self, node: ast.expr) -> list[ast.Tuple]:
        """Return the tuples that a loop goes over: those of a literal, or those that a generator yields."""
        if isinstance(node, ast.Tuple | ast.List):
            return [row for row in node.elts if isinstance(row, ast.Tuple)]
        if not isinstance(node, ast.Call):
            return []
        yields = [n for f in self._functions[last_name(node.func)] for n in ast.walk(f) if isinstance(n, ast.Yield)]
        return [n.value for n in yields if isinstance(n.value, ast.Tuple)]

    def _assigned(self, node: ast.Assign, name: str, site: Site, function: Function, depth: int) -> Iterator[str]:
        target = node.targets[0]
        if last_name(target) == name:
            yield from self.values(node.value, site, depth + 1)
        place = _place(name, target)
        if place is None or not isinstance(target, ast.Tuple):
            return
        # What was unpacked came from a function that is called here.
        for callee in {last_name(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}:
            for returned in (
                n.value for f in self._functions[callee] for n in ast.walk(f) if isinstance(n, ast.Return)
            ):
                if isinstance(returned, ast.Tuple) and len(returned.elts) == len(target.elts):
                    yield from self.values(returned.elts[place], site, depth + 1)


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name, or an empty string."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def sentence(site: Site, skip: ast.expr | None) -> str:
    """Return the longest text among the arguments of a call, `…` for what is only known when it runs."""
    arguments = [*site.call.args, *(keyword.value for keyword in site.call.keywords)]
    texts = [_text(node, site.function, site.call.lineno) for node in arguments if node is not skip]
    longest = max(texts, key=len, default="")
    return longest if " " in longest else ""


def _text(node: ast.expr, function: Function | None, line: int) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else "…"
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, None, line) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, function, line) + _text(node.right, function, line)
    if isinstance(node, ast.Name) and function is not None:
        assigned = [
            n.value
            for n in ast.walk(function)
            if isinstance(n, ast.Assign) and last_name(n.targets[0]) == node.id and n.lineno < line
        ]
        return _text(assigned[-1], None, line) if assigned else "…"
    return "…"


def _calls(node: ast.AST, function: Function | None) -> Iterator[tuple[ast.Call, Function | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, function
        yield from _calls(child, child if isinstance(child, Function) else function)


def parameters(function: Function) -> list[str]:
    """Return the names of a function's parameters, without `self`."""
    arguments = function.args
    names = [argument.arg for argument in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    return [name for name in names if name not in ("self", "cls")]


def _passed(call: ast.Call, name: str, names: list[str]) -> ast.expr | None:
    place = names.index(name)
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return named[0] if named else call.args[place] if place < len(call.args) else None


def _place(name: str, target: ast.expr) -> int | None:
    names = [last_name(each) for each in target.elts] if isinstance(target, ast.Tuple) else []
    return names.index(name) if name in names else None


def _package(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[:2])

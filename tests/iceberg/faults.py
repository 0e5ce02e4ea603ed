"""A catalog that loses an answer: a call fails before or after it takes effect."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

_CALLS: Final = ("load_table", "create_namespace_if_not_exists", "create_table_transaction", "commit_table")


@dataclass(frozen=True)
class Fault:
    """One call that fails.

    Attributes:
        call: its number, from 0, among the calls of the catalog.
        error: what it raises.
        takes_effect: whether it does its work before.
        is_last: whether no later call is answered.
    """

    call: int
    error: Exception
    takes_effect: bool
    is_last: bool


class FaultyCatalog:
    """Counts the calls of a catalog, and makes one of them fail within a `with` block of `fault`."""

    def __init__(self, catalog: "Catalog", monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._depth = 0
        self._fault: Fault | None = None
        for name in _CALLS:
            monkeypatch.setattr(catalog, name, self._wrap(name, getattr(catalog, name)))

    @contextmanager
    def fault(self, fault: Fault | None) -> Iterator[None]:
        """Count from here on, with this fault."""
        self.calls, self._fault = [], fault
        yield
        self._fault = None

    def _wrap(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            # A catalog calls itself, too: what counts is the outer call.
            if self._depth:
                return method(*args, **options)
            self.calls.append(name)
            number, fault = len(self.calls) - 1, self._fault
            fails = fault is not None and (number == fault.call or (fault.is_last and number > fault.call))
            self._depth += 1
            try:
                answer = (
                    method(*args, **options) if not fails or (fault.takes_effect and number == fault.call) else None
                )
            finally:
                self._depth -= 1
            if fails:
                raise fault.error
            return answer

        return call

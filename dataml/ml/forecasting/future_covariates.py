"""The exogenous columns of steps to come: read by the contract, and put to the steps that need them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Contract
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.panel.covariates import Covariates
from dataml.ml.forecasting.panel.dataset import Roles
from dataml.ml.forecasting.panel.reading import series_texts, times_of

_SHOWN: Final = 10


@dataclass(frozen=True)
class Future:
    contract: Contract
    roles: Roles
    covariates: Covariates
    frequency: Frequency

    def known(
        self,
        ids: Sequence[str],
        times: np.ndarray,
        steps: np.ndarray,
        rows: Sequence[Mapping[str, Any]] | pa.Table | None,
        *,
        is_needed: bool,
    ) -> np.ndarray:
        """float32 (series, steps, columns) at `times` (series, steps), of which each series needs its first `steps`
        (series,); NaN behind those. Rows for other steps are let pass.

        Raises:
            Invalid: `missing_future` with the steps that have no row, `duplicate_timestamps`.
            InvalidFields: wrong values in rows.
        """
        width = len(self.covariates.known)
        empty = np.full((*times.shape, width), np.nan, np.float32)
        if rows is None or not width:
            if is_needed:
                self._refuse(ids, times, np.arange(times.shape[1]) < steps[:, None])
            return empty
        given: pa.Table = rows if isinstance(rows, pa.Table) else self._parsed(ids, rows)  # type: ignore[assignment]
        table = given.select(self.roles.future).cast(self.contract.select(self.roles.future).schema)
        places = self._places(ids, times, table)
        wanted = np.arange(times.shape[1]) < steps[:, None]
        if is_needed and (wanted & (places < 0)).any():
            self._refuse(ids, times, wanted & (places < 0))
        if not table.num_rows:
            return empty
        matrix = self._matrix(table)
        return np.where((places >= 0)[..., None], matrix[np.maximum(places, 0)], np.nan).astype(np.float32)

    def _parsed(self, ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows of JSON values. The name of the series may be left out where one is asked for."""
        contract = self.contract.select(self.roles.future)
        default = {self.roles.series: ids[0]} if self.roles.series is not None and len(ids) == 1 else {}
        parsed, wrong = [], []
        for number, row in enumerate(rows):
            try:
                parsed.append(contract.parse_row({**default, **row}))
            except InvalidFields as error:
                wrong += [
                    FieldError(("body", "future", number, *field.location[2:]), field.message, field.code)
                    for field in error.fields
                ]
        if wrong:
            raise InvalidFields(wrong)
        return pa.Table.from_pylist(parsed, schema=contract.schema)

    def _places(self, ids: Sequence[str], times: np.ndarray, table: pa.Table) -> np.ndarray:
        """The row of each step, int64 (series, steps), -1 where there is none."""
        numbers = {name: number for number, name in enumerate(ids)}
        series = np.zeros(table.num_rows, np.int64)
        if self.roles.series is not None:
            texts, codes = series_texts(table.column(self.roles.series))
            series = np.array([numbers.get(text, -1) for text in texts], np.int64)[codes]
        moments = times_of(table.column(self.roles.time)).astype(np.int64)
        rows = np.flatnonzero(series >= 0)
        order = rows[np.lexsort((moments[rows], series[rows]))]
        keys = np.stack((series[order], moments[order]), axis=1)
        doubled = np.flatnonzero((keys[1:] == keys[:-1]).all(axis=1))
        if len(doubled):
            name = ids[int(keys[doubled[0], 0])]
            date = self.frequency.render(keys[doubled[:1], 1].astype("datetime64[us]"))[0]
            raise Invalid(f"future has two rows of {_called(name)} at {date}.", code="duplicate_timestamps")
        found = np.full(times.shape, -1, np.int64)
        for number in range(len(ids)):
            part = slice(*np.searchsorted(keys[:, 0], (number, number + 1)))
            at = np.searchsorted(keys[part, 1], wanted := times[number].astype(np.int64))
            inside = np.minimum(at, max(0, part.stop - part.start - 1)) + part.start
            if part.stop > part.start:
                found[number] = np.where(keys[inside, 1] == wanted, order[inside], -1)
        return found

    def _matrix(self, table: pa.Table) -> np.ndarray:
        """The known columns of the covariates, from the exogenous columns alone."""
        preprocessing = self.covariates.preprocessing
        assert preprocessing is not None
        columns = [preprocessing.layout[position] for position in self.covariates.known]
        known = type(preprocessing)(tuple(columns))
        return known.matrix(table)

    def _refuse(self, ids: Sequence[str], times: np.ndarray, missing: np.ndarray) -> None:
        places = np.argwhere(missing)
        shown = [
            f"{_called(ids[int(series)])} at {self.frequency.render(times[series, step : step + 1])[0]}"
            for series, step in places[:_SHOWN]
        ]
        more = f" and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else ""
        names = ", ".join(repr(name) for name in self.roles.exogenous)
        detail = f"The forecast needs {names} in the future; rows are missing: {', '.join(shown)}{more}."
        raise Invalid(detail, code="missing_future")


def _called(name: str) -> str:
    return f"series {name[:60]!r}" if name else "the series"

"""The exogenous columns of future steps: parsed by the contract, and aligned with the steps that need them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataml.contract.contract import Column, Contract
from dataml.errors import FieldError, Invalid, InvalidFields
from dataml.ml.forecasting.frequency.frequency import Frequency
from dataml.ml.forecasting.frequency.messages import join_examples, series_label
from dataml.ml.forecasting.panel.covariates import Covariates
from dataml.ml.forecasting.panel.dataset import ColumnRoles
from dataml.ml.forecasting.panel.reading import encode_series_ids, read_times, refuse_nulls
from dataml.ml.forecasting.panel.time_column import parse_times, write_compact_date

_MAX_EXAMPLES: Final = 10


@dataclass(frozen=True)
class FutureCovariates:
    """How rows about the future become the known covariates of a model."""

    contract: Contract
    roles: ColumnRoles
    covariates: Covariates
    frequency: Frequency

    def align(
        self,
        ids: Sequence[str],
        times: np.ndarray,
        steps: np.ndarray,
        rows: Sequence[Mapping[str, Any]] | pa.Table | None,
        *,
        is_needed: bool,
    ) -> np.ndarray:
        """Return the known covariates at `times` (series, steps), float32 (series, steps, columns).

        Each series needs its first `steps` (series,); the values behind those are NaN where there is no row. Rows for
        other times are ignored.

        Raises:
            Invalid: `missing_future` (it lists the steps without a row or a value), `duplicate_timestamps`; of a table
                also `missing_time`, `missing_series_id`, `time_not_temporal`.
            InvalidFields: wrong values in rows, also `missing_value`: a row without its time or its series.
        """
        width = len(self.covariates.known)
        empty = np.full((*times.shape, width), np.nan, np.float32)
        is_required = np.arange(times.shape[1]) < steps[:, None]
        if rows is None or not width:
            if is_needed:
                self._refuse_missing(ids, times, is_required)
            return empty
        parsed: pa.Table = rows if isinstance(rows, pa.Table) else self._parse(ids, rows)  # type: ignore[assignment]
        contract = self.contract.select(self.roles.future_columns)
        table = parse_times(parsed.select(self.roles.future_columns), contract).cast(contract.schema)
        row_numbers = self._row_numbers(ids, times, table)
        if is_needed and (is_required & (row_numbers < 0)).any():
            self._refuse_missing(ids, times, is_required & (row_numbers < 0))
        if is_needed:
            self._refuse_nulls(ids, times, table, np.where(is_required, row_numbers, -1))
        if not table.num_rows:
            return empty
        matrix = self._matrix(table)
        return np.where((row_numbers >= 0)[..., None], matrix[np.maximum(row_numbers, 0)], np.nan).astype(np.float32)

    def _parse(self, ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Return rows of JSON values as a table; where one series is forecast, rows may leave out its name."""
        contract = self.contract.select(self.roles.future_columns)
        default = {self.roles.series: ids[0]} if self.roles.series is not None and len(ids) == 1 else {}
        time = contract.column(self.roles.time)
        parsed, wrong = [], []
        for number, row in enumerate(rows):
            try:
                values = contract.parse_row({**default, **self._with_compact_date(row, time)})
                wrong += [self._missing_key(number, name) for name in self.roles.key_columns if values[name] is None]
                parsed.append(values)
            except InvalidFields as error:
                wrong += [
                    FieldError(("body", "future", number, *field.location[2:]), field.message, field.code)
                    for field in error.fields
                ]
        if wrong:
            raise InvalidFields(wrong)
        return pa.Table.from_pylist(parsed, schema=contract.schema)

    def _with_compact_date(self, row: Mapping[str, Any], time: Column) -> Mapping[str, Any]:
        return {**row, time.name: write_compact_date(row[time.name], time)} if time.name in row else row

    def _missing_key(self, number: int, name: str) -> FieldError:
        """Return the error of a row that does not say what it is about."""
        return FieldError(("body", "future", number, name), f"{name!r} is null; it must have a value.", "missing_value")

    def _row_numbers(self, ids: Sequence[str], times: np.ndarray, table: pa.Table) -> np.ndarray:
        """Return the row of each step, int64 (series, steps), -1 where there is none."""
        series, row_times = self._keys(ids, table)
        rows = np.flatnonzero(series >= 0)
        order = rows[np.lexsort((row_times[rows], series[rows]))]
        series, row_times = series[order], row_times[order]
        self._refuse_duplicates(ids, series, row_times)
        numbers = np.full(times.shape, -1, np.int64)
        for number in range(len(ids)):
            begin, end = np.searchsorted(series, (number, number + 1))
            if end > begin:
                wanted = self.frequency.to_moments(times[number]).astype(np.int64)
                row = np.minimum(np.searchsorted(row_times[begin:end], wanted), end - begin - 1) + begin
                numbers[number] = np.where(row_times[row] == wanted, order[row], -1)
        return numbers

    def _keys(self, ids: Sequence[str], table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Return for each row the number of its series, -1 for others, and its time in microseconds."""
        numbers = {name: number for number, name in enumerate(ids)}
        time = table.column(self.roles.time)
        refuse_nulls(time, f"In future the time column {self.roles.time!r} has no value", "missing_time")
        series = np.zeros(table.num_rows, np.int64)
        if self.roles.series is not None:
            column = table.column(self.roles.series)
            problem = f"In future the series column {self.roles.series!r} has no value"
            refuse_nulls(column, problem, "missing_series_id")
            names, codes = encode_series_ids(column)
            series = np.array([numbers.get(name, -1) for name in names], np.int64)[codes]
        return series, read_times(time).astype(np.int64)

    def _refuse_duplicates(self, ids: Sequence[str], series: np.ndarray, row_times: np.ndarray) -> None:
        duplicates = np.flatnonzero((series[1:] == series[:-1]) & (row_times[1:] == row_times[:-1]))
        if len(duplicates):
            row = int(duplicates[0])
            name = series_label(ids, int(series[row]))
            moment = row_times[row : row + 1].astype("datetime64[us]")
            date = self.frequency.format_times(self.frequency.read_moments(moment))[0]
            raise Invalid(f"future has two rows of {name} at {date}.", code="duplicate_timestamps")

    def _matrix(self, table: pa.Table) -> np.ndarray:
        """Return the known covariates of rows with the exogenous columns alone."""
        preprocessing = self.covariates.preprocessing
        assert preprocessing is not None
        columns = [preprocessing.layout[position] for position in self.covariates.known]
        return type(preprocessing)(tuple(columns)).transform(table)

    def _refuse_nulls(self, ids: Sequence[str], times: np.ndarray, table: pa.Table, row_numbers: np.ndarray) -> None:
        """Refuse nulls in columns that had none in the training; a step without a row has the number -1."""
        examples, count = [], 0
        for name in self.covariates.complete:
            is_null = table.column(name).is_null().to_numpy()
            missing = np.argwhere((row_numbers >= 0) & np.append(is_null, False)[row_numbers])
            examples += [f"{name!r} of {self._format_step(ids, times, *step)}" for step in missing[:_MAX_EXAMPLES]]
            count += len(missing)
        if count:
            detail = (
                f"future has null for {join_examples(examples[:_MAX_EXAMPLES], count)}. The model has seen no missing "
                "values there: send one for each step."
            )
            raise Invalid(detail, code="missing_future")

    def _refuse_missing(self, ids: Sequence[str], times: np.ndarray, is_missing: np.ndarray) -> None:
        missing = np.argwhere(is_missing)
        examples = [self._format_step(ids, times, *step) for step in missing[:_MAX_EXAMPLES]]
        names = ", ".join(repr(name) for name in self.roles.exogenous)
        detail = f"The forecast needs {names} in the future; rows are missing: {join_examples(examples, len(missing))}."
        raise Invalid(detail, code="missing_future")

    def _format_step(self, ids: Sequence[str], times: np.ndarray, series: int, step: int) -> str:
        return f"{series_label(ids, int(series))} at {self.frequency.format_times(times[series, step : step + 1])[0]}"

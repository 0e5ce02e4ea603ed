"""Warnings about data: what a user should know about an input that was accepted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

WARNING_CODES: Final[dict[str, str]] = {
    "nearly_numeric": "A text column is numbers but for a few values.",
    "nearly_dates": "A text column is dates but for a few values.",
    "ambiguous_number_format": "A column is text because its numbers can be read in several ways.",
    "ambiguous_date_order": "A column is text because its dates can have the day, the month or a short year first.",
    "number_format_of_others": "The decimal mark of a column is that of the others; its own values leave it open.",
    "date_order_of_others": "The order of day and month in a column is that of the others; its values leave it open.",
    "season_or_month": "A column is text because its values, such as 2009/10, can be seasons or months.",
    "contradictory_date_order": "A column is text because some of its dates have the day first and some the month.",
    "mixed_offsets": "Timestamps of a column have different offsets from UTC, or only some have one.",
    "repeated_local_times": "Local times of a column are in an hour that clocks show twice; the first one is taken.",
    "rows_left_out": "Rows have values that the contract of a model refuses, and were left out.",
    "missing_columns": "Prediction data lacks columns of its template, which a model may not need.",
    "header_like_values": "Names of columns are like values; a file without a header loses its first row.",
    "repeated_header": "Rows that repeat the header were left out.",
    "unnamed_index_left_out": "A first column without a name that numbers the rows, or an index of pandas without one, "
    "was left out.",
    "unnamed_column": "The first column has no name in the header, and values that do not number the rows.",
    "names_differ_by_case": "Names of columns differ by case only; in lake tables the later one has another name.",
    "single_column": "The delimiter that was said is not in the header, and another one is.",
    "flattened_struct": "Structs of a Parquet file are read as a column for each of their fields.",
    "mixed_units": "A column is text because its numbers have different currencies, or only some a percent sign.",
    "digits_lost": "Numbers of a Float column have more digits in the file than a float holds.",
    "leaking_feature": "One feature alone decides the target; it may not be known before the outcome.",
    "identifier_feature": "A feature names or numbers the rows.",
    "many_values": "A text feature has more values than a model tells apart.",
    "duplicates_across_split": "Held-out rows have the features of rows that were learned from.",
    "shifted_holdout": "The held-out rows have other values of a feature than the rows that were learned from.",
    "few_rows_per_class": "Classes have fewer than 10 rows.",
    "rows_without_target": "Rows without a value in the target were left out of a training.",
    "rare_class": "One of two classes has less than 5% of the rows.",
    "unseen_category": "A prediction was for a text that the training has not seen; it counts as missing.",
    "out_of_range": "A prediction was for a number outside the range of the training dataset.",
    "time_from_values": "The Time column of a forecast is numbers or text; all its values settled what they mean.",
    "short_series": "Series of a forecast are too short for two seasons or for the horizon.",
    "constant_series": "Series of a forecast have the same value throughout.",
    "filled_gaps": "Missing values of series were filled in.",
    "rows_before_first_value": "Rows before the first target value of their series were left out.",
    "rows_after_last_value": "Rows after the last target value of their series were left out.",
    "known_observations": "New observations were known already.",
    "revised_observations": "Known values of series were replaced by those of new observations.",
    "early_observations": "New observations are from before the history that a model keeps, and were skipped.",
    "beyond_horizon": "A forecast has more steps ahead than its backtest measured.",
    "estimated_sums": "Bounds of a coarser frequency are estimated: the model has measured no sums of errors.",
    "rounded_for_table": "A forecast was rounded, as the lake table that it was written to holds whole numbers.",
    "unused_future": "A forecast was sent exogenous values that its model does not read.",
    "candidate_left_out": "An algorithm was left out: by an estimate, its fit would have taken too long.",
    "candidate_limited": "An algorithm looked at some columns only, or was cut short, to end in a bounded time.",
    "note": "Any other remark, such as one that an earlier version of the platform has stored.",
}
"""What each code of a warning means; the documentation lists them. A code does not change."""

MAX_EXAMPLES: Final = 5


@dataclass(frozen=True)
class DataWarning:
    """One warning, with a stable code and a sentence for people.

    Attributes:
        code: a key of WARNING_CODES.
        message: what was noticed, and what to do about it.
        column: the column that it is about; None for all rows.
        count: how many values or rows it is about.
        examples: some of these values as text, at most MAX_EXAMPLES.
    """

    code: str
    message: str
    column: str | None = None
    count: int | None = None
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in WARNING_CODES:
            raise ValueError(f"unknown warning code {self.code!r}")

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict that JSON can hold, for `from_json`."""
        return asdict(self) | {"examples": list(self.examples)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> Self:
        """Return the warning that `to_json` has written; a plain sentence, of an earlier version, is a `note`."""
        if isinstance(data, str):
            return cls("note", data)
        # A newer version may know more codes.
        code = data["code"] if data["code"] in WARNING_CODES else "note"
        return cls(
            code, data["message"], data.get("column"), data.get("count"), tuple(map(str, data.get("examples") or ()))
        )


def warnings_to_json(warnings: Sequence[DataWarning]) -> list[dict[str, Any]]:
    """Return the JSON of several warnings."""
    return [warning.to_json() for warning in warnings]


def warnings_from_json(data: Sequence[Mapping[str, Any] | str] | None) -> tuple[DataWarning, ...]:
    """Return the warnings that `warnings_to_json` has written; none for None."""
    return tuple(DataWarning.from_json(record) for record in data or ())

"""Reading of a file as an upload does it: the check of its structure, then the validation task."""

from dataclasses import asdict
from pathlib import Path
from shutil import copy

import pyarrow.parquet as pq

from dataml.contract.files.detection import SNIFF_BYTES, detect_format
from dataml.contract.files.reading import scan_file
from dataml.jobs.spec import JobContext, SourceFile, ValidateResult, ValidateSpec
from dataml.storage.storage import Storage
from dataml.tasks import validate
from tests.corpus.cases import Case, Reading, describe_column


def read_case(case: Case, root: Path) -> Reading:
    """Return the table that is read from the file of a case, in an empty folder.

    Raises:
        Invalid: the file is refused.
    """
    copy(case.path, root / case.path.name)
    result = validate.run(
        ValidateSpec(1, (_accept(case, root),), case.template), JobContext(Storage(root), "jobs/1/1", lambda *_: None)
    )
    return _describe(result, root)


def _accept(case: Case, root: Path) -> SourceFile:
    path = root / case.path.name
    with path.open("rb") as file:
        format = detect_format(path.name, file.read(SNIFF_BYTES), case.options)
    summary = scan_file(path, format, case.template, options=case.options)
    return SourceFile(
        10,
        path.name,
        path.name,
        format,
        records=summary.total_records,
        **asdict(summary.csv),
    )


def _describe(result: ValidateResult, root: Path) -> Reading:
    kept = pq.read_table(root / result.parquet).to_pylist()
    report = result.files[0].error_report
    return Reading(
        {column.name: describe_column(column) for column in result.contract.columns},
        result.total_records,
        result.kept_records,
        dict(report.by_rule) if report else {},
        sorted(((warning.code, warning.column) for warning in result.warnings), key=str),
        kept[0] if kept else None,
        kept[-1] if kept else None,
    )

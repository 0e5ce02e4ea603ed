"""The parts of one dataset: rows, columns with their statistics, errors, files, and where it is used."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from dataml.access.permissions import Permission
from dataml.console import listing
from dataml.console.listing import Listing
from dataml.console.rendering import url
from dataml.console.visit import Visit

BUSY: Final = ("validating", "uploading", "queued", "running")
_TABS: Final = {
    "preview": "Rows",
    "columns": "Columns",
    "errors": "Errors",
    "files": "Files",
    "uses": "Where it is used",
}
# A page of a table with more columns would be large, and wider than anybody reads.
_SHOWN_COLUMNS: Final = 20
_ROWS: Final = 50
_CORRELATIONS: Final = 15
_SHOWN_COUNTS: Final = 12


async def show(visit: Visit) -> Response:
    """Show one part of a dataset."""
    dataset_id, tab = visit.request.path_params["dataset_id"], visit.request.path_params.get("tab", "preview")
    if tab not in _TABS:
        tab = "preview"
    dataset = await visit.api.get("/dataset/get_dataset_by_id", dataset_id=dataset_id)
    job = None
    if dataset["state"] in BUSY and dataset["job_id"]:
        job = await visit.api.find(f"/jobs/{dataset['job_id']}")
    tabs = [(name, title, f"/datasets/{dataset_id}/{name}") for name, title in _TABS.items()]
    context = await _READERS[tab](visit, dataset)
    return visit.render("dataset.html", dataset=dataset, job=job, busy=BUSY, tabs=tabs, tab=tab, **context)


async def _read_rows(visit: Visit, dataset: Mapping[str, Any]) -> dict[str, Any]:
    request = visit.request
    names = [column["column_name"] for column in dataset["schema"] or []]
    first = _number(request, "column") if _number(request, "column") < len(names) else 0
    shown = names[first : first + _SHOWN_COLUMNS]
    given = {name: value for name in ("rows", "sort", "column") if (value := request.query_params.get(name))}
    offset = listing.offset_of(request)
    query = {"rows": given.get("rows"), "sort": given.get("sort"), "offset": offset or None, "limit": _ROWS}
    answer = {"preview": [], "total": 0}
    if dataset["version"] and names:
        columns = shown if len(shown) < len(names) else None
        answer = await visit.api.get("/dataset/view", dataset_id=dataset["id"], columns=columns, **query)
    page = Listing(request.url.path, given, answer["preview"], answer["total"], offset, _ROWS)
    return {
        "page": page,
        "names": shown,
        "column_count": len(names),
        "first_column": first,
        "is_quarantined": given.get("rows") == "set_aside",
        "previous_columns": url(page.path, **{**given, "column": first - _SHOWN_COLUMNS}) if first else None,
        "next_columns": url(page.path, **{**given, "column": first + len(shown)})
        if first + len(shown) < len(names)
        else None,
    }


async def _read_columns(visit: Visit, dataset: Mapping[str, Any]) -> dict[str, Any]:
    request = visit.request
    text = request.query_params.get("q", "")
    found = [column for column in dataset["schema"] or [] if text.casefold() in column["column_name"].casefold()]
    offset = listing.offset_of(request)
    page = Listing(
        request.url.path, {"q": text} if text else {}, found[offset : offset + _ROWS], len(found), offset, _ROWS
    )
    chosen = request.query_params.get("about")
    names = [column["column_name"] for column in dataset["schema"] or []]
    wanted = [column["column_name"] for column in page.rows] + ([chosen] if chosen in names else [])
    answer = await visit.api.find("/dataset/statistics", dataset_id=dataset["id"], columns=wanted, charts=False) or {}
    statistics = answer.get("statistics") or {}
    about = statistics.get("columns", {})
    return {
        "page": page,
        "statistics": statistics,
        "about": about,
        "chosen": chosen if chosen in about else None,
        "correlations": _strongest(statistics.get("correlation")),
        "statistics_state": answer.get("status"),
        "statistics_error": answer.get("error"),
        "statistics_job": answer.get("job_id"),
    }


def _strongest(correlation: Mapping[str, Any] | None) -> list[tuple[str, str, float]]:
    """Return the pairs of columns with the largest correlation, of either sign."""
    if not correlation:
        return []
    names: Sequence[str] = correlation["columns"]
    pairs = [
        (name, other, value)
        for row, name in enumerate(names)
        for other, value in zip(names[:row], correlation["matrix"][row], strict=False)
        if value is not None
    ]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))[:_CORRELATIONS]


async def _read_errors(visit: Visit, dataset: Mapping[str, Any]) -> dict[str, Any]:
    summary = dataset["error_summary"]
    names = ("column", "rule")
    cells = await listing.read(visit.request, visit.api, "/dataset/wrong-cells", names, dataset_id=dataset["id"])
    counts = {name: sorted(summary[f"by_{name}"].items(), key=lambda item: -item[1]) for name in names}
    return {"summary": summary, "page": cells, "counts": counts, "shown_counts": _SHOWN_COUNTS}


async def _read_files(visit: Visit, dataset: Mapping[str, Any]) -> dict[str, Any]:
    fixed = {"dataset_id": dataset["id"]}
    files = await listing.read(visit.request, visit.api, "/files/list", ("purpose",), **fixed)
    chosen, lines = _number(visit.request, "file"), None
    if any(row["id"] == chosen for row in files.rows):
        lines = (await visit.api.get("/files/view", file_id=chosen))["content_preview"]
    return {"page": files, "chosen": chosen, "lines": lines}


async def _read_uses(visit: Visit, dataset: Mapping[str, Any]) -> dict[str, Any]:
    trainings = await listing.read(visit.request, visit.api, "/train/list", (), dataset_id=dataset["id"])
    results = await visit.api.get("/files/list", dataset_id=dataset["id"], purpose="result", limit=_ROWS)
    tables = [
        (title, dataset[f"{prefix}_table_name"], dataset[f"{prefix}_snapshot_id"])
        for title, prefix in (("Validated rows", "iceberg"), ("Rows as they were uploaded", "raw"))
        if dataset[f"{prefix}_table_name"]
    ]
    return {
        "page": trainings,
        "results": results,
        "tables": tables,
        "may_read_lake": visit.may(Permission.READ_DATALAKE),
    }


def _number(request: Request, name: str) -> int:
    """Return a number of the address; 0 where it is none."""
    return listing.whole_number(request.query_params.get(name))


_READERS: Final = {
    "preview": _read_rows,
    "columns": _read_columns,
    "errors": _read_errors,
    "files": _read_files,
    "uses": _read_uses,
}

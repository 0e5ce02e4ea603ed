"""`dataml datasets`, `templates` and `lake`."""

import json
from pathlib import Path

import pytest

from dataml.cli.exit_codes import ExitCode
from tests.cli.conftest import CommandLine, csv_rows, write_csv
from tests.dataset.datasets import new_name

GOOD = ["id,age", "1,30", "2,41", "3,52"]
WRONG = ["id,age", "1,30", "2,x", *(f"{number},{number}" for number in range(3, 20)), "20,y"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def template(admin: CommandLine, folder: Path) -> str:
    """The name of a template of two Integers."""
    name = new_name("ages")
    schema = [{"column_name": column, "data_type": "Integer"} for column in ("id", "age")]
    file = folder / "schema.json"
    file.write_text(json.dumps(schema))
    admin.data("templates", "create", name, "--schema", file)
    return name


@pytest.fixture(scope="module")
def wrong(admin: CommandLine, folder: Path, template: str) -> str:
    """The name of a dataset with two wrong cells in twenty rows."""
    name = new_name("wrong")
    file = write_csv(folder / "wrong.csv", WRONG)
    admin.data("datasets", "upload", file, "--name", name, "--template", template)
    return name


def test_upload_waits_for_the_validation(admin: CommandLine, folder: Path) -> None:
    file = write_csv(folder / f"{new_name('good')}.csv", GOOD)
    uploaded = admin.data("datasets", "upload", file)
    assert (uploaded["dataset_name"], uploaded["state"], uploaded["kept_records"]) == (file.stem, "valid", 3)
    shown = admin.run("datasets", "show", file.stem)
    assert shown.exit_code == 0
    assert "3 of 3 kept" in shown.stdout
    assert "age (Integer)" in shown.stdout


def test_upload_of_several_files_is_one_dataset(admin: CommandLine, folder: Path) -> None:
    files = [write_csv(folder / f"part{number}.csv", ["id,age", f"{number},7"]) for number in (1, 2)]
    uploaded = admin.data("datasets", "upload", *files, "--name", new_name("parts"), "--for-prediction")
    assert (uploaded["file_count"], uploaded["kept_records"], uploaded["usage"]) == (2, 2, "p")


def test_upload_without_waiting_prints_the_job(admin: CommandLine, folder: Path) -> None:
    file = write_csv(folder / f"{new_name('good')}.csv", GOOD)
    started = admin.data("datasets", "upload", file, "--no-wait")
    assert admin.data("jobs", "watch", started["job_id"])["state"] == "succeeded"


def test_upload_of_a_file_that_is_not_there_is_wrong_usage(admin: CommandLine, folder: Path) -> None:
    assert "absent.csv" in admin.refused(ExitCode.USAGE, "datasets", "upload", folder / "absent.csv")


def test_upload_that_the_platform_refuses_is_exit_code_1(admin: CommandLine, folder: Path) -> None:
    file = write_csv(folder / "twice.csv", ["id,id", "1,2"])
    assert "[duplicate_column]" in admin.refused(ExitCode.FAILED, "datasets", "upload", file)


def test_upload_without_the_permission_is_exit_code_3(viewer: CommandLine, folder: Path) -> None:
    file = write_csv(folder / "good.csv", GOOD)
    assert "can_upload_datasets" in viewer.refused(ExitCode.FORBIDDEN, "datasets", "upload", file)


def test_upload_with_an_unknown_template_is_exit_code_4(admin: CommandLine, folder: Path) -> None:
    file = write_csv(folder / "good.csv", GOOD)
    message = admin.refused(ExitCode.NOT_FOUND, "datasets", "upload", file, "--template", "absent")
    assert message == "dataml: There is no template 'absent'. [template_not_found]\n"


def test_dataset_that_is_not_valid_is_exit_code_5(admin: CommandLine, folder: Path, template: str) -> None:
    file = write_csv(folder / "bad.csv", ["id,age", "1,x", "2,y", "3,4"])
    ended = admin.run("datasets", "upload", file, "--name", new_name("bad"), "--template", template)
    assert ended.exit_code == ExitCode.JOB_FAILED
    assert "dataml datasets errors" in ended.stderr


def test_validation_that_fails_is_exit_code_5_with_its_reason(admin: CommandLine, folder: Path, template: str) -> None:
    file = write_csv(folder / "reject.csv", WRONG)
    words = ("--name", new_name("reject"), "--template", template, "--on-error", "reject")
    ended = admin.run("datasets", "upload", file, *words)
    assert ended.exit_code in (ExitCode.FAILED, ExitCode.JOB_FAILED)
    assert "age" in ended.stderr


def test_errors_shows_each_wrong_cell(admin: CommandLine, wrong: str, folder: Path) -> None:
    ended = admin.run("datasets", "errors", wrong, "--output", "csv")
    header, *cells = csv_rows(ended.stdout)
    assert [dict(zip(header, cell, strict=True))["value"] for cell in cells] == ["x", "y"]
    assert "2 wrong cells in 2 of 20 rows" in ended.stderr
    table = admin.run("datasets", "errors", wrong).stdout
    assert "wrong.csv" in table
    out = folder / "errors.csv"
    assert admin.run("datasets", "errors", wrong, "--out", out).stdout == ""
    assert len(csv_rows(out.read_text())) == 3


def test_errors_shows_cells_of_a_column_or_rule(admin: CommandLine, wrong: str) -> None:
    page = admin.data("datasets", "errors", wrong, "--column", "age", "--limit", "1")
    assert (page["total"], [cell["value"] for cell in page["data"]]) == (2, ["x"])
    assert admin.data("datasets", "errors", wrong, "--rule", "absent")["total"] == 0
    ended = admin.run("datasets", "errors", wrong, "--offset", "1")
    assert "1 of 2 wrong cells" in ended.stderr


def test_view_shows_kept_and_quarantined_rows(admin: CommandLine, wrong: str) -> None:
    assert admin.data("datasets", "view", wrong, "--limit", "2")["total"] == 18
    ids = [row["id"] for row in admin.data("datasets", "view", wrong, "--sort", "-id", "--limit", "20")["preview"]]
    assert ids == sorted(ids, reverse=True)
    quarantined = csv_rows(admin.run("datasets", "view", wrong, "--quarantined", "-o", "csv").stdout)
    assert ["20", "y"] in [row[-2:] for row in quarantined] or any("y" in row for row in quarantined)


def test_statistics_has_a_row_for_each_column(admin: CommandLine, wrong: str) -> None:
    rows = csv_rows(admin.run("datasets", "statistics", wrong, "-o", "csv").stdout)
    assert [row[0] for row in rows] == ["column", "id", "age"]
    assert "mean" in rows[0]


def test_list_prints_a_table_json_or_csv(admin: CommandLine, wrong: str) -> None:
    answer = admin.data("datasets", "list", "--limit", "1000")
    assert wrong in [row["dataset_name"] for row in answer["data"]]
    header, *rows = csv_rows(admin.run("datasets", "list", "-o", "csv").stdout)
    assert header == list(answer["data"][0])
    assert len(rows) == answer["total"]
    assert wrong in admin.run("datasets", "list").stdout


def test_list_says_how_to_see_more(admin: CommandLine, wrong: str) -> None:
    ended = admin.run("datasets", "list", "--limit", "1")
    assert "--offset 1" in ended.stderr
    assert admin.run("datasets", "list", "--limit", "1", "--quiet").stderr == ""
    admin.refused(ExitCode.USAGE, "datasets", "list", "--limit", "0")


def test_delete_asks_first(admin: CommandLine, folder: Path) -> None:
    file = write_csv(folder / f"{new_name('good')}.csv", GOOD)
    admin.data("datasets", "upload", file)
    assert "--yes" in admin.refused(ExitCode.USAGE, "datasets", "delete", file.stem)
    assert admin.run("datasets", "delete", file.stem, "--yes").exit_code == 0
    admin.refused(ExitCode.NOT_FOUND, "datasets", "show", file.stem)


def test_dataset_of_another_tenant_does_not_exist(admin: CommandLine, other_tenant: CommandLine, wrong: str) -> None:
    dataset_id = admin.data("datasets", "show", wrong)["id"]
    for words in (("show",), ("errors",), ("view",), ("statistics",), ("delete", "--yes")):
        other_tenant.refused(ExitCode.NOT_FOUND, "datasets", words[0], dataset_id, *words[1:])
    other_tenant.refused(ExitCode.NOT_FOUND, "datasets", "show", wrong)


def test_draft_of_a_template_can_be_created(admin: CommandLine, folder: Path) -> None:
    file = write_csv(folder / "draft.csv", ["code,price", "007,1.5", "008,2.5"])
    draft = admin.data("templates", "draft", file)
    types = {each["column_name"]: each["data_type"] for each in draft["template_schema"]}
    assert types == {"code": "String", "price": "Float"}
    schema = folder / "draft.json"
    schema.write_text(json.dumps(draft))
    name = new_name("drafted")
    created = admin.data("templates", "create", name, "--schema", schema)
    assert admin.data("templates", "show", name)["id"] == created["id"]
    assert "price" in admin.run("templates", "show", created["id"]).stdout
    assert name in [row["template_name"] for row in admin.data("templates", "list")["data"]]
    draft["template_schema"][1]["minimum"] = "0"
    schema.write_text(json.dumps(draft["template_schema"]))
    assert admin.data("templates", "update", name, "--schema", schema)["version"] == 2
    assert admin.data("templates", "versions", name)["total"] == 2
    assert admin.run("templates", "delete", name, "--yes").exit_code == 0
    admin.refused(ExitCode.NOT_FOUND, "templates", "delete", created["id"], "--yes")


@pytest.mark.parametrize("content", ["{", "{}", "3", '{"template_schema": 3}'])
def test_schema_that_is_not_a_list_of_columns_is_wrong_usage(admin: CommandLine, folder: Path, content: str) -> None:
    file = folder / "wrong.json"
    file.write_text(content)
    assert "wrong.json" in admin.refused(ExitCode.USAGE, "templates", "create", "x", "--schema", file)


def test_template_that_the_platform_refuses_is_exit_code_1(
    admin: CommandLine, viewer: CommandLine, folder: Path, template: str, wrong: str
) -> None:
    file = folder / "empty.json"
    file.write_text('[{"column_name": "a", "data_type": "Colour"}]')
    assert "Colour" in admin.refused(ExitCode.FAILED, "templates", "create", new_name(), "--schema", file)
    assert "[template_in_use]" in admin.refused(ExitCode.FAILED, "templates", "delete", template, "--yes")
    assert "can_edit_templates" in viewer.refused(ExitCode.FORBIDDEN, "templates", "delete", template, "--yes")


def test_lake_lists_and_shows_tables(admin: CommandLine, viewer: CommandLine, folder: Path) -> None:
    table = new_name("ages").replace("-", "_")
    file = write_csv(folder / f"{new_name('lake')}.csv", GOOD)
    admin.data("datasets", "upload", file, "--lake-table", table)
    schemas = admin.data("lake", "schemas")
    found = [row["schema"] for row in admin.data("lake", "tables") if row["table"] == table]
    assert len(found) == 1
    assert found[0] in schemas
    assert [row["table"] for row in viewer.data("lake", "tables", found[0])] == [table]
    shown = admin.data("lake", "show", f"{found[0]}.{table}")
    assert shown["row_count"] == 3
    assert [each["column_name"] for each in shown["columns"]] == ["id", "age"]
    assert "age (" in admin.run("lake", "show", f"{found[0]}.{table}").stdout
    header, *rows = csv_rows(viewer.run("lake", "view", f"{found[0]}.{table}", "--limit", "3", "-o", "csv").stdout)
    assert ("age" in header, len(rows)) == (True, 3)


def test_lake_tables_are_deleted(admin: CommandLine, viewer: CommandLine, folder: Path) -> None:
    table = new_name("ages").replace("-", "_")
    file = write_csv(folder / f"{new_name('lake')}.csv", GOOD)
    admin.data("datasets", "upload", file, "--lake-table", table)
    command = ("lake", "delete", f"silver.{table}")
    assert "--yes" in admin.refused(ExitCode.USAGE, *command)
    assert "can_delete_dataset" in viewer.refused(ExitCode.FORBIDDEN, *command, "--yes")
    assert "deleted" in admin.run(*command, "--yes").stderr
    assert "[table_not_found]" in admin.refused(ExitCode.NOT_FOUND, *command, "--yes")
    assert "SCHEMA.TABLE" in admin.refused(ExitCode.USAGE, "lake", "delete", table, "--yes")


def test_lake_table_that_is_not_there_is_exit_code_4(admin: CommandLine) -> None:
    admin.refused(ExitCode.NOT_FOUND, "lake", "show", "silver.absent")
    assert "SCHEMA.TABLE" in admin.refused(ExitCode.USAGE, "lake", "show", "absent")

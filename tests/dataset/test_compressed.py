"""Compressed CSV files are read like plain ones."""

import gzip
import zipfile
from collections.abc import Callable
from io import BytesIO

import pyarrow as pa
import pytest

from dataml.settings import Settings
from tests.client import Client
from tests.conftest import NewHome, Platform
from tests.dataset.datasets import create_dataset, get_dataset, list_upload_folders, upload
from tests.test_every_route import refusal

BUDGET_BYTES = 3_000_000


@pytest.fixture(scope="module")
def settings(new_home: NewHome) -> Settings:
    return new_home(max_upload_bytes=BUDGET_BYTES)


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


COMPRESSIONS = [(gzip.compress, "gz"), (zstd, "zst")]


@pytest.mark.parametrize(("compress", "suffix"), COMPRESSIONS, ids=["gzip", "zstd"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_compressed_file_is_read_like_a_plain_one(
    client: Client, compress: Callable[[bytes], bytes], suffix: str, delimiter: str
) -> None:
    lines = ["n;word;day", *[f"{n};wörd {n};2024-01-{n % 28 + 1:02}" for n in range(1000)]]
    content = "\n".join(lines).replace(";", delimiter).encode()
    archive = compress(content)  # once: gzip stores the time
    plain, packed = (create_dataset(client, file) for file in (("a.csv", content), (f"a.csv.{suffix}", archive)))
    assert packed["schema"] == plain["schema"]
    assert packed["kept_records"] == 1000
    views = [client.get("/dataset/view", params={"dataset_id": d["id"]}).json() for d in (plain, packed)]
    assert views[0] == views[1]
    files = [client.get("/files/list", params={"dataset_id": d["id"]}).json()["data"][0] for d in (plain, packed)]
    previews = [client.get("/files/view", params={"file_id": f["id"]}).json()["content_preview"] for f in files]
    assert previews[0] == previews[1]
    download = client.get("/files/download", params={"file_id": files[1]["id"]})
    assert download.content == archive
    assert download.headers["content-type"] == {"gz": "application/gzip", "zst": "application/zstd"}[suffix]
    hdf = client.get("/files/get_file_by_id", params={"file_id": files[1]["id"]}).json()["hdf_file_path"]
    assert client.get("/files/download", params={"file_path": hdf}).content.startswith(b"\x89HDF")


def test_members_of_an_archive_are_read_as_one_file(client: Client) -> None:
    content = gzip.compress(b"n\n1\n") + gzip.compress(b"2\n3\n")
    assert create_dataset(client, ("a.csv.gz", content))["kept_records"] == 3
    assert create_dataset(client, ("named-otherwise.csv", content))["kept_records"] == 3


def _tar_like() -> bytes:
    return b"a.csv" + b"\0" * 507 + b"n\n1\n"


def _zip() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", "n\n1\n")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (gzip.compress(b"n\n" + b"1\n" * 1000)[:-9], (422, "damaged_archive")),
        (b"\x1f\x8b" + b"\0" * 100, (422, "damaged_archive")),
        (b"\x28\xb5\x2f\xfd" + b"x" * 100, (422, "damaged_archive")),
        (gzip.compress(b""), (422, "empty_file")),
        (gzip.compress(b"n\n"), (422, "no_rows")),
        (gzip.compress(b"a,b\n1\n"), (422, "ragged_row")),
        (gzip.compress(b"n\n\xff\n"), (422, "not_utf8")),
        (gzip.compress(gzip.compress(b"n\n1\n")), (422, "not_a_csv")),
        (zstd(gzip.compress(b"n\n1\n")), (422, "not_a_csv")),
        (gzip.compress(_zip()), (422, "not_a_csv")),
        (gzip.compress(_tar_like()), (422, "nul_byte")),
        (gzip.compress(b"PAR1" + b"x" * 100), (422, "not_a_csv")),
        (gzip.compress(b"n\n" + b"1\n" * 2_000_000), (413, "upload_too_large")),
        (zstd(b"n\n" + b"1\n" * 20_000_000), (413, "upload_too_large")),
        (gzip.compress(b"n\n" + b"1" * 50_000_000), (422, "row_too_large")),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value[1],
)
def test_an_archive_with_invalid_content_is_refused_and_leaves_nothing(
    platform: Platform, client: Client, content: bytes, refused: tuple[int, str]
) -> None:
    before = list_upload_folders(platform)
    found = refusal(upload(client, ("a.csv.gz", content)))
    assert found == refused or (refused[1] == "row_too_large" and found == (413, "upload_too_large"))
    assert list_upload_folders(platform) == before


def test_a_compressed_parquet_is_refused(client: Client) -> None:
    assert refusal(upload(client, ("a.parquet", gzip.compress(b"n\n1\n")))) == (422, "not_a_parquet")
    assert refusal(upload(client, ("a.xlsx.gz", gzip.compress(b"n\n1\n")))) == (415, "unsupported_file")


def test_a_formula_is_kept_and_escaped_in_the_report(client: Client) -> None:
    words = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "plain"]
    template = [{"column_name": "word", "data_type": "String"}, {"column_name": "n", "data_type": "Integer"}]
    answer = client.post("/template/", json={"template_name": "formulas", "template_schema": template})
    content = "word,n\n" + "\n".join(f'"{word}",{n}' for n, word in enumerate(words)) + '\n"bad","=1+1"\n'
    made = create_dataset(client, ("a.csv", content.encode()), template_id=answer.json()["id"])
    kept = client.get("/dataset/view", params={"dataset_id": made["id"]}).json()["preview"]
    assert [row["word"] for row in kept] == words
    report = client.get("/dataset/error-report", params={"dataset_id": made["id"], "format": "csv"}).text
    assert ",'=1+1," in report
    shown = client.get("/dataset/error-report", params={"dataset_id": made["id"]}).json()["files"][0]["first"][0]
    assert shown["value"] == "=1+1"
    assert get_dataset(client, made["id"])["kept_records"] == len(words)

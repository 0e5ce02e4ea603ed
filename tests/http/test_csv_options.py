"""What a query says about CSV files."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response

from dataml.contract.files.layout import CsvOptions
from dataml.errors import Invalid
from dataml.http.csv_options import SentCsvOptions

pytestmark = pytest.mark.anyio


async def ask(**query: Any) -> httpx.Response:
    app = FastAPI()

    @app.get("/")
    def read(csv: SentCsvOptions) -> dict[str, Any]:
        return {"encoding": csv.encoding, "header_row": csv.header_row, "delimiter": csv.delimiter}

    @app.exception_handler(Invalid)
    def refuse(_: object, error: Exception) -> Response:
        return Response(str(error), status_code=422)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get("/", params=query)


async def test_defaults_are_those_of_a_plain_csv() -> None:
    plain = CsvOptions()
    assert (await ask()).json() == {
        "encoding": plain.encoding,
        "header_row": plain.header_row,
        "delimiter": plain.delimiter,
    }


async def test_options_are_read() -> None:
    answer = await ask(encoding="Windows-1252", header_row=3, delimiter="tab")
    assert answer.json() == {"encoding": "cp1252", "header_row": 3, "delimiter": "\t"}


@pytest.mark.parametrize(
    "query", [{"encoding": "klingon"}, {"delimiter": "ab"}, {"header_row": 0}, {"header_row": 1_001}]
)
async def test_other_values_are_refused(query: dict[str, Any]) -> None:
    assert (await ask(**query)).status_code == 422

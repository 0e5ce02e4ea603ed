"""Files of a multipart upload are received completely, within a budget, or not at all."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from dataml.errors import DatamlError, InvalidFields
from dataml.http.multipart import MAX_FILES, OPENAPI_BODY, received_files

BUDGET_BYTES = 1000
# Boundaries and headers of parts are allowed on top of the budget.
FRAMING_BYTES = 1 << 20
END = b"--b--\r\n"


def part(content: bytes, file_name: str = "a.csv", field: str = "files") -> bytes:
    disposition = f'form-data; name="{field}"' + (f'; filename="{file_name}"' if file_name else "")
    return f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


class Body:
    """A request body, sent in pieces; it counts how many of them are read."""

    def __init__(self, *pieces: bytes, disconnects: bool = False) -> None:
        self._pieces = list(pieces)
        self._disconnects = disconnects
        self.pieces_read = 0

    async def receive(self) -> dict[str, Any]:
        """Return the next ASGI message."""
        if not self._pieces and self._disconnects:
            return {"type": "http.disconnect"}
        self.pieces_read += 1
        body = self._pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._pieces) or self._disconnects}


def receive(
    body: Body,
    content_type: str = "multipart/form-data; boundary=b",
    content_length: int | str | None = None,
    may_be_none: bool = False,
    then: Callable[[list[UploadFile]], None] = lambda files: None,
) -> list[tuple[str | None, bytes]]:
    """Receive the files of a request, call `then` with them, and return the name and the content of each."""
    headers = [(b"content-type", content_type.encode())]
    headers += [(b"content-length", str(content_length).encode())] if content_length is not None else []
    # Starlette raises HTTPException only where the request belongs to an application.
    scope = {"type": "http", "method": "POST", "headers": headers, "app": None}

    async def read_files() -> list[tuple[str | None, bytes]]:
        async with received_files(Request(scope, body.receive), BUDGET_BYTES, may_be_none=may_be_none) as files:
            then(files)
            return [(file.filename, await file.read()) for file in files]

    return asyncio.run(read_files())


def refusal(body: Body, **options: Any) -> tuple[int, str]:
    """Return status and code of the error that a request is refused with."""
    with pytest.raises(DatamlError) as caught:
        receive(body, **options)
    return caught.value.status, caught.value.code


def status_of_form_error(body: Body, **options: Any) -> int:
    """Return the status of the error that Starlette's parser refuses a form with."""
    with pytest.raises(HTTPException) as caught:
        receive(body, **options)
    return caught.value.status_code


def test_files_are_received_in_their_order() -> None:
    files = receive(Body(part(b"n\n1\n"), part(b"n\n2\n", "b.csv"), END))
    assert files == [("a.csv", b"n\n1\n"), ("b.csv", b"n\n2\n")]


def test_a_body_can_come_in_any_pieces() -> None:
    whole = part(b"n\r\n1\r\n") + END
    assert receive(Body(*[whole[i : i + 1] for i in range(len(whole))])) == [("a.csv", b"n\r\n1\r\n")]


def test_fields_without_a_file_are_ignored() -> None:
    assert receive(Body(part(b"x", file_name=""), part(b"n\n"), END)) == [("a.csv", b"n\n")]


@pytest.mark.parametrize("file_name", ["", "a.csv"])
@pytest.mark.parametrize("may_be_none", [False, True])
def test_fields_of_other_names_are_refused(file_name: str, may_be_none: bool) -> None:
    body = Body(
        part(b"x", field="file", file_name=file_name), part(b"n\n"), part(b"x", field="note", file_name=""), END
    )
    with pytest.raises(InvalidFields) as caught:
        receive(body, may_be_none=may_be_none)
    assert caught.value.code == "unknown_field"
    assert [(field.location, field.message) for field in caught.value.fields] == [
        (("body", "file"), "There is no field 'file'; did you mean 'files'?"),
        (("body", "note"), "There is no field 'note'."),
    ]


def test_a_form_without_files_is_refused_unless_it_is_allowed() -> None:
    assert refusal(Body(part(b"x", file_name=""), END)) == (422, "no_file")
    assert refusal(Body(END)) == (422, "no_file")
    assert receive(Body(END), may_be_none=True) == []


def test_a_body_of_another_type_has_no_files() -> None:
    assert refusal(Body(b'{"a": 1}'), content_type="application/json") == (422, "no_file")
    assert receive(Body(b""), content_type="application/json", may_be_none=True) == []


def test_files_are_closed_at_the_end() -> None:
    received: list[UploadFile] = []
    receive(Body(part(b"n\n"), part(b"m\n"), END), then=received.extend)
    assert [file.file.closed for file in received] == [True, True]


def test_files_are_closed_when_the_caller_fails() -> None:
    received: list[UploadFile] = []

    def fail(files: list[UploadFile]) -> None:
        received.extend(files)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        receive(Body(part(b"n\n"), END), then=fail)
    assert received[0].file.closed


def test_a_body_over_the_budget_is_refused_before_the_rest_is_read() -> None:
    body = Body(part(b"n" * BUDGET_BYTES)[:-2], *[b"1" * (FRAMING_BYTES // 2)] * 10, END)
    assert refusal(body) == (413, "upload_too_large")
    assert body.pieces_read == 3


def test_a_body_at_the_budget_is_received() -> None:
    frame = len(part(b"") + END)
    content = b"1" * (BUDGET_BYTES + FRAMING_BYTES - frame)
    assert receive(Body(part(content) + END)) == [("a.csv", content)]
    assert refusal(Body(part(content + b"1") + END)) == (413, "upload_too_large")


@pytest.mark.parametrize("length", [BUDGET_BYTES + FRAMING_BYTES + 1, "9" * 19, "9" * 5000])
def test_a_declared_length_over_the_budget_is_refused_before_the_body_is_read(length: int | str) -> None:
    body = Body(part(b"n\n"), END)
    assert refusal(body, content_length=length) == (413, "upload_too_large")
    assert body.pieces_read == 0


@pytest.mark.parametrize("length", [BUDGET_BYTES + FRAMING_BYTES, "x", "-1", ""])
def test_another_declared_length_does_not_matter(length: int | str) -> None:
    assert receive(Body(part(b"n\n"), END), content_length=length) == [("a.csv", b"n\n")]


@pytest.mark.parametrize(
    "pieces",
    [
        [part(b"n\n1\n")],
        [part(b"n\n1\n")[:-2]],
        [part(b"n\n1\n"), part(b"n\n2\n", "b.csv")[:-4]],
        [part(b"n\n1\n"), b"--b"],
        [part(b"n\n1\n"), b"--b-"],
        [b""],
    ],
)
def test_a_body_without_its_last_boundary_is_refused(pieces: list[bytes]) -> None:
    assert refusal(Body(*pieces)) == (400, "upload_cut_off")


def test_a_client_that_disconnects_is_refused() -> None:
    assert refusal(Body(part(b"n\n1\n"), disconnects=True)) == (400, "upload_cut_off")


def test_a_last_boundary_in_the_middle_of_the_body_does_not_count() -> None:
    body = part(b"n\n") + END + b"x" * 10_000
    assert refusal(Body(body)) == (400, "upload_cut_off")


def test_a_last_boundary_can_be_split_between_pieces() -> None:
    assert receive(Body(part(b"n\n"), END[:3], END[3:])) == [("a.csv", b"n\n")]


def test_too_many_files_are_refused() -> None:
    assert len(receive(Body(*[part(b"n\n")] * MAX_FILES, END))) == MAX_FILES
    assert status_of_form_error(Body(*[part(b"n\n")] * (MAX_FILES + 1), END)) == 400


def test_too_many_other_fields_are_refused() -> None:
    assert status_of_form_error(Body(*[part(b"x", field="note", file_name="")] * 21, part(b"n\n"), END)) == 400


def test_a_form_without_a_boundary_is_refused() -> None:
    assert status_of_form_error(Body(part(b"n\n"), END), content_type="multipart/form-data") == 400


@pytest.mark.parametrize("charset", ["undefined", "a\0b"])
def test_a_charset_that_cannot_decode_names_is_refused(charset: str) -> None:
    content_type = f"multipart/form-data; boundary=b; charset={charset}"
    assert refusal(Body(part(b"n\n"), END), content_type=content_type) == (400, "bad_request")


def test_the_api_describes_the_field_of_the_files() -> None:
    schema = OPENAPI_BODY["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["files"]["maxItems"] == MAX_FILES
    assert schema["required"] == ["files"]

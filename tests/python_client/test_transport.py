"""What is sent again, who calls, and which error an answer becomes."""

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import dataml
from dataml.client import profiles
from dataml.client.credentials import Credentials, Tokens
from dataml.client.multipart import FilePart, MultipartBody
from dataml.client.profiles import Profile
from dataml.client.retries import RetryPolicy
from dataml.client.sync import transport as transport_module
from dataml.client.sync.transport import Transport
from tests.python_client.transports import Script, error

OK = {"status": "ok", "message": ""}
HEALTH = "/api/v1/utils/health-check"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited for before a call was sent again; no time passes."""
    seconds: list[float] = []
    monkeypatch.setattr(transport_module, "sleep", seconds.append)
    return seconds


def tokens_answer(number: int, expires_in: float = 900) -> httpx.Response:
    return httpx.Response(
        200, json={"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": expires_in}
    )


def with_key(script: httpx.BaseTransport, **options: Any) -> Transport:
    return Transport(Credentials("http://dataml", api_key="key"), http_transport=script, **options)


def answer(body: Any = None) -> httpx.Response:
    return httpx.Response(200, json=OK if body is None else body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, dataml.BadRequest),
        (401, dataml.Unauthorized),
        (403, dataml.Forbidden),
        (404, dataml.NotFound),
        (409, dataml.Conflict),
        (413, dataml.TooLarge),
        (415, dataml.UnsupportedMedia),
        (422, dataml.Invalid),
        (500, dataml.ApiError),
        (507, dataml.StorageFull),
    ],
)
def test_refused_call_is_raised_with_status_code_sentence_and_request(status: int, kind: type) -> None:
    with pytest.raises(kind) as caught:
        with_key(Script(error(status, "some_code"))).call("GET", HEALTH)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, "some_code")
    assert (caught.value.detail, caught.value.request_id) == ("A sentence about some_code.", "r-1")


def test_wrong_fields_become_one_sentence() -> None:
    fields = [
        {"type": "missing", "loc": ["body", "features", "tenure"], "msg": "tenure is missing."},
        {"type": "int_type", "loc": ["body", "steps"], "msg": "A whole number is needed."},
    ]
    body = {"detail": fields, "code": "invalid_request", "request_id": "r-1"}
    with pytest.raises(dataml.Invalid) as caught:
        with_key(Script(httpx.Response(422, json=body))).call("GET", HEALTH)
    assert caught.value.detail == "tenure is missing.; steps: A whole number is needed."
    assert [field["type"] for field in caught.value.fields] == ["missing", "int_type"]


def test_answer_of_something_else_is_an_error_too() -> None:
    with pytest.raises(dataml.ApiError, match="Bad gateway") as caught:
        with_key(Script(httpx.Response(502, text="<h1>Bad gateway</h1>")), retries=RetryPolicy(0)).call("GET", HEALTH)
    assert (caught.value.code, caught.value.status) == ("no_json", 502)


def test_call_that_was_refused_for_the_moment_waits_as_long_as_it_is_told(waits: list[float]) -> None:
    script = Script(
        error(429, "slow_down", {"Retry-After": "7"}), error(503, "unavailable", {"Retry-After": "2"}), answer()
    )
    assert with_key(script).call("GET", HEALTH) == OK
    assert waits == [7.0, 2.0]


def test_it_gives_up_with_the_last_answer(waits: list[float]) -> None:
    script = Script(*[error(503, "unavailable") for _ in range(5)])
    with pytest.raises(dataml.Unavailable):
        with_key(script).call("GET", HEALTH)
    assert len(waits) == 4


@pytest.mark.parametrize(
    "failure", [httpx.ReadError("cut"), httpx.RemoteProtocolError("cut"), error(503, "unavailable")]
)
def test_call_that_may_have_been_done_is_not_sent_twice_without_a_key(
    waits: list[float], failure: httpx.Response | Exception
) -> None:
    with pytest.raises((dataml.NotConnected, dataml.Unavailable)):
        with_key(Script(failure)).call("POST", "/api/v1/train", body={})
    script = Script(failure, answer())
    assert with_key(script).call("POST", "/api/v1/train", body={}, idempotency_key="one") == OK
    assert [request.headers["Idempotency-Key"] for request in script.requests] == ["one", "one"]


def test_call_that_never_left_is_sent_again(waits: list[float]) -> None:
    script = Script(httpx.ConnectError("refused"), answer())
    assert with_key(script).call("POST", "/api/v1/train", body={}) == OK


@pytest.mark.parametrize("code", ["request_in_progress", "api_overloaded"])
def test_call_that_was_not_begun_is_sent_again(waits: list[float], code: str) -> None:
    script = Script(error(409 if code == "request_in_progress" else 503, code, {"Retry-After": "1"}), answer())
    assert with_key(script).call("POST", "/api/v1/train", body={}) == OK
    assert waits == [1.0]


def test_damaged_file_is_not_asked_for_again(waits: list[float]) -> None:
    with pytest.raises(dataml.Unavailable):
        with_key(Script(error(503, "file_damaged"))).call("GET", HEALTH)
    assert waits == []


def test_no_answer_names_the_platform_and_the_cause() -> None:
    with pytest.raises(dataml.NotConnected, match="http://dataml took too long"):
        with_key(Script(httpx.ReadTimeout("slow")), retries=RetryPolicy(0)).call("GET", HEALTH)


def test_log_in_happens_once_and_the_token_is_refreshed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(tokens_answer(1), answer(), answer(), tokens_answer(2), answer())
    transport = Transport(Credentials("http://dataml", username="ann", password="secret"), http_transport=script)
    transport.call("GET", HEALTH)
    transport.call("GET", HEALTH)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 890)
    transport.call("GET", HEALTH)
    assert [request.url.path.rpartition("/")[2] for request in script.requests] == [
        *("access-token", "health-check", "health-check", "refresh", "health-check"),
    ]
    assert script.bodies[3] == b"refresh_token=refresh-1"
    assert script.requests[-1].headers["Authorization"] == "Bearer access-2"


def test_ended_session_is_opened_again_with_the_password() -> None:
    script = Script(
        tokens_answer(1), error(401, "session_ended"), error(401, "invalid_refresh_token"), tokens_answer(2), answer()
    )
    transport = Transport(Credentials("http://dataml", username="ann", password="secret"), http_transport=script)
    assert transport.call("GET", HEALTH) == OK


def test_refused_api_key_is_not_tried_again() -> None:
    with pytest.raises(dataml.Unauthorized):
        with_key(Script(error(401, "invalid_api_key"))).call("GET", HEALTH)


def test_many_threads_refresh_once() -> None:
    refreshes = []
    barrier = threading.Barrier(8, timeout=30)

    class Server(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("refresh"):
                refreshes.append(request)
                time.sleep(0.05)
                return tokens_answer(2)
            if request.headers["Authorization"] == "Bearer access-1":
                barrier.wait()
                return error(401, "token_expired")
            return answer()

    credentials = Credentials(
        "http://dataml", username="ann", password="x", tokens=Tokens("access-1", "refresh-1", time.time() + 900)
    )
    transport = Transport(credentials, http_transport=Server())
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: transport.call("GET", HEALTH), range(8)))
    assert answers == [OK] * 8
    assert len(refreshes) == 1


def test_refreshed_tokens_are_written_to_the_profile(home: Path) -> None:
    profiles.save_profile(
        Profile("http://dataml", "ann", access_token="old", refresh_token="refresh-1", expires_at=1.0)
    )
    script = Script(tokens_answer(2), answer())
    with dataml.connect(http_transport=script) as dm:
        assert dm.api.check_health() == OK
    stored = profiles.load_profile()
    assert stored is not None
    assert (stored.access_token, stored.refresh_token) == ("access-2", "refresh-2")


def test_tokens_that_another_process_has_refreshed_are_used(home: Path) -> None:
    old = Profile("http://dataml", "ann", access_token="old", refresh_token="refresh-1", expires_at=time.time() + 900)
    profiles.save_profile(old)
    script = Script(error(401, "token_expired"), answer())
    with dataml.connect(http_transport=script) as dm:
        profiles.save_tokens("default", "new", "refresh-2", time.time() + 900)
        assert dm.whoami() == OK
    assert script.requests[-1].headers["Authorization"] == "Bearer new"


def test_upload_is_a_form_whose_bytes_are_reported_and_that_is_sent_again_whole(waits: list[float]) -> None:
    content = b"x" * 600_000
    seen: list[tuple[int, int]] = []
    script = Script(httpx.ReadError("cut"), answer())
    parts = [FilePart.open(io.BytesIO(content), 'a "b".csv')]
    with_key(script).upload(
        "/api/v1/dataset/upload",
        parts,
        idempotency_key="one",
        report_bytes=lambda done, total: seen.append((done, total)),
    )
    assert script.bodies[0] == script.bodies[1]
    assert int(script.requests[0].headers["Content-Length"]) == len(script.bodies[0])
    assert seen[-1][0] == seen[-1][1] == len(script.bodies[1])
    assert len(seen) > 6


def test_form_is_what_the_platform_reads() -> None:
    import anyio
    from starlette.requests import Request

    body = MultipartBody("files", [FilePart.open(b"one", "a.csv"), FilePart.open(b"", 'b "c"\n.csv')])
    content = b"".join(body.read())
    assert len(content) == body.size_bytes

    async def parse() -> list[tuple[str | None, bytes]]:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        headers = [(b"content-type", body.headers["Content-Type"].encode())]
        async with Request({"type": "http", "method": "POST", "headers": headers}, receive).form() as form:
            return [(each.filename, await each.read()) for each in form.getlist("files")]  # type: ignore[union-attr]

    (first, second) = anyio.run(parse)
    assert first == ("a.csv", b"one")
    assert second[1] == b""


def test_file_that_becomes_shorter_is_no_upload() -> None:
    part = FilePart("a.csv", io.BytesIO(b"short"), 10, 0)
    with pytest.raises(OSError, match="has become shorter"):
        list(MultipartBody("files", [part]).read())


def test_download_that_is_cut_off_leaves_no_file(tmp_path: Any) -> None:
    class Cut(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b"begin"
            raise httpx.ReadError("cut")

    target = tmp_path / "rows.csv"
    with pytest.raises(dataml.NotConnected):
        with_key(Script(httpx.Response(200, stream=Cut()))).download_to("/file", target)
    assert list(tmp_path.iterdir()) == []


def test_each_call_is_shown_before_it_is_sent() -> None:
    seen: list[str] = []
    note: Callable[[httpx.Request], None] = lambda request: seen.append(f"{request.method} {request.url}")  # noqa: E731
    with_key(Script(answer()), on_call=note).call("GET", HEALTH, query={"a": 1, "b": None})
    assert seen == [f"GET http://dataml{HEALTH}?a=1"]


class TestSend:
    """One request, whose answer is returned as it came."""

    def test_answer_of_any_status_is_returned_and_asked_for_once(self, waits: list[float]) -> None:
        for refused in (error(503, "api_overloaded"), error(429, "too_many_requests"), error(401, "token_expired")):
            script = Script(refused)
            assert with_key(script).send("GET", HEALTH) is not None
            assert (len(script.requests), waits) == (1, [])

    def test_status_body_and_headers_are_those_of_the_answer(self) -> None:
        raw = with_key(Script(error(503, "api_unavailable", {"Retry-After": "7"}))).send("GET", HEALTH)
        assert (raw.status_code, raw.json()["code"], raw.headers["retry-after"]) == (503, "api_unavailable", "7")

    def test_refused_token_is_not_renewed(self) -> None:
        script = Script(tokens_answer(1), error(401, "token_expired"))
        transport = Transport(Credentials("http://dataml", username="u", password="p"), http_transport=script)
        assert transport.send("GET", HEALTH).status_code == 401
        assert [request.url.path for request in script.requests] == ["/api/v1/login/access-token", HEALTH]

    def test_no_answer_has_the_error_of_httpx_as_its_cause(self, waits: list[float]) -> None:
        script = Script(httpx.ConnectError("refused"))
        with pytest.raises(dataml.NotConnected) as caught:
            with_key(script).send("GET", HEALTH)
        assert isinstance(caught.value.__cause__, httpx.ConnectError)
        assert (len(script.requests), waits) == (1, [])

    def test_own_headers_replace_those_of_the_client(self) -> None:
        script = Script(answer(), answer())
        transport = with_key(script)
        transport.send("GET", HEALTH, headers={"authorization": "Bearer another"})
        transport.send("GET", HEALTH, signed=False)
        sent = [request.headers.get_list("authorization") for request in script.requests]
        assert sent == [["Bearer another"], []]

    def test_content_and_files_are_sent_as_they_are(self) -> None:
        script = Script(answer(), answer())
        transport = with_key(script)
        transport.send("POST", HEALTH, content=b"{")
        transport.send("POST", HEALTH, files=[FilePart.open(b"a\n1\n", "rows.csv")])
        assert script.bodies[0] == b"{"
        assert b'name="files"; filename="rows.csv"' in script.bodies[1]
        assert int(script.requests[1].headers["content-length"]) == len(script.bodies[1])


def test_call_that_waits_for_a_job_is_given_the_time_to() -> None:
    script = Script(answer(), answer())
    transport = with_key(script, timeout_s=10)
    for query in ({"wait": 60}, {"wait": None}):
        transport.call("GET", HEALTH, query=query)
    assert [request.extensions["timeout"]["read"] for request in script.requests] == [70, 10]

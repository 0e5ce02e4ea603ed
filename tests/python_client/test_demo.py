"""The steps of `dataml demo` against the application, with algorithms that take little time."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from dataml.client.credentials import Credentials
from dataml.client.sync.connection import Client
from dataml.client.sync.models import Model
from dataml.client.sync.transport import Transport
from dataml.demo.curl import curl_command
from dataml.demo.run import ChurnDemo
from dataml.demo.screen import Screen
from dataml.demo.steps import StepFailed
from tests.client import PASSWORD
from tests.conftest import Platform
from tests.python_client.transports import PortalTransport


class QuickClient(Client):
    """Trains with one algorithm in place of all."""

    def train(self, data: Any, target: str, **options: Any) -> Model:  # type: ignore[override]
        algorithm = "SeasonalNaive" if "horizon" in options else "LightGBM"
        return super().train(data, target, **options, algorithm=algorithm)


def test_every_step_succeeds(platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(verbose=True)
    who = Credentials("http://dataml", username="admin", password=PASSWORD)
    transport = Transport(who, http_transport=PortalTransport(platform.anonymous), on_call=screen.show_call)
    ChurnDemo(QuickClient(transport), screen, tmp_path).run()
    printed = capsys.readouterr().out
    assert printed.count("✓") == 16
    assert "✗" not in printed
    assert "curl http://dataml/api/v1/login/access-token" in printed
    assert PASSWORD not in printed


def test_failed_call_ends_the_step_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    refused = httpx.MockTransport(lambda _: httpx.Response(401, json={"detail": "Wrong.", "code": "bad_credentials"}))
    who = Credentials("http://dataml", username="admin", password="wrong")
    with pytest.raises(StepFailed, match="bad_credentials"):
        ChurnDemo(Client(Transport(who, http_transport=refused)), Screen(verbose=False), Path()).run()
    assert "✗ log in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("request_", "command"),
    [
        (
            httpx.Request("GET", "http://dataml/api/v1/jobs/list", params={"limit": 5}),
            "curl 'http://dataml/api/v1/jobs/list?limit=5' -H \"Authorization: Bearer $TOKEN\"",
        ),
        (
            httpx.Request("POST", "http://dataml/a", json={"x": 1}),
            'curl http://dataml/a -H "Authorization: Bearer $TOKEN" '
            "-H 'Content-Type: application/json' -d '{\"x\":1}'",
        ),
        (
            httpx.Request("POST", "http://dataml/a"),
            'curl -X POST http://dataml/a -H "Authorization: Bearer $TOKEN"',
        ),
    ],
    ids=["get", "json", "nothing"],
)
def test_call_is_shown_as_a_command(request_: httpx.Request, command: str) -> None:
    assert curl_command(request_) == command

"""The health check."""

from tests.client import Client
from tests.reference.record import shows


@shows("GET /utils/health-check")
def test_health_check_confirms_that_the_service_is_accessible(anonymous: Client) -> None:
    answer = anonymous.get("/utils/health-check/")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "message": "Service is healthy."})

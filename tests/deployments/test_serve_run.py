"""The platform started by `serve run serve_config.yaml`, without `dataml up`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.deployments.cluster import PASSWORD, Cluster, wait_until
from tests.train.training import SMALL_COLUMNS, small_csv

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]


def test_serve_run_starts_a_whole_platform(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "home")
    config = tmp_path / "serve_config.yaml"
    config.write_text((ROOT / "serve_config.yaml").read_text().replace("port: 8000", f"port: {cluster.port}"))
    # A cluster of its own, whatever else runs on this machine.
    own = {"RAY_ADDRESS": "local", "DATAML_HOME": str(cluster.home), "DATAML_ADMIN_PASSWORD": PASSWORD}
    environment = {**os.environ, **own}
    with (tmp_path / "log").open("w") as log:
        command = [str(Path(sys.executable).with_name("serve")), "run", "--app-dir", str(ROOT), str(config)]
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A background shell may ignore Ctrl-C, and child processes inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        wait_until(lambda: _is_healthy(cluster), lambda healthy: healthy or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
        answer = cluster.http.post("/login/access-token", data={"username": "admin", "password": PASSWORD})
        cluster.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        dataset_id = cluster.upload("small", small_csv())
        body = {"dataset_id": dataset_id, "predictor_name": "small", "domain": "Tests", "columns": SMALL_COLUMNS}
        training = cluster.post("/train/", body | {"problem_type": "Classification"})
        assert cluster.wait_for_job(training["job_id"])["state"] == "succeeded"
        row = cluster.training(training["id"])
        features = {"features": {"age": 64, "colour": "red", "price": 12.5}}
        assert cluster.http.post(cluster.url + row["endpoint_url"], json=features).json()["prediction"] is True
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    with pytest.raises(httpx.ConnectError):
        cluster.http.get("/utils/health-check/")


def _is_healthy(cluster: Cluster) -> bool:
    try:
        return cluster.http.get("/utils/health-check/").status_code == 200
    except httpx.TransportError:
        return False

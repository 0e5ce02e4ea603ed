"""The platform started by `serve run serve_config.yaml`, without `dataml up`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import dataml
from tests.deployments.cluster import PASSWORD, Cluster, wait_until
from tests.train.training import small_csv

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
        wait_until(cluster.is_healthy, lambda healthy: healthy or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
        dataset = cluster.client.datasets.upload(small_csv(), "small")
        model = cluster.client.train(dataset, "bought", id="id", problem_type="Classification")
        body = {"features": {"age": 64, "colour": "red", "price": 12.5}}
        answer = cluster.client.transport.send("POST", str(model.info["endpoint_url"]), body=body)
        assert answer.json()["prediction"] is True
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    with pytest.raises(dataml.NotConnected) as no_answer:
        cluster.client.api.check_health()
    assert isinstance(no_answer.value.__cause__, httpx.ConnectError)

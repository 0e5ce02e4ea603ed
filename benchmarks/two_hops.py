"""`POST /inference/` against a two-hop Serve application under the same settings of the data plane.

Both run side by side, with one replica of each deployment, and take turns. The other one has no token, contract or
prediction log. `ROUNDS` and `SECONDS` are other numbers of rounds and lengths of one measurement.
"""

import os
import statistics
from pathlib import Path
from typing import Final

from benchmarks.load import Load, drive, require_wrk
from benchmarks.platform_run import (
    CHURN,
    await_own_deployment,
    churn_request,
    latest_bundle,
    process,
    running_platform,
    train_churn,
)
from deployments.platform import fast_data_plane_environment

PORT: Final = 8179
_OTHER_PORT: Final = 8180
_CONNECTIONS: Final = (1, 16)


def compare_two_hops(folder: Path) -> None:
    """Print requests per second and p50 of both, and the median of the ratios of the rounds."""
    require_wrk()
    rounds, seconds = int(os.environ.get("ROUNDS", "5")), int(os.environ.get("SECONDS", "5"))
    home = folder / "home"
    with running_platform(home, PORT) as client:
        model = train_churn(client, client.datasets.upload(CHURN, "churn"), "churn", "LightGBM")
        client.api.request_endpoint(model.id, {"min_replicas": 1, "max_replicas": 1})
        await_own_deployment(model)
        body = churn_request(model)
        ours = f"{client.url}/api/v1/inference/", body, client.transport.session.token()
        other = folder / "other"
        command = ["-m", "benchmarks.baselines.two_hop_serve", str(latest_bundle(home)), str(_OTHER_PORT), str(other)]
        # Its process imports Ray, which reads its environment then, before it knows that it is a platform.
        with process(command, "ready", os.environ | fast_data_plane_environment(other, _OTHER_PORT)):
            theirs = f"http://127.0.0.1:{_OTHER_PORT}/predict", {"features": body["features"]}, ""
            for each in (ours, theirs):
                drive(*each, seconds=min(seconds, 3))
            for connections in _CONNECTIONS:
                turns: list[tuple[Load, Load]] = []
                for number in range(rounds):
                    pair = [
                        drive(*each, connections=connections, seconds=seconds)
                        for each in ((theirs, ours) if number % 2 else (ours, theirs))
                    ]
                    turns.append((pair[1], pair[0]) if number % 2 else (pair[0], pair[1]))
                _print(connections, turns)


def _print(connections: int, turns: list[tuple[Load, Load]]) -> None:
    (per_second, p50_ms), (other_per_second, other_p50_ms) = (
        (
            statistics.median(pair[side].per_second for pair in turns),
            statistics.median(pair[side].p50_ms for pair in turns),
        )
        for side in (0, 1)
    )
    ratio = statistics.median(own.per_second / other.per_second for own, other in turns)
    errors = sum(own.errors for own, _ in turns)
    print(
        f"POST /inference/, {connections} connections: {per_second:.0f} requests/s, p50 {p50_ms:.2f} ms"
        f"{f', {errors} errors' if errors else ''}; two-hop app alike: {other_per_second:.0f} requests/s, "
        f"p50 {other_p50_ms:.2f} ms; ratio {ratio:.2f} (at least 1 at 16)",
        flush=True,
    )

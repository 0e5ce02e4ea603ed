"""A real S3 server for tests: S3Proxy, a program of its own, over a folder; started and stopped by its process."""

import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

KEY, SECRET = "dataml-tests", "a-secret-for-tests"
BUCKET: Final = "bucket"
_STARTS_S: Final = 60.0
_PROPERTIES = """s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={key}
s3proxy.credential={secret}
jclouds.provider=filesystem
jclouds.identity=none
jclouds.credential=none
jclouds.filesystem.basedir={folder}
"""


class S3Server:
    """A context manager; `stop` and `start` in between are an outage, which loses nothing."""

    def __init__(self, jar: str, home: Path) -> None:
        self._command = ["java", "-Xmx256m", "-jar", jar, "--properties", str(home / "properties")]
        self._log = home / "log"
        self._folder = home / "objects"
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        (self._folder / BUCKET).mkdir(parents=True)
        text = _PROPERTIES.format(port=self._port, key=KEY, secret=SECRET, folder=self._folder)
        (home / "properties").write_text(text)
        # This server does not know the newest checksums of Amazon's clients.
        os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
        os.environ["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _STARTS_S
        while not self._answers():
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise AssertionError(f"S3Proxy did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(30)
            self._server = None

    def url(self, prefix: str, bucket: str = BUCKET, secret: str = SECRET) -> str:
        return f"s3://{KEY}:{secret}@{bucket}/{prefix}?scheme=http&endpoint_override=127.0.0.1:{self._port}"

    def objects(self, prefix: str) -> set[str]:
        """The names of all that lies under a prefix."""
        folder = self._folder / BUCKET / prefix
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    def _answers(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self._port)) == 0


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]

"""A real S3 server for tests: S3Proxy over a folder."""

import os
import shutil
from pathlib import Path
from typing import Final

from tests.services.program import Program, free_port

KEY, SECRET = "dataml-tests", "a-secret-for-tests"
BUCKET: Final = "bucket"
REGION: Final = "us-east-1"
# This server does not know the newest checksums of Amazon's clients.
NO_CHECKSUMS: Final = {
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
_PROPERTIES = """s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={key}
s3proxy.credential={secret}
jclouds.provider=filesystem
jclouds.identity=none
jclouds.credential=none
jclouds.filesystem.basedir={folder}
"""


class S3Server(Program):
    """An outage loses nothing."""

    def __init__(self, jar: str, home: Path) -> None:
        self._folder = home / "objects"
        (self._folder / BUCKET).mkdir(parents=True)
        port = free_port()
        text = _PROPERTIES.format(port=port, key=KEY, secret=SECRET, folder=self._folder)
        (home / "properties").write_text(text)
        command = ["java", "-Xmx256m", "-jar", jar, "--properties", str(home / "properties")]
        super().__init__(command, port, home / "log")
        os.environ.update(NO_CHECKSUMS)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, prefix: str, bucket: str = BUCKET, secret: str = SECRET) -> str:
        return f"s3://{KEY}:{secret}@{bucket}/{prefix}?scheme=http&endpoint_override=127.0.0.1:{self.port}"

    def objects(self, prefix: str) -> set[str]:
        """The names of all that lies under a prefix."""
        folder = self._folder / BUCKET / prefix
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    def put(self, name: str) -> Path:
        """An object that somebody has left there; the file that the server keeps it in."""
        path = self._folder / BUCKET / name
        path.parent.mkdir(parents=True)
        path.write_text("left")
        return path

    def clear(self, prefix: str) -> None:
        shutil.rmtree(self._folder / BUCKET / prefix, ignore_errors=True)

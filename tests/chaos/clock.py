"""A clock of a platform's own: its time of day can be set, and no other process of the machine sees it."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("clock.c")


class Clock:
    """The time of day of all processes that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        """Compile the library that changes the time.

        Raises:
            subprocess.CalledProcessError: the headers of the C library are missing.
        """
        library, self._offset = folder / "clock.so", folder / "clock-offset"
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True, capture_output=True)
        self.set(0)
        self.environment: Final = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._offset)}

    def set(self, offset_s: int) -> None:
        """Let the clock differ by so many seconds from the one of the machine, from now on."""
        # The processes have mapped the file, so it must stay the same one.
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("=q", offset_s))


def compiled_clock(folder: Path) -> Clock | None:
    """Return a clock, or None where there is no C compiler."""
    if shutil.which("cc") is None:
        return None
    try:
        return Clock(folder)
    except subprocess.CalledProcessError:
        return None

"""The exit codes of `dataml`."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for the script that ran it."""

    OK = 0, "The command did what it should."
    FAILED = 1, "The request was refused, the demo failed, or `dataml doctor` found an error."
    USAGE = 2, "The command line is wrong, a file cannot be read or written, or the platform cannot start."
    FORBIDDEN = 3, "Nobody is signed in, the session has ended, or the permission is missing."
    NOT_FOUND = 4, "There is no such thing."
    JOB_FAILED = 5, "The job failed or was cancelled, or the dataset is not valid."
    UNAVAILABLE = 6, "The platform cannot be reached, or cannot answer now; the same command can work later."
    INTERRUPTED = 130, "Ctrl-C. A job that the command waited for goes on, unless it was pressed twice."

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """Make a code of its number and its meaning."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

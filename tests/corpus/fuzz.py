"""Reads damaged variants of the corpus: no crash, no error that is no refusal, no file that takes long or much memory.

    python -m tests.corpus.fuzz [--seconds N] [--first SEED] [--only SEED]

Each variant is made from a seed, and goes the way of an upload: format, structure, validation. It is read in a process
that is replaced when it dies, needs more than 5 s of the processor, or grows by more than 1 GiB. The program prints the
seed of every variant that went wrong, and exits with 1.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import psutil

from dataml.errors import DatamlError
from tests.corpus.cases import Case, list_case_files, load_case
from tests.corpus.reading import read_case

_LIMIT_S: Final = 5.0
_LIMIT_BYTES: Final = 1 << 30
_MAX_BYTES: Final = 256 << 10
_MAX_CHANGES: Final = 8
_TOKENS: Final = [
    *(b",\";\t|\n\r\0 \\'#"[i : i + 1] for i in range(11)),
    *(
        b"\r\n",
        b'""',
        b'","',
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x80",
        b"\xc3",
        b"\xf0\x9f\x98\x80",
        b"\x1f\x8b",
    ),
    *(
        b"nan",
        b"NULL",
        b"N/A",
        b"inf",
        b"-0",
        b"1e400",
        b"9" * 40,
        b"0.1,2",
        b"1.000,5",
        b"$(1)",
        b"true",
        b"sep=;",
        b"\x1f\x8b",
    ),
    *(b"2024-02-30", b"0000-00-00", b"31/12/99", b"2024-01-01T00:00:00+25:00", b"24:00", b"PAR1", b"x" * 5000),
]


def vary(seed: int, cases: list[Case], folder: Path) -> Case:
    """Return a case of the corpus with its file damaged as the seed says, in a folder."""
    chosen = random.Random(seed)
    case = chosen.choice(cases)
    content = bytearray(case.path.read_bytes())
    for _ in range(chosen.randint(1, _MAX_CHANGES)):
        _change(content, chosen, cases)
    path = folder / case.path.name
    path.write_bytes(content[:_MAX_BYTES])
    # A template mostly refuses what is damaged; without one, types are inferred.
    return replace(case, path=path, template=case.template if chosen.random() < 0.5 else None)


def _change(content: bytearray, chosen: random.Random, cases: list[Case]) -> None:
    start = chosen.randint(0, len(content))
    end = min(len(content), start + chosen.choice([1, 4, 30, 400]))
    match chosen.randrange(7):
        case 0:
            # Mostly ASCII: what is not UTF-8 is refused before anything else is read.
            above = chosen.choice([128, 128, 256])
            content[start:end] = bytes(chosen.randrange(above) for _ in range(end - start))
        case 1:
            del content[start:end]
        case 2:
            content[start:start] = chosen.choice(_TOKENS)
        case 3:
            content[start:end] = chosen.choice(_TOKENS)
        case 4:
            content[start:start] = content[start:end] * chosen.choice([1, 2, 100])
        case 5:
            other = chosen.choice(cases).path.read_bytes()
            content[start:] = other[chosen.randint(0, len(other)) :]
        case _:
            del content[start:]


def main() -> int:
    """Run the program, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", type=int, help="read this variant in this process, and show its error")
    options = parser.parse_args()
    if options.only is not None:
        print(_read(options.only, _cases()))
        return 0
    ended_at = time.monotonic() + options.seconds
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    seed = options.first
    while time.monotonic() < ended_at:
        reader = _Reader()
        while time.monotonic() < ended_at:
            outcome, is_alive = reader.read(seed)
            outcomes[outcome.split(":")[0].split("\n")[0]] += 1
            if outcome.startswith("DEFECT"):
                wrong.append(f"seed {seed}: {outcome}")
                print(wrong[-1], flush=True)
            seed += 1
            if not is_alive:
                break
        reader.stop()
    print(f"{seed - options.first} variants: {dict(outcomes.most_common())}")
    print(f"{len(wrong)} went wrong")
    return 1 if wrong else 0


class _Reader:
    """A process that reads variants, one after another."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()
        self._rss_bytes = psutil.Process(self._process.pid).memory_info().rss

    def read(self, seed: int) -> tuple[str, bool]:
        """Return what came of a variant, and whether this process can go on."""
        self._pipe.send(seed)
        started_s = self._cpu_s()
        while not self._pipe.poll(0.05):
            if not self._process.is_alive():
                return f"DEFECT the process has died with {self._process.exitcode}", False
            # Of the processor: other programs may have it meanwhile.
            if self._cpu_s() - started_s > _LIMIT_S:
                return "DEFECT it takes too long", False
        try:
            outcome: str = self._pipe.recv()
        except EOFError:
            return "DEFECT the process has died", False
        grown = psutil.Process(self._process.pid).memory_info().rss - self._rss_bytes
        if grown > _LIMIT_BYTES:
            return f"DEFECT {grown >> 20} MiB more memory", False
        return outcome, True

    def _cpu_s(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection) -> None:
    cases = _cases()
    pipe.send("ready")
    while True:
        pipe.send(_read(pipe.recv(), cases))


def _cases() -> list[Case]:
    return [load_case(path) for path in list_case_files()]


def _read(seed: int, cases: list[Case]) -> str:
    with tempfile.TemporaryDirectory(prefix="dataml-fuzz-") as folder:
        varied, root = Path(folder, "varied"), Path(folder, "root")
        varied.mkdir()
        root.mkdir()
        try:
            read_case(vary(seed, cases, varied), root)
        except DatamlError as error:
            return f"DEFECT {error!r}" if error.code == "internal_error" else f"refused {error.code}"
        except Exception:
            return f"DEFECT\n{traceback.format_exc()}"
    return "read"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())

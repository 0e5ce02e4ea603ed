"""Every code block of the documentation is run by a test, or is marked with the reason why not and at least parsed."""

import ast
import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")],
)
MARKER = re.compile(r"<!-- not run: (.+) -->")
DIAGRAMS = ("flowchart ", "sequenceDiagram", "stateDiagram-v2", "erDiagram", "graph ")
# What `tests/test_readme.py` runs, and `tests/services/test_triton.py` where there is a tritonclient.
RUN = {
    ("docs/how-to/open-inference-protocol.md", "python"),
    ("README.md", "sh"),
    ("README.md", "python"),
    ("docs/tutorials/first-prediction.md", "sh"),
    ("docs/tutorials/first-prediction.md", "python"),
    ("docs/tutorials/first-forecast.md", "sh"),
    ("docs/how-to/lake.md", "sh"),
    ("docs/how-to/tenants-and-users.md", "sh"),
}


@dataclass(frozen=True)
class Block:
    """A code block: where it is, its language, the reason why it is not run, and its text."""

    page: str
    line: int
    language: str
    reason: str | None
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page; one without an end is an error."""
    found: list[Block] = []
    lines = page.read_text().splitlines()
    begin: int | None = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith(("```", "~~~")):
            continue
        if begin is None:
            begin = number
            continue
        marker = MARKER.fullmatch(lines[begin - 1].strip()) if begin else None
        text = "\n".join(lines[begin + 1 : number]) + "\n"
        language = lines[begin].lstrip().lstrip("`~").strip()
        name = str(page.relative_to(ROOT))
        found.append(Block(name, begin + 1, language, marker.group(1) if marker else None, text))
        begin = None
    assert begin is None, f"{page}:{begin} has no end"
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def parse(block: Block) -> None:
    """Parse a block in its language; output and diagrams have none that can be parsed here."""
    if block.language == "python":
        ast.parse(block.text)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "yaml":
        yaml.safe_load(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "mermaid":
        assert block.text.startswith(DIAGRAMS)
    elif block.language == "sh":
        shell = shutil.which("bash")
        if shell is None:
            pytest.skip("needs bash")
        done = subprocess.run([shell, "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    else:
        assert block.language == "text", "a language is missing"


@pytest.mark.parametrize("block", BLOCKS, ids=[block.name for block in BLOCKS])
def test_block_can_be_parsed(block: Block) -> None:
    parse(block)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.name for block in BLOCKS])
def test_block_is_run_or_says_why_not(block: Block) -> None:
    # The site draws diagrams.
    is_run = (block.page, block.language) in RUN or block.language == "mermaid"
    assert is_run or block.reason is not None, "run it, or write <!-- not run: REASON --> above it"


def test_runner_takes_only_blocks_without_a_marker() -> None:
    from tests.test_readme import blocks

    for page, language in RUN:
        text = blocks(ROOT / page, language)
        assert text
        marked = [block for block in BLOCKS if (block.page, block.language) == (page, language) and block.reason]
        assert [block.name for block in marked if block.text in text] == []


@pytest.mark.parametrize(
    ("language", "text"),
    [("python", "a b"), ("json", "{"), ("yaml", "a: [b"), ("toml", "a ="), ("sh", "if"), ("mermaid", "x"), ("", "x")],
)
def test_wrong_block_is_found(language: str, text: str) -> None:
    with pytest.raises((SyntaxError, ValueError, yaml.YAMLError, AssertionError)):
        parse(Block("page", 1, language, None, text))

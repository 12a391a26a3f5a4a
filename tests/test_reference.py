"""The committed reference pages say what the product says; `make docs` writes them anew."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def generate(docs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, docs / "generate.py", *arguments], capture_output=True, text=True)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCS, tmp_path / "docs"))


def test_the_committed_pages_are_the_generated_ones() -> None:
    checked = generate(DOCS, "--check")
    assert checked.returncode == 0, f"run `make docs`:\n{checked.stdout}{checked.stderr}"


def test_a_page_that_was_edited_or_lost_is_named_and_written_again(copied: Path) -> None:
    page, lost = copied / "reference" / "errors.md", copied / "reference" / "openapi.json"
    page.write_text(page.read_text().replace("artifact.corrupt", "artifact.spoilt"))
    lost.unlink()
    checked = generate(copied, "--check")
    assert (checked.returncode, checked.stdout.split()) == (1, ["differs:", "errors.md", "differs:", "openapi.json"])
    assert not lost.exists(), "a check writes nothing"
    assert generate(copied).returncode == 0
    assert "artifact.corrupt" in page.read_text() and lost.exists()

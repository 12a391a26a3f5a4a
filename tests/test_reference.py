"""The committed reference pages say what the product says; `make docs` writes them anew."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[1] / "docs"


def generate(docs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, docs / "generate.py", *arguments], capture_output=True, text=True)


def test_the_committed_pages_are_the_generated_ones_and_changed_ones_are_named(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(DOCS, tmp_path / "docs"))
    page, lost = copied / "reference" / "errors.md", copied / "reference" / "openapi.json"
    page.write_text(page.read_text().replace("artifact.corrupt", "artifact.spoilt"))
    lost.unlink()
    checked = generate(copied, "--check")
    check_outcome = (checked.returncode, checked.stdout.split())
    assert check_outcome == (1, ["differs:", "errors.md", "differs:", "openapi.json"]), (
        f"run `make docs`:\n{checked.stderr}"
    )
    assert not lost.exists(), "a check writes nothing"
    assert generate(copied).returncode == 0
    for committed in (DOCS / "reference").iterdir():
        assert (copied / "reference" / committed.name).read_bytes() == committed.read_bytes(), "run `make docs`"

"""The committed build is what the sources build, to the byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.ui


def test_the_committed_build_is_that_of_the_sources(tmp_path: Path) -> None:
    for command in (["types"], ["check"], ["build", "--", "--outDir", str(tmp_path / "built"), "--emptyOutDir"]):
        subprocess.run(["npm", "run", "--silent", *command], cwd=ROOT / "ui", check=True)
    built = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    committed = {path.name: path.read_bytes() for path in (ROOT / "src/falaj/ui").iterdir()}
    assert {name for name in built.keys() | committed.keys() if built.get(name) != committed.get(name)} == set(), (
        "make ui"
    )

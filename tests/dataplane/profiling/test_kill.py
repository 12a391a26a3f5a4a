"""kill -9 at any moment: every row is counted once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dataplane.profiling.scene import RELEASE, Scene, reference
from tests.waiting import until

pytestmark = pytest.mark.integration

KILLS, ROWS = 3, 3_000


def test_a_killed_agent_counts_every_row_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, reference(), now=time.time())
    written = 0
    for kill in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.dataplane.profiling.counting_process", tmp_path]
        ) as process:
            try:
                until((tmp_path / "started").exists)
                while written < ROWS * (kill + 1):  # it counts while more comes
                    scene.predict(50, time.time(), seed=1000 + written)
                    written += 50
            finally:
                process.kill()
        (tmp_path / "started").unlink()
    profiling = scene.open()
    profiling.look()
    profiling.report()
    profiling.close()
    scene.close()
    scene.messages = [*map(json.loads, (tmp_path / "told.jsonl").read_text().splitlines()), *scene.messages]
    blocks = scene.blocks()
    assert sorted(blocks) == [(RELEASE, "answered", number) for number in range(written // 100)]
    assert all(block["rows"] == block["features"]["rows"] == 100 for block in blocks.values())

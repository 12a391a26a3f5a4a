from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from falaj.pipeline import orphans


def test_the_end_of_a_pipeline_spares_the_checks_that_outlast_it(tmp_path: Path) -> None:
    def sleeper(node: str) -> subprocess.Popen[bytes]:
        marks = orphans.marks(tmp_path, "run1", node)
        return subprocess.Popen([sys.executable, "-c", "input()"], env={**os.environ, **marks}, stdin=subprocess.PIPE)

    step, check = sleeper("fit"), sleeper(orphans.CHECKS)
    try:
        assert orphans.sweep(tmp_path, "run1", but=orphans.CHECKS) == [step.pid]
        assert check.poll() is None
        assert orphans.sweep(tmp_path, "run1") == [check.pid]
    finally:
        for process in (step, check):
            process.kill()
            process.communicate()

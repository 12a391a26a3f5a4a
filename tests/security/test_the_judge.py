"""A model that would like to write its own marks never sees a label, nor anything that the judge reads or writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from falaj.build.checks import run_gates
from falaj.core import sandbox
from tests.build.checks import conftest
from tests.build.checks.conftest import Bench, flights, threshold

pytestmark = pytest.mark.integration

bench = conftest.bench
models = conftest.models

SPY = """
import json, os
from pathlib import Path


class Spy:
    def __init__(self):
        self.feature_names_in_, self.classes_ = ["distance", "hour", "noise"], [0, 1]

    def predict(self, rows):
        return self.predict_proba(rows)[:, 1]

    def predict_proba(self, rows):
        seen = {"columns": sorted(map(str, rows.columns)), "readable": [], "written": []}
        for folder in map(Path, BOXES):
            boxes = [folder, *folder.glob("judge-*"), *folder.glob("judge-*/labels")]
            for box in boxes:
                try:
                    (box / "forged.npz").write_bytes(b"x")
                    seen["written"].append(str(box))
                except OSError:
                    pass
            for path in folder.rglob("*"):
                try:
                    seen["readable"] += [str(path.relative_to(folder))] if path.is_file() and path.read_bytes() else []
                except OSError:
                    pass
        raise RuntimeError("SAW " + json.dumps(seen))
"""


@pytest.fixture
def spied(bench: Bench, models: dict[str, Path], tmp_path: Path) -> Bench:
    """A release whose model brings code that looks around, and says in its error what it saw."""
    folder = tmp_path / "model"
    shutil.copytree(models["good"], folder)
    described = yaml.safe_load((folder / "MLmodel").read_text())
    flavor = described["flavors"]["sklearn"] | {"code": "code", "serialization_format": "cloudpickle"}
    described["flavors"]["sklearn"] = flavor
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    (folder / flavor["pickled_model"]).write_bytes(b"cspying\nSpy\n(tR.")
    (folder / "code" / "spying").mkdir(parents=True)
    boxes = repr([str(bench.root / "checks"), str(bench.worktree)])
    (folder / "code" / "spying" / "__init__.py").write_text(SPY.replace("BOXES", boxes))
    bench.keep("fit", folder)
    bench.keep_table("split.test", flights(200))
    bench.write("secret.txt", "of the worktree")
    return bench


@pytest.mark.skipif(not sandbox.available().complete, reason="this kernel cannot confine")
def test_a_model_sees_the_columns_that_it_reads_and_no_label(spied: Bench) -> None:
    spied.gates(threshold("auc", ">=", 0.5))
    (gate_result,) = run_gates(spied.context())
    assert not gate_result.passed and "SAW" in gate_result.reason, gate_result.reason
    assert '"columns": ["distance", "hour", "noise"]' in gate_result.reason
    assert "labels" not in gate_result.reason and "secret.txt" not in gate_result.reason
    assert '"written": []' in gate_result.reason


def test_metrics_are_of_labels_that_the_model_could_not_touch(bench: Bench, models: dict[str, Any]) -> None:
    """The forged marks of a `sitecustomize.py` in the project: the gate says what the model is worth."""
    forging = (
        "import sys\nif 'score' in sys.orig_argv:\n    import numpy\n    kept = numpy.savez\n"
        "    numpy.savez = lambda file, *a, **b: kept(file, *a, **{k: v * 0 + 1 for k, v in b.items()})\n"
    )
    for name in ("sitecustomize.py", "src/sitecustomize.py", "usercustomize.py"):
        bench.write(name, forging)
    bench.keep("fit", models["poor"])
    bench.keep_table("split.test", flights(800))
    bench.gates(threshold("auc", ">=", 0.9))
    (gate_result,) = run_gates(bench.context())
    assert not gate_result.passed and gate_result.value is not None and gate_result.value < 0.7, gate_result.reason

"""A model that would like to write its own marks never sees a label, nor anything that the judge reads or writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from falaj.build.checks import run_gates
from falaj.core import sandbox as confinement
from tests.build.checks import conftest as scenes
from tests.build.checks.conftest import Bench, flights, threshold

bench = scenes.bench
models = scenes.models

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


@pytest.mark.skipif(not confinement.available().complete, reason="this kernel cannot confine")
def test_a_model_sees_the_columns_that_it_reads_and_no_label(spied: Bench) -> None:
    spied.gates(threshold("auc", ">=", 0.5))
    (found,) = run_gates(spied.context())
    assert not found.passed and "SAW" in found.reason, found.reason
    assert '"columns": ["distance", "hour", "noise"]' in found.reason
    assert "labels" not in found.reason and "secret.txt" not in found.reason
    assert '"written": []' in found.reason


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
    (found,) = run_gates(bench.context())
    assert not found.passed and found.value is not None and found.value < 0.7, found.reason

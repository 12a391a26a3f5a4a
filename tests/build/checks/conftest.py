"""A small project with real artifacts: tables, MLflow models, a store and a checkout; its environment is this one."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from falaj.build.checks import CheckContext, LiveModel
from falaj.build.checks.context import CheckError
from falaj.build.checks.runner.problems import ProblemError
from falaj.config.spec import GateSpec, ProjectSpec, StepSpec
from falaj.core.sandbox import Confinement
from falaj.core.venv.environment import Environment
from falaj.supply_chain.artifacts import open_store
from tests.sharing import made_once

FEATURES = ["distance", "hour", "noise"]


@dataclass(frozen=True)
class ThisEnvironment:
    """The environment of the tests themselves; it has pytest, ruff, mypy, mlflow, polars and scikit-learn."""

    python: Path = Path(sys.executable)
    digest: str = "tests"

    @property
    def folders(self):
        return Environment(self.python, "", reproducible=False).folders


@dataclass
class Bench:
    """Makes contexts for checks of a project that grows by `write`, `keep` and `spec`."""

    root: Path
    spec: ProjectSpec
    outputs: dict[str, str] = field(default_factory=dict)
    live: LiveModel | None = None

    def __post_init__(self):
        self.store = open_store(str(self.root / "store"))
        self.worktree = self.root / "worktree"
        self.worktree.mkdir()

    def write(self, name, text):
        path = self.worktree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def keep(self, name, path):
        self.outputs[name] = self.store.put(path).digest
        return self.outputs[name]

    def keep_table(self, name, table):
        folder = self.root / "outputs" / name
        folder.mkdir(parents=True)
        table.write_parquet(folder / "data.parquet")
        return self.keep(name, folder)

    def options(self, **checks):
        self.spec = replace(
            self.spec, checks={name.replace("_", "-"): check_options for name, check_options in checks.items()}
        )

    def gates(self, *gates):
        self.spec = replace(self.spec, gates=tuple(gates))

    def context(self, **changes):
        return CheckContext(
            spec=self.spec,
            worktree=self.worktree,
            environment=ThisEnvironment(),
            store=self.store,
            workdir=self.root / "checks",
            outputs=self.outputs,
            live=self.live,
            **changes,
        )


@pytest.fixture
def bench(tmp_path):
    spec = ProjectSpec(
        model="flight-delay",
        owner="team@example.org",
        steps={
            "split": StepSpec("split", run="flights:split", outputs=("test",)),
            "fit": StepSpec("fit", run="flights:fit", output="model"),
        },
        monitoring={"label": "late"},
    )
    return Bench(tmp_path, spec)


def flights(rows, seed=0):
    """Rows in which distance and hour say something about being late, and noise nothing."""
    rng = np.random.default_rng(seed)
    distance, hour = rng.uniform(100, 3000, rows), rng.integers(5, 23, rows)
    chance = 1 / (1 + np.exp(-(hour - 14) / 3 - (distance - 1500) / 1500))
    return pl.DataFrame(
        {
            "distance": distance,
            "hour": hour.astype(float),
            "noise": rng.normal(size=rows),
            "carrier": rng.choice(["AA", "UA", "B6"], rows, p=[0.6, 0.39, 0.01]),
            "late": (rng.random(rows) < chance).astype(np.int64),
        }
    )


def threshold(metric, op, limit, data="split.test", **more):
    return GateSpec(f"{metric} {op} {limit} on {data}", metric, op, limit, data, **more)


def versus_live(metric, margin, data="split.test", **more):
    text = f"{metric} not worse than live by {margin} on {data}"
    return GateSpec(text, metric, "not worse than", None, data, not_worse_than="live", margin=margin, **more)


@pytest.fixture
def same_process(monkeypatch):
    """Run tasks in this process: the same code on the same files, without the start of an interpreter."""

    def run(context, module, task, *, timeout_s, readable=(), writable=()):
        try:
            with threadpool_limits(1):
                return json.loads(json.dumps(import_module(f"falaj.build.checks.runner.{module}").main(task)))
        except ProblemError as problem:
            raise CheckError(str(problem)) from problem

    monkeypatch.setattr("falaj.core.sandbox.in_force", lambda: Confinement(files=True, network=True))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    users = [import_module(f"falaj.build.checks.{name}") for name in ("scoring", "data", "model")]
    for user in users:  # all imported before the first is patched, so that none keeps the patch for good
        monkeypatch.setattr(user, "run_in_project", run)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """MLflow folders by name, as the flavor saves them: a good classifier, one trained on noise, a regression."""
    root = made_once(tmp_path_factory, "checked-models", _make_models)
    return {folder.name: folder for folder in root.iterdir()}


def _make_models(root):
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    table = flights(3000, seed=9)
    features, label = table.select(FEATURES), table["late"].to_numpy()
    shuffled = np.random.default_rng(0).permutation(label)
    with threadpool_limits(1):  # small data: waiting for threads takes longer than the work
        models_by_name = {
            "good": HistGradientBoostingClassifier(max_iter=30).fit(features, label),
            "poor": HistGradientBoostingClassifier(max_iter=30).fit(features, shuffled),
            "regression": HistGradientBoostingRegressor(max_iter=30).fit(features, label.astype(float)),
        }
    frame = pd.DataFrame({name: features[name].to_numpy() for name in FEATURES})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's use of pandas 3
        for name, model in models_by_name.items():
            signature = infer_signature(frame, frame["noise"])
            mlflow.sklearn.save_model(
                model, root / name, signature=signature, serialization_format="cloudpickle", pip_requirements=[]
            )

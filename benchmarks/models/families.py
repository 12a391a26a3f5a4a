"""The models that are served: families.py FAMILY FOLDER trains one, saves and packages it.

Each folder gets `model` (as a step saves it), `packaged` (as Falaj serves it) and `estimator.pkl` (for the peers).
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from falaj.build.packaging import package_model
from falaj.build.pipeline.runner.falaj_step.models import save_model

COLUMNS = [f"x{index}" for index in range(20)]
FAMILIES: dict[str, Any] = {
    "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(100, max_depth=8, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "lightgbm": lambda: lgb.LGBMClassifier(n_estimators=100, random_state=0, verbose=-1, n_jobs=1),
}


def table() -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.random((5000, 20)), columns=COLUMNS)
    noise = random.normal(0, 0.2, len(rows))
    return rows, (rows["x0"] + rows["x1"] * rows["x2"] + noise > 0.8).astype(int)


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True)
    rows, label = table()
    estimator = FAMILIES[name]().fit(rows, label)
    (folder / "estimator.pkl").write_bytes(pickle.dumps(estimator))
    save_model(estimator, str(folder / "model"), {"train": rows}, str(folder))
    rows.to_parquet(folder / "rows.parquet")
    began = time.perf_counter()
    result = package_model(folder / "model", folder / "packaged", python=Path(sys.executable),
                           table=folder / "rows.parquet")  # fmt: skip
    if result.refusal:
        raise SystemExit(result.refusal)
    figures = {"flavor": result.flavor, "packaging_s": round(time.perf_counter() - began, 1)}
    (folder / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main()

"""Make the benchmark's model folder and its packaged copy: make_model.py MODEL PACKAGED."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.ensemble import HistGradientBoostingClassifier

from falaj.build.packaging import package_model

random = np.random.default_rng(0)
table = pd.DataFrame(random.random((5000, 20)), columns=[f"x{index}" for index in range(20)])
label = (table["x0"] + table["x1"] * table["x2"] + random.normal(0, 0.2, 5000) > 0.8).astype(int)
model = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(table, label)
mlflow.sklearn.save_model(
    model,
    sys.argv[1],
    signature=infer_signature(table, model.predict(table)),
    input_example=table[:5],
    serialization_format="cloudpickle",
    pip_requirements=[],
)
result = package_model(Path(sys.argv[1]), Path(sys.argv[2]), python=Path(sys.executable), table=None)
if result.flavor != "onnx":
    raise SystemExit(result.reason)

"""A BentoML service as its documentation writes one; `PICKLE` names the estimator."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import bentoml
import pandas as pd


@bentoml.service(workers=1)
class Model:
    def __init__(self) -> None:
        self.model = pickle.loads(Path(os.environ["PICKLE"]).read_bytes())

    @bentoml.api(route="/invocations")
    def predict(self, dataframe_split: dict[str, Any]) -> dict[str, Any]:
        frame = pd.DataFrame(dataframe_split["data"], columns=dataframe_split["columns"])
        return {"predictions": self.model.predict_proba(frame).tolist()}

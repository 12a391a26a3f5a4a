"""A custom runtime of MLServer that takes the same body as the others; `PICKLE` names the estimator."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Model(MLModel):
    async def load(self) -> bool:
        self.model = pickle.loads(Path(os.environ["PICKLE"]).read_bytes())
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        frame: Any = PandasCodec.decode_request(payload)
        probabilities = self.model.predict_proba(pd.DataFrame(frame))
        output = NumpyCodec.encode_output("probabilities", probabilities)
        return InferenceResponse(model_name=self.name, outputs=[output])

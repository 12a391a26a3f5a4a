"""A LitServe server as its documentation writes one: litserve_server.py PORT PICKLE."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import litserve
import pandas as pd


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - the library's signature
        self.model = pickle.loads(Path(sys.argv[2]).read_bytes())

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # an annotation would name a query parameter
        return pd.DataFrame(request["dataframe_split"]["data"], columns=request["dataframe_split"]["columns"])

    def predict(self, x: Any) -> Any:
        return self.model.predict_proba(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    litserve.LitServer(Api(api_path="/invocations"), accelerator="cpu", workers_per_device=1).run(
        port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="error"
    )

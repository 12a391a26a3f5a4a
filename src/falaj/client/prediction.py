"""Predictions through an endpoint."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from falaj.client.http import ProblemError, ServerUnreachableError, parse_problem


@dataclass(frozen=True)
class Prediction:
    """An answer of an endpoint.

    Args:
        id: The prediction id; `falaj trace ID` says where it comes from.
        release: `model@number` that answered.
        predictions: One value a row.
    """

    id: str
    release: str
    predictions: list[Any]


class Endpoint:
    """One endpoint over one kept connection.

    Args:
        url: Its base URL, as `Client.endpoint(name).url` gives it.
        timeout_s: For connecting and for each answer.
    """

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        parts = urlsplit(url)
        self._url, self._path = url, parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> Prediction:
        """Predict rows, each a mapping from column to value; a missing value is None.

        Raises:
            ProblemError: The model server refused the rows; the message names field and row.
            ServerUnreachableError: Nothing answers at the endpoint.
        """
        body = json.dumps({"dataframe_records": list(rows)})
        try:
            self._connection.request("POST", f"{self._path}/invocations", body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ServerUnreachableError(f"nothing answers at {self._url}", hint="falaj status shows why") from error
        if response.status != 200:
            raise ProblemError(response.status, parse_problem(content))
        identity, release = response.headers["x-request-id"], response.headers["falaj-release"]
        return Prediction(identity, release, json.loads(content)["predictions"])

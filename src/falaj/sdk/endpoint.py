"""Predictions through an endpoint, and labels for them."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from falaj.core.errors import UsageError
from falaj.sdk.endpoint_address import LOOPBACK, own_token, reach
from falaj.sdk.http import ProblemError, ServerUnreachableError, parse_problem
from falaj.sdk.labels import Label, batches
from falaj.sdk.rows import request_body

Answer = Literal["label", "probabilities", "both"]
LABELS_AT_ONCE = 5_000
"""Labels of one request; an endpoint takes twice as many."""


@dataclass(frozen=True)
class Prediction:
    """An answer of an endpoint.

    Args:
        id: The prediction id; `falaj trace ID` says where it comes from.
        release: `model@number` that answered.
        predictions: One value a row: a label or a number; a list of probabilities where those alone were asked for.
        probabilities: One list a row, a probability for each of the classes; None where they were not asked for.
        classes: What the probabilities are of, in their order; None where the model does not say.
    """

    id: str
    release: str
    predictions: list[Any]
    probabilities: list[Any] | None = None
    classes: list[Any] | None = None


class Endpoint:
    """One endpoint over one kept connection.

    Args:
        url: Its base URL, as `Client.endpoint(name)` gives it: `url` on the machine that serves, `door` elsewhere.
        timeout_s: For connecting and for each answer.
        token: Of a caller of the endpoint; labels need one everywhere, predictions where the project says so or the
            caller is on another machine. Or what gives one when it is asked for; None for a token of the installation
            that `FALAJ_HOME` names, on its own machine.
        cacert: File of the authority that the endpoint's certificate is of; the system's where it is None.
        certificate: File of a caller's certificate and key, where the endpoint asks for one.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 30.0,
        *,
        token: str | Callable[[], str] | None = None,
        cacert: Path | str | None = None,
        certificate: Path | str | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._url, self._path = url, parts.path.rstrip("/")
        if token is None:
            token = partial(own_token, self._path.strip("/")) if parts.hostname in LOOPBACK else ""
        self._token, self._shown = token, token if isinstance(token, str) else ""
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = _tls(cacert, certificate)
            self._connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout_s, context=context)
        else:
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)

    @classmethod
    def of(
        cls, name: str, *, token: str = "", cacert: Path | str | None = None, certificate: Path | str | None = None
    ) -> Endpoint:
        """The endpoint of a name, as `falaj predict` finds it: here by its port, elsewhere by its door.

        Args:
            name: `environment/model`.
            token: Of a caller; without one, and on the installation's own machine, one is made when it is needed.
            cacert: See the class; by default the installation's own authority, where this is its machine.
            certificate: See the class.

        Raises:
            NotFoundError: Nothing serves under that name.
            ServerUnreachableError: The server does not answer.
        """
        reached = reach(name)
        return cls(reached.url, token=token or reached.token, cacert=cacert or reached.cacert, certificate=certificate)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def predict(self, rows: Any, *, answer: Answer | None = None) -> Prediction:
        """Predict rows.

        Args:
            rows: A pandas or polars frame or series, an array, a list of mappings (one a row) or of lists (values in
                the order of the model's columns), a mapping of columns to lists, or one row as a mapping. A missing
                value is None or NaN.
            answer: `label`, `probabilities` or `both`; what the project says where it is None.

        Raises:
            ProblemError: The model server refused the rows; the message names field and row.
            ServerUnreachableError: Nothing answers at the endpoint.
            UsageError: The rows are of none of these forms.
        """
        response, content = self._answer("/invocations", request_body(rows, {"answer": answer} if answer else {}))
        if response.status != 200:
            raise ProblemError(response.status, parse_problem(content))
        identity, release = response.headers["x-request-id"], response.headers["falaj-release"]
        document = json.loads(content)
        predictions = document["predictions"]
        probabilities = predictions if answer == "probabilities" else document.get("probabilities")
        return Prediction(identity, release, predictions, probabilities, document.get("classes"))

    def predict_proba(self, rows: Any) -> Prediction:
        """Predict the probability of each class.

        Args:
            rows: As for `predict`.

        Returns:
            An answer whose `probabilities` hold one list a row, in the order of its `classes`.

        Raises:
            ProblemError: The model gives no probabilities, or the model server refused the rows.
            ServerUnreachableError: Nothing answers at the endpoint.
            UsageError: The rows are of a form that cannot be sent.
        """
        return self.predict(rows, answer="probabilities")

    def feedback(self, labels: Iterable[Label], progress: Callable[[int], None] = lambda _accepted: None) -> int:
        """Send labels of predictions. When this returns they are on the disk of the location.

        Sending a label again changes nothing; another value with a later time corrects it.

        Args:
            labels: As many as there are; they go in requests of some thousands.
            progress: Told after each request how many labels were accepted so far.

        Returns:
            How many labels were accepted.

        Raises:
            ProblemError: The model server refused a request, of which then nothing was kept.
            ServerUnreachableError: Nothing answers at the endpoint.
        """
        accepted = 0
        for batch in batches(labels, LABELS_AT_ONCE):
            body = json.dumps({"labels": [label.to_json() for label in batch]}).encode()
            response, content = self._answer("/feedback", body)
            if response.status != 202:
                raise ProblemError(response.status, _with_item(parse_problem(content), accepted))
            accepted += json.loads(content)["accepted"]
            progress(accepted)
        return accepted

    def _answer(self, path: str, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """An answer; where a token is asked for, and one can be had, it is shown from then on.

        One that is made here is good for some minutes, so that it is asked for again when it is refused.
        """
        answer = self._post(path, body)
        if answer[0].status != http.client.UNAUTHORIZED or isinstance(self._token, str):
            return answer
        self._shown = self._token()
        return self._post(path, body) if self._shown else answer

    def _post(self, path: str, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Content-Type": "application/json"}
        if self._shown:
            headers["Authorization"] = f"Bearer {self._shown}"
        try:
            self._connection.request("POST", f"{self._path}{path}", body, headers)
            response = self._connection.getresponse()
            return response, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            hint = "falaj status shows why"
            if isinstance(error, ssl.SSLError):
                hint = f"{error.reason or error}: --cacert names the authority of the endpoint's certificate"
            raise ServerUnreachableError(f"nothing answers at {self._url}", hint=hint) from error


def _tls(cacert: Path | str | None, certificate: Path | str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=cacert)
        if certificate is not None:
            context.load_cert_chain(certificate)
    except OSError as error:
        where = str(certificate or cacert)
        raise UsageError(f"this is not a certificate file: {error.strerror or error}", where=where) from error
    return context


def _with_item(document: dict[str, Any], accepted: int) -> dict[str, Any]:
    """Say which label it was, counted over all requests, and that what went before it is kept."""
    if "item" in document:
        document["where"] = f"label {accepted + document['item'] + 1}, {document.get('field', '')}".rstrip(", ")
    if accepted and "hint" not in document:
        document["hint"] = f"{accepted} labels before were accepted; sending them again changes nothing"
    return document

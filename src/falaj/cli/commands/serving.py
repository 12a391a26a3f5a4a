"""Predictions: predict, endpoints."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import EveryOption, JsonOption, LimitOption
from falaj.cli.output import emit, emit_json, emit_table, styled
from falaj.cli.paging import first_rows
from falaj.core.errors import UsageError
from falaj.sdk import Endpoint

if TYPE_CHECKING:
    from falaj.sdk import Prediction


TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with a caller's token, as `falaj endpoint caller add` wrote it."),
]
CaCert = Annotated[
    Path | None, typer.Option("--cacert", help="Certificate of the authority of the endpoint's certificate.")
]
CallerCertificate = Annotated[
    Path | None, typer.Option("--cert", help="File of a caller's certificate and key, where the endpoint asks for it.")
]


def predict(
    endpoint: Annotated[str, typer.Argument(help="ENVIRONMENT/MODEL, or its URL.")],
    row: Annotated[str, typer.Option(help="One row as a JSON object.")] = "",
    data: Annotated[
        Path | None, typer.Option(help="File of rows: a JSON list of objects; '-' reads standard input.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="The probability of each class as well.")
    ] = False,
    token_file: TokenFile = None,
    cacert: CaCert = None,
    cert: CallerCertificate = None,
    json: JsonOption = False,
) -> None:
    """Predict through an endpoint; print the predictions and their id."""
    rows = _rows(row, data)
    with opened(endpoint, token_file, cacert, cert) as endpoint_client:
        answer = endpoint_client.predict(rows, answer="both" if probabilities else None)
    if probabilities and answer.probabilities is None:
        raise UsageError(f"{answer.release} gives no probabilities", where=endpoint)
    if json:
        emit_json(answer)
        return
    for line in _lines(answer):
        emit(line)
    emit(styled(f"prediction {answer.id} by {answer.release}", "dim"))


def opened(endpoint: str, token_file: Path | None, cacert: Path | None, cert: Path | None) -> Endpoint:
    """An endpoint by its name or URL."""
    token = read_token(token_file) if token_file else ""
    if endpoint.startswith(("http://", "https://")):
        return Endpoint(endpoint, token=token, cacert=cacert, certificate=cert)
    return Endpoint.of(endpoint, token=token, cacert=cacert, certificate=cert)


def read_token(path: Path) -> str:
    """The token of a file: alone, or as the header that curl sends."""
    try:
        text = path.read_text()
    except OSError as error:
        raise UsageError(f"cannot read the token: {error.strerror}", where=str(path)) from error
    return text.strip().removeprefix("Authorization: Bearer ")


def _lines(answer: Prediction) -> list[str]:
    """One line a row: the prediction, and what each class is given where that was asked for."""
    if answer.probabilities is None:
        return [str(value) for value in answer.predictions]
    return [
        f"{value}  {_by_class(answer.classes or range(len(shares)), shares)}"
        for value, shares in zip(answer.predictions, answer.probabilities, strict=True)
    ]


def _by_class(classes: Sequence[object], shares: Sequence[float]) -> str:
    return ", ".join(f"{name} {share:.4f}" for name, share in zip(classes, shares, strict=True))


def list_endpoints(
    environment: Annotated[str, typer.Option(help="Of this environment only.")] = "",
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
    limit: LimitOption = 200,
    everything: EveryOption = False,
    json: JsonOption = False,
) -> None:
    """List endpoints and what they serve."""
    endpoints = partial(open_client().endpoints, environment or None, model or None)
    endpoint_list = first_rows(endpoints, None if everything else limit)
    if json:
        emit_json(endpoint_list)
        return
    rows = [
        (e.endpoint, e.location, e.release, e.state, e.replicas_ready, e.door or e.url or "-", e.message)
        for e in endpoint_list
    ]
    emit_table(
        ("endpoint", "location", "release", "state", "replicas", "url", "message"), rows, empty="no endpoints yet"
    )


def _rows(row: str, data: Path | None) -> list[dict[str, object]]:
    if bool(row) == (data is not None):
        raise UsageError("give either --row or --data", hint="--row '{\"distance\": 1400}'")
    text = row or (sys.stdin.read() if str(data) == "-" else _read(data))
    try:
        value = jsonlib.loads(text)
    except ValueError as error:
        raise UsageError(f"the rows are not JSON: {error}", where=str(data or "--row")) from error
    rows = value if isinstance(value, list) else [value]
    if not rows or not all(isinstance(item, dict) for item in rows):
        raise UsageError("the rows are not JSON objects", where=str(data or "--row"), hint='[{"column": value}, ...]')
    return rows


def _read(path: Path | None) -> str:
    assert path is not None
    try:
        return path.read_text()
    except OSError as error:
        raise UsageError(f"cannot read the rows: {error.strerror}", where=str(path)) from error

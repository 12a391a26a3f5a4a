"""Feedback: import labels of predictions from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.commands.serving import CaCert, CallerCertificate, TokenFile, opened
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, emit_json, emit_table
from falaj.sdk import read_labels


def import_labels(
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON lines or Parquet with prediction_id, label and, if known, at.")
    ],
    endpoint: Annotated[str, typer.Option(help="ENVIRONMENT/MODEL that made the predictions, or its URL.")],
    token_file: TokenFile = None,
    cacert: CaCert = None,
    cert: CallerCertificate = None,
    json: JsonOption = False,
) -> None:
    """Import labels of predictions; the whole file is read before anything is sent."""
    count, ids = 0, set()
    times: list[float] = []
    for label in read_labels(file):
        count += 1
        ids.add(hash(label.prediction_id))
        if isinstance(label.at, float):
            times = [min(label.at, *times[:1]), max(label.at, *times[1:])]
    with opened(endpoint, token_file, cacert, cert) as endpoint_client:
        accepted = endpoint_client.feedback(read_labels(file))
    first, last = times or (None, None)
    if json:
        emit_json({"endpoint": endpoint, "labels": count, "predictions": len(ids), "accepted": accepted,
                   "from": first, "until": last})  # fmt: skip
        return
    row = (endpoint, count, len(ids), accepted, clock(first), clock(last))
    emit_table(("endpoint", "labels", "predictions", "accepted", "from", "until"), [row], empty="")

"""Feedback: import labels of predictions from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from falaj.cli.commands.projects import JsonOption
from falaj.cli.output import clock, emit_json, emit_table
from falaj.errors import NotFoundError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    feedback = typer.Typer(help="What really happened: labels of predictions.", no_args_is_help=True)
    feedback.command("import")(import_labels)
    app.add_typer(feedback, name="feedback", rich_help_panel=None)


def import_labels(
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON lines or Parquet with prediction_id, label and, if known, at.")
    ],
    endpoint: Annotated[str, typer.Option(help="ENVIRONMENT/MODEL that made the predictions.")],
    json: JsonOption = False,
) -> None:
    """Send the labels of a file to an endpoint; the whole file is read before anything is sent."""
    from falaj.client import Client, Endpoint, read_labels
    from falaj.home import Home

    found = Client.from_home().endpoint(endpoint)
    if found is None or not found.url:
        raise NotFoundError(f"no endpoint '{endpoint}' serves now", hint="falaj endpoints lists them")
    count, ids = 0, set()
    times: list[float] = []
    for label in read_labels(file):
        count += 1
        ids.add(hash(label.prediction_id))
        if isinstance(label.at, float):
            times = [min(label.at, *times[:1]), max(label.at, *times[1:])]
    with Endpoint(found.url, label_token=Home.from_environment().label_token) as opened:
        accepted = opened.feedback(read_labels(file))
    first, last = times or (None, None)
    if json:
        emit_json({"endpoint": endpoint, "labels": count, "predictions": len(ids), "accepted": accepted,
                   "from": first, "until": last})  # fmt: skip
        return
    row = (endpoint, count, len(ids), accepted, clock(first), clock(last))
    emit_table(("endpoint", "labels", "predictions", "accepted", "from", "until"), [row], empty="")

"""Predictions as data: export."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from falaj.cli.commands.changes import endpoint_of, moment
from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.core.home import Home
from falaj.dataplane.log_export import export_location, require_local, residency_of
from falaj.dataplane.prediction_log.export import ExportSelection
from falaj.supply_chain.encryption import open_chest


def export(
    endpoint: Annotated[str, typer.Argument(help="ENVIRONMENT/MODEL.")],
    out: Annotated[str, typer.Option(help="A new or empty folder of this machine.")],
    since: Annotated[str, typer.Option(help="From this time on, as 2026-12-05T09:00+04:00.")] = "",
    until: Annotated[str, typer.Option(help="Before this time; by default now.")] = "",
    location: Annotated[str, typer.Option(help="The location, which must be on this machine.")] = "local",
    json: JsonOption = False,
) -> None:
    """Export predictions with their labels to Parquet, one file a release; the export is in the audit log."""
    endpoint_of(endpoint)
    folder, home = require_local(out), Home.from_environment()
    selection = ExportSelection(endpoint, moment(since) if since else 0.0, moment(until) if until else time.time())
    residency = residency_of(home, location)
    permit = open_client(home).predictions.permit_export(endpoint, location, selection.since, selection.until)
    export_result = export_location(home, open_chest(home), location, selection, folder, permit.exported_by)
    if json:
        files = [str(path) for path in export_result.files]
        emit_json(
            {
                "files": files,
                "predictions": export_result.predictions,
                "labelled": export_result.labelled,
                "residency": residency,
            }
        )
        return
    emit_table(("file",), [(path,) for path in export_result.files], empty=f"no predictions of {endpoint} in that time")
    if export_result.files:
        emit(
            f"{export_result.predictions} predictions, {export_result.labelled} with a label; they may not leave "
            f"{residency}"
        )

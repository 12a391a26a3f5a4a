"""Scoring files: score."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.supply_chain.encryption import open_chest


def score(
    release: Annotated[str, typer.Argument(metavar="MODEL[@N]", help="What the endpoint serves, or a release.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A .parquet, .csv or .tsv file.")],
    output: Annotated[Path, typer.Option(help="A new .parquet file.")],
    environment: Annotated[str, typer.Option(help="Whose admission counts.")] = "prod",
    location: Annotated[str, typer.Option(help="The location, which must be on this machine.")] = "local",
    keep: Annotated[list[str], typer.Option(help="A column that the output repeats; as often as needed.")] = [],  # noqa: B006
    classification: Annotated[
        str, typer.Option(help="How sensitive the data is; by default what the model learned from.")
    ] = "",
    origin: Annotated[str, typer.Option(help="ISO 3166 code of where the data comes from.")] = "",
    sector: Annotated[str, typer.Option(help="The business whose law covers the data.")] = "",
    separator: Annotated[str, typer.Option(help="What stands between the fields of a CSV file.")] = ",",
    processes: Annotated[int, typer.Option(min=0, max=256, help="Side by side; 0 for one a core.")] = 0,
    json: JsonOption = False,
) -> None:
    """Predict for every row of a file with the release that an endpoint serves; resumes after a kill."""
    from falaj.dataplane.agent.scoring import ScoringOptions, require_location, score_at_location
    from falaj.dataplane.scoring import read_input, require_free

    label = _label(classification, origin, sector)
    home = Home.from_environment()
    require_free(output)
    require_location(home, location)
    table = read_input(source, _separator(separator))
    client = open_client(home)
    scoring_request = {"release": release, "environment": environment, "location": location,
              "input": f"sha256:{table.digest}", "filename": source.name[:300], "label": label}  # fmt: skip
    permit = client.scorings.permit(scoring_request)
    options = ScoringOptions(output, tuple(keep), processes or os.cpu_count() or 1, _progress(quiet=json))
    scoring_result = score_at_location(home, open_chest(home), permit, table, options, named="@" in release)
    client.scorings.complete(permit.scoring, f"sha256:{scoring_result.digest}", scoring_result.rows)
    if json:
        emit_json({"output": str(output), "rows": scoring_result.rows, "digest": f"sha256:{scoring_result.digest}",
                   "release": permit.release, "scoring": permit.scoring, "residency": permit.residency})  # fmt: skip
        return
    again = (
        f", {scoring_result.continued} of {scoring_result.parts} parts from before" if scoring_result.continued else ""
    )
    emit(f"{scoring_result.rows} rows by {permit.release}{again}: {output}; they may not leave {permit.residency}")


def _label(classification: str, origin: str, sector: str) -> dict[str, str] | None:
    if bool(classification) != bool(origin) or (sector and not classification):
        raise UsageError("--classification and --origin go together", hint="--classification personal --origin AE")
    if not classification:
        return None
    return {"classification": classification, "origin": origin, **({"sector": sector} if sector else {})}


def _separator(text: str) -> str:
    separator = "\t" if text == "\\t" else text
    if len(separator) != 1 or separator in '"\r\n':
        raise UsageError(f"--separator {text!r} is not one character", hint="--separator ';'")
    return separator


def _progress(*, quiet: bool) -> Any:
    """A line that is written over, on a terminal alone."""
    if quiet or not sys.stderr.isatty():
        return lambda _done, _all: None

    def show(finished: int, count: int) -> None:
        sys.stderr.write(f"\r{finished} of {count or '?'} parts{chr(13) if finished == count else ''}")
        sys.stderr.flush()

    return show

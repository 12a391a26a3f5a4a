"""Taking predictions out of the log of a location, on the machine where it lies."""

from __future__ import annotations

from pathlib import Path

from falaj.core.errors import ConflictError, NotFoundError, UsageError
from falaj.core.home import Home
from falaj.dataplane.label_database import open_labels
from falaj.dataplane.local_policy import read_rules
from falaj.dataplane.log_keys import reader_keys
from falaj.dataplane.prediction_log.export import Exported, ExportSelection, export_predictions
from falaj.supply_chain.encryption import Keystore, home_scope

_UNTOLD = "ZZ"


class ResidencyError(ConflictError):
    """An export would take data out of the jurisdiction that its location is in."""

    code = "predictions.residency"


def require_local(out: str) -> Path:
    """The folder that an export goes to.

    Raises:
        ResidencyError: It is somewhere else, where nobody here can tell which law holds.
    """
    if "://" in out:
        raise ResidencyError(
            "predictions are exported to a folder of the location's machine, and to nowhere else",
            where=out,
            hint="export to a folder; what is moved from there is a transfer, which is recorded with falaj privacy",
        )
    return Path(out)


def residency_of(home: Home, location: str) -> str:
    """The jurisdiction that a location's data may not leave; `ZZ` where none was told.

    Raises:
        NotFoundError: This machine has no log of such a location.
        ResidencyError: The machine is told to be in another country than the location.
    """
    folder = home.location_dir(location)
    if not (folder / "predictions").is_dir():
        raise NotFoundError(
            f"this machine has no predictions of location '{location}'",
            hint="export on the machine of the location: the log and its keys are there, and stay there",
            code="predictions.elsewhere",
        )
    return require_here(home, folder, location)


def require_here(home: Home, folder: Path, location: str) -> str:
    """The jurisdiction that a location on this machine is in; `ZZ` where none was told.

    Raises:
        ResidencyError: The machine is told to be in another country than the location.
    """
    here, there = home_scope(home.settings).jurisdiction, read_rules(folder, location).jurisdiction
    if there is None:
        return here
    if here != _UNTOLD and here.partition("-")[0] != there.partition("-")[0]:
        raise ResidencyError(
            f"location '{location}' is in {there} and this machine in {here}",
            hint="FALAJ_JURISDICTION says where it is",
        )
    return there


def export_location(
    home: Home, chest: Keystore, location: str, selection: ExportSelection, out: Path, exported_by: str
) -> Exported:
    """Write predictions of an endpoint with their labels to Parquet files that carry their residency.

    Args:
        home: The installation.
        chest: Its data keys.
        location: Name of the location.
        selection: Which predictions.
        out: A new or empty folder.
        exported_by: Principal that was permitted to.

    Raises:
        NotFoundError: As for `residency_of`.
        ResidencyError: As for `residency_of`.
        UsageError: The folder is not empty, or the time is.
    """
    if selection.since >= selection.until:
        raise UsageError("the export ends before it begins", hint="--since must be before --until")
    provenance = {
        "residency": residency_of(home, location), "location": location, "exported_by": exported_by,
        "since": str(selection.since), "until": str(selection.until),
    }  # fmt: skip
    folder = home.location_dir(location)
    log = folder / "predictions"
    with open_labels(home, chest, folder) as join:
        join.advance()
        return export_predictions(log, reader_keys(home, chest, log), join.labels, out, selection, provenance)

"""Scoring a file on the machine of a location: by a release that the location admits itself, into its own log."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from falaj.core.errors import NotFoundError
from falaj.core.home import Home
from falaj.dataplane.agent.bootstrap import open_admission
from falaj.dataplane.agent.recalibration import public_key_of
from falaj.dataplane.agent.state_store import Memory
from falaj.dataplane.desired_state import DesiredEndpoint, Servable
from falaj.dataplane.local_policy import read_rules
from falaj.dataplane.log_export import require_here
from falaj.dataplane.log_keys import writer_keys
from falaj.dataplane.model_server.recalibration import Offset, ServedRecalibration
from falaj.dataplane.prediction_log import LogKey, LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.format import BARE
from falaj.dataplane.prediction_log.routing import FORCED
from falaj.dataplane.scoring import (
    AppliedRecalibration,
    InputTable,
    SampledRow,
    Scored,
    ScoringJob,
    sampled_rows,
    score_file,
)
from falaj.models.model_folder import read_model_folder
from falaj.schemas.scoring import ScoringPermit
from falaj.statistics.recalibration.document import file_name
from falaj.supply_chain.encryption import Keystore

LOGGED_ROWS = 100_000
"""Most rows of a file that the prediction log gets: evenly spaced ones of a larger file."""
_WRITTEN_AT_ONCE = 1000


@dataclass(frozen=True)
class ScoringOptions:
    """How a file is scored.

    Attributes:
        output: Where the predictions go.
        keep: Columns of the input that the output repeats.
        processes: How many score side by side.
        progress: Is told how many parts are done, and of how many.
    """

    output: Path
    keep: tuple[str, ...] = ()
    processes: int = os.cpu_count() or 1
    progress: Callable[[int, int], None] = lambda _done, _all: None


def require_location(home: Home, location: str) -> None:
    """Refuse where this machine is not the location's, or is told to be in another country.

    Raises:
        NotFoundError: This machine has no such location.
        ResidencyError: It is told to be in another country than the location.
    """
    folder = home.location_dir(location)
    if not folder.is_dir():
        raise NotFoundError(
            f"this machine is not at location '{location}'",
            hint="score on the machine of the location, where its releases are admitted", code="scoring.elsewhere",
        )  # fmt: skip
    require_here(home, folder, location)


def score_at_location(
    home: Home, chest: Keystore, permit: ScoringPermit, table: InputTable, options: ScoringOptions, *, named: bool
) -> Scored:
    """Score a file that was permitted.

    Args:
        home: The installation of this machine.
        chest: Its data keys.
        permit: What the control plane permitted.
        table: The input.
        options: How.
        named: Whether the caller chose the release: then its answers are no sample of what the endpoint answers.

    Raises:
        NotAdmittedError: The location does not admit the release.
        FalajError: As `score_file`.
    """
    endpoint = DesiredEndpoint.from_json(permit.plan)
    servable = _servable(home, permit.location, endpoint)
    job = _job(home, permit, table, options, servable)
    staged = home.location_dir(permit.location) / "scorings" / permit.scoring.partition("/")[2]

    def log(folder: Path, _rows: int) -> None:
        _log(home, chest, permit, job, sampled_rows(folder), staged, named=named)

    return score_file(
        job, table, options.output, python=servable.python, processes=options.processes,
        hidden=(home.root / "keys",), progress=options.progress, before_output=log,
    )  # fmt: skip


def _servable(home: Home, location: str, endpoint: DesiredEndpoint) -> Servable:
    """The release as the location admits it: what serves as of when it was admitted, anything else as of now."""
    admission = open_admission(home, location)
    for each in Memory(home.location_dir(location)).admitted():
        same = (each.endpoint.name, each.endpoint.release, each.endpoint.digest)
        if same == (endpoint.name, endpoint.release, endpoint.digest):
            return admission.readmit(each)
    return admission.check(endpoint)


def _job(
    home: Home, permit: ScoringPermit, table: InputTable, options: ScoringOptions, servable: Servable
) -> ScoringJob:
    applied = _recalibration(home, permit)
    metadata = {
        "endpoint": permit.endpoint, "release": permit.release, "location": permit.location,
        "residency": permit.residency, "classification": permit.classification, "input": f"sha256:{table.digest}",
        "scoring": permit.scoring, **({"recalibration": str(applied.version)} if applied else {}),
    }  # fmt: skip
    return ScoringJob(
        input=str(table.path), digest=table.digest, csv=table.csv, model=str(servable.model_dir),
        model_digest=servable.endpoint.digest, release=permit.release, endpoint=permit.endpoint, keep=options.keep,
        recalibration=applied, sampled_rows=LOGGED_ROWS, metadata=metadata,
    )  # fmt: skip


def _recalibration(home: Home, permit: ScoringPermit) -> AppliedRecalibration | None:
    """By what the endpoint moves its answers now; all rows of the file are moved by the same."""
    file = home.location_dir(permit.location) / "recalibration" / file_name(permit.endpoint, permit.release)
    if not file.exists():
        return None
    served = ServedRecalibration(file, public_key_of(home), permit.endpoint, permit.release)
    with redirect_stdout(sys.stderr):  # a replica's log is what it prints; here it would stand in the answer
        served.look()
    return _applied(served.current) if served.current else None


def _applied(offset: Offset) -> AppliedRecalibration:
    return AppliedRecalibration(offset.applied.version, offset.applied.offset, offset.kind.value, offset.threshold)


def _log(
    home: Home, chest: Keystore, permit: ScoringPermit, job: ScoringJob, rows: Iterable[SampledRow], staged: Path,
    *, named: bool,
) -> None:  # fmt: skip
    """Give the prediction log its rows, once: they appear in it by one renaming, or were there before."""
    folder = home.location_dir(permit.location)
    log = folder / "predictions"
    target = log / f"scoring-{staged.name}"
    if target.exists():
        return
    shutil.rmtree(staged, ignore_errors=True)
    keys = writer_keys(home, chest, log, read_rules(folder, permit.location).jurisdiction)
    names = read_model_folder(Path(job.model)).signature.names
    header = SegmentHeader(permit.release, permit.endpoint, names, 0)
    key = LogKey.from_bytes(keys(header.owner)) if keys else None
    writer = LogWriter(staged, header, time.time_ns, key=key, synced=True)
    records = _records(rows, job, named=named)
    while some := list(islice(records, _WRITTEN_AT_ONCE)):
        writer.write(some)
    writer.close()
    log.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged.rename(target)


def _records(rows: Iterable[SampledRow], job: ScoringJob, *, named: bool) -> Iterator[tuple[object, ...]]:
    """The rows as a replica logs them, one request a row, so that each has its own label."""
    facts = (FORCED, None, None, None) if named else None
    applied = job.recalibration and (job.recalibration.version, job.recalibration.offset)
    for row in rows:
        bare = {f"{BARE}{name}": [value] for name, value in row.bare.items()}
        outputs = {**{name: [value] for name, value in row.outputs.items()}, **bare}
        record = (row.prediction_id, time.time_ns(), [row.features], outputs, facts)
        yield (*record, applied) if bare else record

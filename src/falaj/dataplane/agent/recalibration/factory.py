"""What an agent recalibrates its releases with."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path

from falaj.core.home import Home
from falaj.dataplane.agent.profiling.factory import when_changed
from falaj.dataplane.agent.profiling.profile_store import FILE as PROFILES
from falaj.dataplane.agent.profiling.profile_store import ProfileStore
from falaj.dataplane.agent.profiling.references import known_references
from falaj.dataplane.agent.recalibration.recalibration_thread import LOOK_S, RecalibrationWatch, look_on, raw_public_key
from falaj.dataplane.agent.recalibration.reporting import Reports
from falaj.dataplane.agent.recalibration.rows_file import FILE, RowsFile
from falaj.dataplane.agent.state_store import Memory
from falaj.dataplane.background import Background, keep_running
from falaj.dataplane.desired_state import DesiredState
from falaj.dataplane.label_database import open_labels
from falaj.dataplane.local_policy import read_rules
from falaj.statistics.recalibration.selection import ScoreDay
from falaj.supply_chain.attestations import Signer
from falaj.supply_chain.attestations.keys import load_or_create_key
from falaj.supply_chain.certificates.names import own_caller
from falaj.supply_chain.encryption import open_chest

KEY = "recalibration.pem"


def open_recalibration(
    home: Home, location: str, folder: Path, documents: Path, memory: Memory, reports: Reports
) -> RecalibrationWatch:
    """Open the recalibration of a location.

    Args:
        home: The installation, whose keys read the log.
        location: Name of the location.
        folder: Of the location.
        documents: Where the files lie that model servers read.
        memory: What the location is to serve.
        reports: Where it is told.
    """
    return RecalibrationWatch(
        location, documents, RowsFile(folder / FILE), open_labels(home, open_chest(home), folder),
        known_references(folder / "references"), _score_days(folder), _desired(memory, folder),
        lambda endpoint: senders_of(folder, location, endpoint), signer_of(home), reports,
    )  # fmt: skip


def senders_of(folder: Path, location: str, endpoint: str) -> Collection[str]:
    """Pseudonyms of those whose labels may move answers: this installation's own people, and those of `rules.json`."""
    return {own_caller(endpoint), *read_rules(folder, location).label_senders.values()}


def signer_of(home: Home) -> Signer:
    """The key that signs how the releases of this machine's locations are recalibrated."""
    return load_or_create_key(home.keys / KEY)


def public_key_of(home: Home) -> bytes:
    """What model servers check those signatures with: 32 bytes."""
    return raw_public_key(signer_of(home))


def keep_recalibrated(opened: Callable[[], RecalibrationWatch], *, look_s: float = LOOK_S) -> Background:
    """What an agent does beside everything else: gather labelled rows, and fit each release once a day.

    Args:
        opened: Opens it, in the thread that uses it.
        look_s: How often to look, in seconds.
    """
    return keep_running(lambda: closing(opened()), look_on, name="recalibration", look_s=look_s)


def _score_days(folder: Path) -> Callable[[str, str], list[ScoreDay]]:
    def score_days(endpoint: str, release: str) -> list[ScoreDay]:
        with closing(ProfileStore(folder / PROFILES)) as book:  # once a day
            return book.score_days(endpoint, release)

    return score_days


def _desired(memory: Memory, folder: Path) -> Callable[[], DesiredState]:
    """The desired state, read again when its file is another one."""
    newest, last = when_changed(memory, folder), DesiredState()

    def desired() -> DesiredState:
        nonlocal last
        last = newest() or last
        return last

    return desired

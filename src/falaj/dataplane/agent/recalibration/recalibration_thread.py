"""The thread that gathers labelled rows and fits each release once a day."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from falaj.core.file_identity import identity_of
from falaj.dataplane.agent.recalibration.fitting import RecalibratedRelease, is_due, next_document, subject_of
from falaj.dataplane.agent.recalibration.reporting import Reports, report_of
from falaj.dataplane.agent.recalibration.row_collection import GatheredRow, gathered
from falaj.dataplane.agent.recalibration.rows_file import DAY_S, RowsFile
from falaj.dataplane.desired_state import DesiredState
from falaj.dataplane.label_join import JoinedLabel, LabelJoin
from falaj.dataplane.runtimes.process.files import write_atomically
from falaj.statistics.recalibration import Limit, RecalibrationSettings, RecalibrationState
from falaj.statistics.recalibration.document import (
    RecalibrationDocument,
    RecalibrationFileError,
    file_name,
    open_document,
    seal_document,
)
from falaj.statistics.recalibration.selection import ScoreDay
from falaj.statistics.reference import ReleaseReference
from falaj.supply_chain.attestations import Signer
from falaj.supply_chain.attestations.keys import public_key

LOOK_S = 2.0
_BATCH = 2_000
_KEPT_DAYS = RecalibrationSettings().oldest_days + 1
_log = logging.getLogger(__name__)
References = Callable[[str], ReleaseReference | None]
"""The reference of a release (`name@version`) as far as it is known here."""
ScoreDays = Callable[[str, str], list[ScoreDay]]
"""Scores of all rows of a release at an endpoint, by day."""


class RecalibrationWatch:
    """Recalibrates the releases of a location; used by one thread.

    Args:
        location: Name of the location.
        folder: Where documents lie, a file a release at an endpoint.
        rows: The labelled rows.
        join: The labels of the location.
        references: Of its releases.
        score_days: Scores of all rows.
        desired: What the location serves.
        senders: By endpoint: pseudonyms of callers whose labels may move answers.
        signer: The location's key.
        reports: What is told.
        clock: Unix time.
    """

    def __init__(
        self,
        location: str,
        folder: Path,
        rows: RowsFile,
        join: LabelJoin,
        references: References,
        score_days: ScoreDays,
        desired: Callable[[], DesiredState],
        senders: Callable[[str], Collection[str]],
        signer: Signer,
        reports: Reports,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._location, self._folder, self._rows, self._join = location, folder, rows, join
        self._references, self._score_days, self._desired, self._senders = references, score_days, desired, senders
        self._signer, self._reports, self._clock = signer, reports, clock
        self._public_key = raw_public_key(signer)
        self._documents: dict[tuple[str, str], RecalibrationDocument] = {}
        self._reported: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._observed: dict[tuple[str, str], tuple[int, int, int] | None] = {}

    def close(self) -> None:
        """Close the files."""
        self._rows.close()
        self._join.close()

    def look(self) -> int:
        """Gather what was labelled since the last look, and fit what is due.

        Returns:
            How many releases were fitted.
        """
        while self._gather():
            pass
        fitted = 0
        new_reports: dict[tuple[str, str], Mapping[str, Any]] = {}
        for subject, least in self._subjects():
            key = (subject.endpoint, subject.release)
            document = self._document(key)
            if is_due(document, subject, self._clock()):
                document = self._fit(subject, document)
                fitted += 1
            assert document is not None
            if key not in self._reported or self._reported[key]["version"] != document.version:
                self._reported[key] = report_of(document, least)
            new_reports[key] = self._reported[key]
        self._reports.put(new_reports)
        if fitted:
            self._rows.forget(self._clock() - _KEPT_DAYS * DAY_S)
        return fitted

    def _gather(self) -> bool:
        """A part of what was joined, in one transaction with the number behind it; False when there is no more."""
        after = self._rows.position()
        joined, behind = self._join.read(after, limit=_BATCH)
        if behind == after:
            return False
        self._rows.keep(self._gathered(joined), behind)
        return True

    def _gathered(self, joined: Iterable[JoinedLabel]) -> Iterable[GatheredRow]:
        for each in joined:
            reference = self._references(each.release)
            if reference is not None and reference.answer_kind is not None:
                yield from gathered(each, reference.answer_kind, self._senders(each.endpoint))

    def _subjects(self) -> Iterable[tuple[RecalibratedRelease, int]]:
        for endpoint in self._desired().endpoints:
            release = f"{endpoint.model}@{endpoint.release}"
            reference = self._references(release) if endpoint.reference else None
            subject = reference and subject_of(self._location, endpoint.name, release, reference)
            if subject and reference:
                yield subject, reference.settings.least

    def _fit(self, subject: RecalibratedRelease, before: RecalibrationDocument | None) -> RecalibrationDocument:
        rows = self._rows.rows_of(subject.endpoint, subject.release)
        days = self._score_days(subject.endpoint, subject.release)
        document = next_document(before, self._learned(subject), subject, rows, days, self._clock())
        self._write(document)
        _say(document)
        return document

    def _write(self, document: RecalibrationDocument) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = seal_document(document, self._signer.sign, self._signer.key_id)
        write_atomically(self._path(document.endpoint, document.release), data)
        self._remember(document)

    def _learned(self, subject: RecalibratedRelease) -> RecalibrationState:
        """The state of the release that was fitted last at the endpoint, before this one."""
        environment = subject.endpoint.replace("/", "+")
        others = [
            document
            for path in self._folder.glob(f"{environment}@*.json")
            if (document := self._read(path)) is not None and document.endpoint == subject.endpoint
            and document.release != subject.release and document.kind is subject.settings.kind
        ]  # fmt: skip
        newest = max(others, key=lambda each: each.fitted_at, default=None)
        return newest.state if newest else RecalibrationState()

    def _document(self, key: tuple[str, str]) -> RecalibrationDocument | None:
        """The document in force; a file that was damaged since this agent wrote it is written again."""
        path, remembered = self._path(*key), self._documents.get(key)
        if remembered is not None and identity_of(path) == self._observed.get(key):
            return remembered
        document = self._read(path)
        if document is not None and (document.endpoint, document.release) == key:
            self._remember(document)
        elif remembered is not None:
            self._write(remembered)
        return self._documents.get(key)

    def _remember(self, document: RecalibrationDocument) -> None:
        key = (document.endpoint, document.release)
        self._documents[key], self._observed[key] = document, identity_of(self._path(*key))

    def _read(self, path: Path) -> RecalibrationDocument | None:
        """A document that this location signed; another one is taken for none, and said."""
        try:
            return open_document(path.read_bytes(), self._public_key, where=str(path))
        except FileNotFoundError:
            return None
        except (RecalibrationFileError, OSError) as error:
            _log.warning("recalibration.damaged path=%s reason=%s", path, error)
            return None

    def _path(self, endpoint: str, release: str) -> Path:
        return self._folder / file_name(endpoint, release)


def raw_public_key(signer: Signer) -> bytes:
    """The 32 bytes of a signer's public key."""
    return public_key(signer.public_pem).public_bytes_raw()


def _say(document: RecalibrationDocument) -> None:
    level = logging.WARNING if document.state.limit is Limit.BOUND else logging.INFO
    _log.log(
        level, "recalibration.fitted endpoint=%s release=%s version=%d offset=%+.4g strength=%.2f limit=%s rows=%d%s",
        document.endpoint, document.release, document.version, document.offset, document.state.strength,
        document.state.limit, document.state.rows, f" reason={document.reason}" if document.reason else "",
    )  # fmt: skip


def look_on(watch: RecalibrationWatch, stopping: threading.Event, look_s: float) -> None:
    """Look until told to stop."""
    while not stopping.is_set():
        watch.look()
        stopping.wait(look_s)

"""Whether a fact counts: sealed, and not older than the newest that was known."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from falaj.core.errors import FalajError
from falaj.storage.facts.signatures import Seals
from falaj.storage.facts.statement import Fact, FactSignature, FactSubject, parse_seal
from falaj.storage.facts.version_file import FactVersions, Mark

_MAX_REFUSALS = 1_000

logger = logging.getLogger(__name__)


class FactMissingError(FalajError):
    """A fact that was made here is not in the database any more, or an older one is; nothing is decided without it."""

    code, status, exit_code = "facts.missing", 403, 4


@dataclass(frozen=True, order=True)
class FactRefusal:
    """A row that is no fact.

    Args:
        kind: The table.
        subject: Its primary key.
        reason: Why, in one sentence.
    """

    kind: str
    subject: str
    reason: str


class FactStore:
    """Makes and judges the facts of one installation.

    Args:
        seals: Signs and verifies.
        versions: The highest numbers.
    """

    def __init__(self, seals: Seals, versions: FactVersions) -> None:
        self.seals, self.versions = seals, versions
        self.memory: dict[FactSubject, object] = {}
        """What readers made of facts that they verified; they keep it small."""
        self._refusals: dict[FactRefusal, None] = {}
        self._reported: set[FactRefusal] = set()
        self._lock = Lock()

    def clock(self) -> int:
        """Return the moment in which a reader begins, counted in records."""
        return self.versions.clock()

    def next_number(self, subject: FactSubject, present: int) -> int:
        """Return the number of the next fact about a subject whose present one has this number."""
        version = self.versions.of(subject)
        return max(present, version.number if version else 0) + 1

    def seal(self, subject: FactSubject, number: int, content: Mapping[str, object], fact_type: str) -> FactSignature:
        """Sign a fact."""
        return self.seals.make(Fact(subject, number, content), fact_type)

    def judge(
        self, subject: FactSubject, content: Mapping[str, object], seal_text: object, fact_type: str, clock: int
    ) -> tuple[int, str]:
        """Return the number of a fact, and why it does not count; the reason is empty when it does.

        Args:
            subject: What the row is about.
            content: What it says.
            seal_text: What its column holds.
            fact_type: Type that the seal must be for.
            clock: When the reader began: facts that were replaced since may still be what it sees.
        """
        seal = parse_seal(seal_text)
        if seal is None:
            return 0, "it was never signed"
        if reason := self._outdated(subject, seal.number, clock):
            return seal.number, reason
        if not self.seals.hold(Fact(subject, seal.number, content), fact_type, seal):
            return seal.number, "it is not what was signed"
        return seal.number, ""

    def stands(self, subject: FactSubject) -> bool:
        """Tell whether a fact about a subject was made and not taken back."""
        version = self.versions.of(subject)
        return version is not None and not version.gone

    def is_newer(self, subject: FactSubject, number: int) -> bool:
        """Tell whether a number is higher than what was recorded of a subject."""
        version = self.versions.of(subject)
        return version is None or number > version.number

    def record(self, marks: Sequence[Mark]) -> None:
        """Record numbers of facts that were committed."""
        self.versions.record(marks)

    def refuse(self, refusal: FactRefusal) -> None:
        """Remember that a row was refused, once for each row and reason, until somebody takes it."""
        with self._lock:
            if refusal in self._reported or len(self._refusals) >= _MAX_REFUSALS:
                return
            self._refusals[refusal] = None
        logger.warning("a row of the database is not a fact and was refused", extra={"refusal": str(refusal)})

    def take_refusals(self) -> list[FactRefusal]:
        """Return what was refused since this was asked last."""
        with self._lock:
            refusals = list(self._refusals)
            self._refusals.clear()
            if len(self._reported) > _MAX_REFUSALS:
                self._reported.clear()
            self._reported.update(refusals)
        return refusals

    def _outdated(self, subject: FactSubject, number: int, clock: int) -> str:
        version = self.versions.of(subject)
        if version is None:
            return ""
        least = version.previous if version.sequence > clock else version.number
        if version.gone and version.sequence <= clock and number < version.number:
            return "it was taken back"
        return "" if number >= least else f"a newer one was made: number {version.number}, this is {number}"

"""A session that knows which facts it has made, and what stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from falaj.storage.facts import FactMissingError, FactRefusal, FactStore, FactSubject, Mark
from falaj.storage.sealed.rows import SealedRow, SideDoorError, subject_of, table_of

_KEY = "falaj.storage.facts"
GONE = "it was made, and the database has it no more"
REPLACED = "its end is not the one that was written"
CUT = "it was longer, and the database does not have its end"


@dataclass(frozen=True)
class NewFact:
    """A fact that a transaction made, the digest of its seal, and the savepoint that would undo it."""

    mark: Mark
    digest: str
    savepoint: SessionTransaction | None


@dataclass(frozen=True)
class NewGrowth:
    """How long a transaction made something that only grows, and the savepoint that would undo it."""

    mark: Mark
    savepoint: SessionTransaction | None


@dataclass
class SessionFacts:
    """What a session knows of facts: when it began, and what it has made."""

    store: FactStore
    clock: int
    new: list[NewFact | NewGrowth] = field(default_factory=list)

    @property
    def marks(self) -> dict[FactSubject, Mark]:
        """The newest number of each subject that was made."""
        return {each.mark.subject: each.mark for each in self.new}

    def has_made(self, subject: FactSubject) -> bool:
        """Tell whether this very transaction made a fact about a subject."""
        return any(each.mark.subject == subject for each in self.new)


class FactSession(Session):
    """A session that seals what it writes and verifies what it reads.

    Args:
        store: The installation's facts; None can neither write nor read a fact.
    """

    def __init__(self, bind: Engine | Connection, store: FactStore | None) -> None:
        info = {_KEY: SessionFacts(store, store.clock())} if store is not None else {}
        super().__init__(bind, expire_on_commit=False, info=info)

    def record_facts(self) -> None:
        """Record what was made, once it is committed."""
        facts = self.info.get(_KEY)
        if facts is not None and facts.new:
            facts.store.record(list(facts.marks.values()))
            facts.new.clear()


def require_standing(session: Session, subject: FactSubject, row: object | None) -> None:
    """Refuse to go on where a fact was made and is not there any more.

    Raises:
        FactMissingError: `facts.missing`.
    """
    if row is None and facts_in(session).store.stands(subject):
        facts_in(session).store.refuse(FactRefusal(subject.kind, subject.name, GONE))
        raise missing_error(subject)


def require_growth(session: Session, subject: FactSubject, length: int, content_at: Callable[[int], str]) -> None:
    """Refuse to go on where something that only grows has lost or changed what was there, as far as facts tell.

    Args:
        session: The transaction.
        subject: What grows.
        length: How long it is.
        content_at: The digest of its beginning of a length.

    Raises:
        FactMissingError: `facts.missing`.
    """
    facts = session.info.get(_KEY)
    version = facts.store.versions.of(subject) if isinstance(facts, SessionFacts) else None
    if version is None or not isinstance(facts, SessionFacts):
        return
    cut = version.number > length
    if cut or content_at(version.number) != version.content:
        facts.store.refuse(FactRefusal(subject.kind, subject.name, CUT if cut else REPLACED))
        raise missing_error(subject)


def note_growth(session: Session, subject: FactSubject, length: int, content: str) -> None:
    """Remember how long something is that only grows, and the digest of what is there; recorded once committed."""
    facts = session.info.get(_KEY)
    if isinstance(facts, SessionFacts):
        facts.new.append(NewGrowth(Mark(subject, length, content=content), session.get_nested_transaction()))


def stands(session: Session, subject: FactSubject) -> bool:
    """Tell whether a fact was made, by this transaction or before, and not taken back."""
    facts = facts_in(session)
    return facts.has_made(subject) or facts.store.stands(subject)


def is_recorded(session: Session, subject: FactSubject) -> bool:
    """Tell whether a fact stands for others, too: it was committed."""
    return not facts_in(session).has_made(subject) and facts_in(session).store.stands(subject)


def memory(session: Session) -> dict[FactSubject, object]:
    """What readers made of facts that stand, for all sessions of this database."""
    return facts_in(session).store.memory


def require_all(session: Session, rows: Sequence[SealedRow], kind: type[SealedRow]) -> None:
    """Refuse to go on where rows are not all of a table that were made.

    Raises:
        FactMissingError: `facts.missing`.
    """
    if facts_in(session).store.versions.standing(table_of(kind)) - {subject_of(row).digest for row in rows}:
        raise FactMissingError(
            f"the database does not have all {table_of(kind)} that were made",
            hint="restore the database from a backup; falaj platform drift names what differs",
        )


def made_facts(session: Session) -> list[str]:
    """The digest of every seal that a transaction has made so far, for the audit log."""
    facts = session.info.get(_KEY)
    return [each.digest for each in facts.new if isinstance(each, NewFact)] if facts is not None else []


def facts_in(session: Session | None) -> SessionFacts:
    """The facts of a session; a connection without them reads and writes none."""
    facts = session.info.get(_KEY) if session is not None else None
    if not isinstance(facts, SessionFacts):
        raise SideDoorError("this connection has no keys of facts")
    return facts


def missing_error(subject: FactSubject) -> FactMissingError:
    """What is raised where a fact is not there any more."""
    return FactMissingError(
        f"the database does not have {subject.kind} as it was last written",
        hint="restore the database from a backup; falaj platform drift names what differs",
    )


@event.listens_for(FactSession, "after_soft_rollback")
def _forget_undone(session: Session, ended: SessionTransaction) -> None:
    """What a savepoint made is not made when it is rolled back."""
    facts = session.info.get(_KEY)
    if facts is not None:
        facts.new[:] = [each for each in facts.new if not _inside(each.savepoint, ended)]


def _inside(savepoint: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while savepoint is not None and savepoint is not ended:
        savepoint = savepoint.parent
    return savepoint is ended or not ended.nested

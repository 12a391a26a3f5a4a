"""What the notary does: it signs what it has recomputed, and opens data keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from falaj.control.notary.commit import require_gates, require_risk, require_selection
from falaj.control.notary.errors import NotBelievableError
from falaj.control.notary.evidence import signed
from falaj.storage.facts import FILE, FactVersions, parse_fact
from falaj.supply_chain.artifacts import open_home_store, parse_digest
from falaj.supply_chain.attestations import open_keyring
from falaj.supply_chain.attestations.keyring import MODEL_OWNER
from falaj.supply_chain.attestations.model_signature import KEY_FILE, sign_model
from falaj.supply_chain.attestations.predicates import PINNED
from falaj.supply_chain.encryption import KeyGoneError, Keystore, open_chest

if TYPE_CHECKING:
    from falaj.control.notary.attestation import Attestation, ScoredTable
    from falaj.core.home import Home
    from falaj.supply_chain.artifacts import ArtifactStore
    from falaj.supply_chain.attestations import Keyring
    from falaj.supply_chain.encryption import DataKey, KeyScope

_READABLE = ("trusted.json", "sealed-stores")
_PUBLIC = ".pub"


class Notary(Protocol):
    """What runs need of the notary, in another process or in their own."""

    def attest(
        self, attestation: Attestation, tables: Mapping[str, ScoredTable]
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """Sign the evidence of a run: predicate type and envelope each.

        Args:
            attestation: The claims.
            tables: The arrays that gates are computed from.

        Raises:
            DoesNotRecomputeError: A claim is not what the notary finds.
        """
        ...

    def sign_model(self, model: str, digest: str) -> dict[str, Any]:
        """Sign the files of a model for tools that know nothing of Falaj.

        Args:
            model: Name of the model line.
            digest: The artifact.
        """
        ...


class Office:
    """The notary of one installation.

    Args:
        home: The installation.
        committed: Whether the project file of the commit must be shown; a checkout that a person runs by hand need not
            be a commit.
    """

    def __init__(self, home: Home, *, committed: bool = False) -> None:
        self.home, self._committed = home, committed

    @cached_property
    def keyring(self) -> Keyring:
        """The signing keys."""
        return open_keyring(self.home.keys)

    @cached_property
    def chest(self) -> Keystore:
        """The data keys."""
        return open_chest(self.home)

    @cached_property
    def store(self) -> ArtifactStore:
        """The artifact store."""
        return open_home_store(self.home, self.chest)

    def public_files(self) -> dict[str, bytes]:
        """What may be read of the folder of keys, by name."""
        folder = self.keyring.folder
        shown = [folder / name for name in _READABLE if (folder / name).is_file()]
        return {path.name: path.read_bytes() for path in (*shown, *folder.glob(f"*{_PUBLIC}"))}

    def find_key(self, key_id: str) -> DataKey:
        """A data key, but none of a person: their data is not the worker's.

        Raises:
            KeyGoneError: It was destroyed, is not known here, or is a person's.
        """
        of_persons = {key.id for key in self.chest.entries() if key.scope.subject}
        if key_id in of_persons:
            raise KeyGoneError("keys of persons are not opened for runs", where=key_id, code="encryption.key-refused")
        return self.chest.find(key_id)

    def current_key(self, scope: KeyScope) -> DataKey:
        """The data key that encrypts what is new; none of a person.

        Raises:
            KeyGoneError: The scope is a person's.
        """
        if scope.subject:
            raise KeyGoneError("keys of persons are not opened for runs", code="encryption.key-refused")
        return self.chest.current(scope)

    def attest(
        self, attestation: Attestation, tables: Mapping[str, ScoredTable]
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """See `Notary.attest`."""
        if self._committed:
            gates = tuple(claim.spec for claim in attestation.gates)
            pinned = {claim.spec.data for claim in attestation.gates if claim.record.exam == PINNED}
            all_of_them = (
                attestation.backtest_model is None
            )  # a refit is judged by those gates alone whose rows it has not seen
            require_gates(attestation.proof, attestation.commit, gates, pinned, all_of_them=all_of_them)
            require_selection(attestation.proof, attestation.commit, attestation.train.selection)
            require_risk(attestation.proof, attestation.commit, attestation.bill.risk)
        return signed(attestation, tables, self.store, self.keyring, self.home.run_dir(attestation.run))

    @cached_property
    def versions(self) -> FactVersions:
        """The highest numbers of the facts of this installation."""
        return FactVersions(self.home.root / FILE)

    def sign_owner(self, message: bytes) -> bytes:
        """Seal which project a model belongs to, where no project was ever said to own it.

        Raises:
            NotBelievableError: It is another fact, or the model has an owner, which only the server may change.
        """
        fact = parse_fact(message, MODEL_OWNER)
        if fact is None or fact.subject.kind != "model_owners" or fact.number != 1:
            raise NotBelievableError("this is not a first fact about who owns a model")
        self.versions.clock()
        if self.versions.of(fact.subject) is not None:
            raise NotBelievableError(f"the model '{fact.subject.name}' has an owner")
        return self.keyring.signer_for(MODEL_OWNER).sign(message)

    def sign_model(self, model: str, digest: str) -> dict[str, Any]:
        """See `Notary.sign_model`; the digests of the files are those of the store."""
        blobs = {entry.path: str(entry.blob) for entry in self.store.manifest(parse_digest(digest)).files}
        return sign_model(model, blobs, self.home.keys / KEY_FILE)


def open_office(home: Home) -> Office:
    """The notary in this process, for runs that a person starts by hand."""
    return Office(home)

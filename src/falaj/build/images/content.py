"""What an image of a release holds: the model at /models, the evidence at /evidence.

Only what was signed when the release was made is inside, so that no later approval changes the digest. `/evidence` is a
bundle as `falaj release verify` takes it, with the model's folder beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.build.images.errors import ImageError
from falaj.build.images.layers import Member, folder_at, member_of, members_below
from falaj.core.errors import UsageError
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import ArtifactStore, parse_digest
from falaj.supply_chain.attestations.canonical import canonical, parse
from falaj.supply_chain.attestations.envelope import Envelope

MODEL_FOLDER = "models"
EVIDENCE_FOLDER = "evidence"
SBOM = "sbom.cdx.json"
GRAPH = "model.onnx"
"""What a model has that the model server's own libraries answer for."""
_SIGNED_WITH_IT = (
    attestations.DATASET,
    attestations.PROVENANCE,
    attestations.TRAIN,
    attestations.EVAL,
    attestations.TESTS,
    attestations.SCAN,
    attestations.COMPARISON,
    attestations.MLBOM,
)
"""What is signed when a release is made, in the order of its run."""


@dataclass(frozen=True)
class SignedEnvelope:
    """An envelope whose signature holds, and the predicate type of what it says."""

    kind: str
    envelope: Envelope


@dataclass(frozen=True)
class ReleaseContent:
    """A release, verified.

    Attributes:
        release: What it is.
        evidence: Envelopes that were signed with it, in one order.
        decisions: Envelopes about it that were signed later.
        bill: Its bill of materials.
        model_signature: The signature of its files for other tools; empty where there is none.
        store: Has its files.
    """

    release: attestations.BundledRelease
    evidence: tuple[SignedEnvelope, ...]
    decisions: tuple[SignedEnvelope, ...]
    bill: Mapping[str, Any]
    model_signature: Mapping[str, Any]
    store: ArtifactStore

    @classmethod
    def verified(
        cls,
        bundle: attestations.Bundle,
        store: ArtifactStore,
        keys: Mapping[str, attestations.TrustedKey],
    ) -> ReleaseContent:
        """Verify the evidence of a release; its files are verified when they are read.

        Args:
            bundle: All envelopes about it.
            store: Has its files.
            keys: Whom to believe.

        Raises:
            EvidenceError: Something is wrong with it.
            ImageError: It has no bill of materials.
        """
        checked = attestations.verify_release(bundle, keys, Path(), digest_of=lambda _: bundle.release.digest)
        checked.require()
        signed = [
            SignedEnvelope(item.statement.predicate_type, parse(bundle.evidence[item.where.removeprefix("evidence/")]))
            for item in checked.statements
        ]
        with_it = sorted((each for each in signed if each.kind in _SIGNED_WITH_IT), key=_order)
        bills = [s.statement for s in checked.statements if s.statement.predicate_type == attestations.MLBOM]
        bill = next((each.predicate for each in bills if each.is_about(bundle.release.digest)), None)
        if bill is None:
            raise ImageError("the release has no bill of materials", where=bundle.release.digest)
        later = tuple(each for each in signed if each.kind not in _SIGNED_WITH_IT)
        return cls(bundle.release, tuple(with_it), later, bill, bundle.model_signature, store)

    def require_servable(self) -> None:
        """Refuse a model that needs more than the model server's own libraries.

        Raises:
            UsageError: `image.native-model`.
        """
        manifest = self.store.manifest(parse_digest(self.release.digest))
        if GRAPH not in {file.path for file in manifest.files}:
            raise UsageError(
                "this model was not converted to ONNX, so that it needs the libraries of its project",
                where=self.release.digest,
                hint="serve it at a location, or build its image without --serve",
                code="image.native-model",
            )

    def model_members(self) -> Iterator[Member]:
        """The files of the model, read from the store and verified there."""
        digest = parse_digest(self.release.digest)
        manifest = self.store.manifest(digest)
        yield from (folder_at(f"{MODEL_FOLDER}/{path}") for path in manifest.directories)
        for file in manifest.files:
            yield Member(
                f"{MODEL_FOLDER}/{file.path}",
                file.size,
                lambda path=file.path: self.store.open(digest, path),  # type: ignore[misc]
                file.executable,
            )

    def evidence_members(self, bill: Mapping[str, Any]) -> Iterator[Member]:
        """The bundle, and the bill of materials of the image as other tools read it."""
        envelopes = [each.envelope for each in self.evidence]
        bundle = attestations.bundle_of(self.release, envelopes, model_signature=self.model_signature)
        with tempfile.TemporaryDirectory() as folder:
            attestations.write_bundle(Path(folder), bundle)
            files = {each.path: each.content for each in members_below(Path(folder), EVIDENCE_FOLDER)}
            for path, content in files.items():
                with content() as stream:
                    yield member_of(path, stream.read())
        yield member_of(f"{EVIDENCE_FOLDER}/{SBOM}", canonical(dict(bill)))


def _order(signed: SignedEnvelope) -> tuple[int, str]:
    return _SIGNED_WITH_IT.index(signed.kind), attestations.envelope_digest(signed.envelope)

"""Whoever writes a project file gives data a milder label than somebody gave it before: it does not help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.config.platform_spec import LocationSpec, PlatformSpec
from falaj.config.spec import ProjectSpec, SourceSpec
from falaj.control import changes, compliance
from falaj.control.compliance import ComplianceRecord, DataClassification, RecordKind, SourceReading
from falaj.control.runs.attestation import labelled
from falaj.control.runs.data_subjects import everywhere, labels_given
from falaj.core.errors import FalajError
from falaj.trust import lineage
from falaj.trust.lineage import Edge, Node
from falaj.trust.policy import ForbiddenError
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite
from tests.supply_chain.attestations.releases import FLIGHTS, dataset

pytestmark = pytest.mark.integration

HEALTH = DataClassification("rows", "health", "health", "US")
PUBLIC = DataClassification("rows", "public", "general", "US")
DIGEST = "sha256:" + "a" * 64
BUCKET = "s3://bank/customers"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    yield open_scene(tmp_path, database)
    database.close()


def give(scene: Scene, label: DataClassification, source: str = "a/rows", digest: str = DIGEST, url: str = "") -> None:
    with scene.platform.database.transaction() as session:
        compliance.keep_labels(session, "p", [SourceReading(digest, source, "rows.csv", label, url)], scene.now)


def labels_of(scene: Scene, source: str, digest: str = "", url: str = "") -> tuple[DataClassification, ...]:
    with scene.platform.database.reading() as session:
        return compliance.labels_given(session, source, url, digest)


def lower(scene: Scene, data: str, **others: str) -> ComplianceRecord:
    label_fields = {"classification": "public", "origin": "US", "document": "sha256:" + "d" * 64, **others}
    new_record = ComplianceRecord("", RecordKind.CLASSIFICATION, "", document_name="", made_by="user:noor", made_at=0.0,
                  expires_at=scene.now + 1.0, data=data, **label_fields)  # fmt: skip
    with scene.platform.database.transaction() as session:
        return compliance.register(session, scene.platform.keyring, new_record, scene.now)


def test_the_same_bytes_in_another_project_keep_the_strictest_label(scene: Scene) -> None:
    give(scene, HEALTH)
    give(scene, PUBLIC, "b/rows")
    assert labels_of(scene, "b/rows", DIGEST) == (HEALTH, PUBLIC)
    assert labels_of(scene, "b/other", DIGEST) == (replace(HEALTH, name="other"), replace(PUBLIC, name="other"))
    assert labels_of(scene, "b/other", "sha256:" + "b" * 64) == ()


def test_new_bytes_of_the_same_source_keep_its_label(scene: Scene) -> None:
    give(scene, HEALTH, url=BUCKET)
    assert labels_of(scene, "a/rows") == (HEALTH,)
    assert labels_of(scene, "b/rows", url=BUCKET) == (HEALTH,)
    assert labels_of(scene, "b/rows") == ()
    assert everywhere("s3://bank/customers") and everywhere("file:///srv/x.csv") and not everywhere("file://x.csv")


def test_what_a_step_made_of_data_has_its_label_when_it_comes_back_as_a_source(scene: Scene) -> None:
    give(scene, HEALTH)
    derived_digest, step = "sha256:" + "c" * 64, Node("step", "run1/prepare")
    edges = [
        Edge(step, "read", Node("artifact", DIGEST)),
        Edge(Node("artifact", derived_digest), lineage.MADE_BY, step),
    ]
    with scene.platform.database.transaction() as session:
        lineage.record(session, edges, scene.now)
    assert labels_of(scene, "b/table", derived_digest) == (replace(HEALTH, name="table"),)


def test_evidence_says_every_label(scene: Scene) -> None:
    own = dataset(FLIGHTS)
    both = labelled(own, [HEALTH, compliance.label_of(own)])
    assert [(each.classification, each.origin) for each in both] == [("health", "US"), ("public", "US")]


def test_a_label_that_is_learned_later_counts_at_the_gate_and_in_risk(scene: Scene) -> None:
    release_row = scene.release()
    scene.to_dev(release_row)
    omar = scene.person("omar", "ml-engineer")
    with scene.platform.database.reading() as session:
        turn = scene.platform.turn(session)
        before = changes.assessment.evidence_for(turn, release_row)
        assert changes.assessment.residency_allowed(turn, before, "test")
    give(scene, replace(HEALTH, name="flights"), "other/flights", FLIGHTS.digest)
    with scene.platform.database.reading() as session:
        turn = scene.platform.turn(session)
        later_evidence = changes.assessment.evidence_for(turn, release_row)
        assert changes.assessment.risk_for(turn, release_row, "test", later_evidence) == "high"
    with pytest.raises(ForbiddenError, match="residency"):  # the default location is in AE
        scene.request(omar, release_row, "test")
    abroad = {"local": LocationSpec("local", jurisdiction="US")}
    scene.settle(replace(PlatformSpec.default(), locations=abroad))
    assert scene.request(omar, release_row, "test").environment == "test"


def test_lowering_a_label_is_a_signed_record_that_can_be_withdrawn(scene: Scene) -> None:
    give(scene, HEALTH, url=BUCKET)
    record = lower(scene, BUCKET)
    assert labels_of(scene, "a/rows", DIGEST, BUCKET) == (PUBLIC,)
    with scene.platform.database.reading() as session:
        assert [each.data for each in compliance.believed(session, scene.platform.keyring)] == [BUCKET]
    give(scene, HEALTH)  # somebody says again what it is
    assert HEALTH in labels_of(scene, "a/rows", DIGEST)
    lower(scene, DIGEST)
    with scene.platform.database.transaction() as session:
        compliance.withdraw(session, record.id, "user:noor", "a mistake", scene.now)
    assert labels_of(scene, "a/rows", DIGEST) == (PUBLIC,)  # the second record stands
    with pytest.raises(FalajError, match="no data"):
        lower(scene, "a/unheard-of")
    for others in ({"classification": "harmless"}, {"origin": ""}):
        with pytest.raises(FalajError):
            lower(scene, DIGEST, **others)


def test_sources_of_a_project_are_named_by_its_model(scene: Scene) -> None:
    spec = ProjectSpec(MODEL, "o@example.org", data={"rows": SourceSpec("rows", "file://rows.csv", "public", "US")})
    give(scene, HEALTH, f"{MODEL}/rows")
    with scene.platform.database.reading() as session:
        assert labels_given(session, spec, {}) == {"rows": (HEALTH,)}

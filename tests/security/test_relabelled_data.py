"""Whoever writes a project file gives data a milder label than somebody gave it before: it does not help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.config.platform_spec import LocationSpec, PlatformSpec
from falaj.config.spec import ProjectSpec, SourceSpec
from falaj.control import changes
from falaj.control import compliance as privacy
from falaj.control.compliance import Label, Record, RecordKind, Taken
from falaj.control.runs.attest import labelled
from falaj.control.runs.subjects import everywhere, labels_given
from falaj.core.errors import FalajError
from falaj.trust import lineage
from falaj.trust.lineage import Edge, Node
from falaj.trust.policy import ForbiddenError
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite
from tests.supply_chain.attestations.releases import FLIGHTS, dataset

HEALTH = Label("rows", "health", "health", "US")
PUBLIC = Label("rows", "public", "general", "US")
DIGEST = "sha256:" + "a" * 64
BUCKET = "s3://bank/customers"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    yield open_scene(tmp_path, database)
    database.close()


def give(scene: Scene, label: Label, source: str = "a/rows", digest: str = DIGEST, url: str = "") -> None:
    with scene.platform.database.transaction() as session:
        privacy.keep_labels(session, "p", [Taken(digest, source, "rows.csv", label, url)], scene.now)


def given(scene: Scene, source: str, digest: str = "", url: str = "") -> tuple[Label, ...]:
    with scene.platform.database.reading() as session:
        return privacy.labels_given(session, source, url, digest)


def lower(scene: Scene, data: str, **others: str) -> Record:
    said = {"classification": "public", "origin": "US", "document": "sha256:" + "d" * 64, **others}
    wish = Record("", RecordKind.CLASSIFICATION, "", document_name="", made_by="user:noor", made_at=0.0,
                  expires_at=scene.now + 1.0, data=data, **said)  # fmt: skip
    with scene.platform.database.transaction() as session:
        return privacy.register(session, scene.platform.keyring, wish, scene.now)


def test_the_same_bytes_in_another_project_keep_the_strictest_label(scene: Scene) -> None:
    give(scene, HEALTH)
    give(scene, PUBLIC, "b/rows")
    assert given(scene, "b/rows", DIGEST) == (HEALTH, PUBLIC)
    assert given(scene, "b/other", DIGEST) == (replace(HEALTH, name="other"), replace(PUBLIC, name="other"))
    assert given(scene, "b/other", "sha256:" + "b" * 64) == ()


def test_new_bytes_of_the_same_source_keep_its_label(scene: Scene) -> None:
    give(scene, HEALTH, url=BUCKET)
    assert given(scene, "a/rows") == (HEALTH,)
    assert given(scene, "b/rows", url=BUCKET) == (HEALTH,)
    assert given(scene, "b/rows") == ()
    assert everywhere("s3://bank/customers") and everywhere("file:///srv/x.csv") and not everywhere("file://x.csv")


def test_what_a_step_made_of_data_has_its_label_when_it_comes_back_as_a_source(scene: Scene) -> None:
    give(scene, HEALTH)
    made, step = "sha256:" + "c" * 64, Node("step", "run1/prepare")
    edges = [
        Edge(step, "read", Node("artifact", DIGEST)),
        Edge(Node("artifact", made), lineage.MADE_BY, step),
    ]
    with scene.platform.database.transaction() as session:
        lineage.record(session, edges, scene.now)
    assert given(scene, "b/table", made) == (replace(HEALTH, name="table"),)


def test_evidence_says_every_label(scene: Scene) -> None:
    own = dataset(FLIGHTS)
    both = labelled(own, [HEALTH, privacy.label_of(own)])
    assert [(each.classification, each.origin) for each in both] == [("health", "US"), ("public", "US")]


def test_a_label_that_is_learned_later_counts_at_the_gate_and_in_risk(scene: Scene) -> None:
    made = scene.release()
    scene.to_dev(made)
    omar = scene.person("omar", "ml-engineer")
    with scene.platform.database.reading() as session:
        turn = scene.platform.turn(session)
        before = changes.findings.evidence_for(turn, made)
        assert changes.findings.residency_allowed(turn, before, "test")
    give(scene, replace(HEALTH, name="flights"), "other/flights", FLIGHTS.digest)
    with scene.platform.database.reading() as session:
        turn = scene.platform.turn(session)
        found = changes.findings.evidence_for(turn, made)
        assert changes.findings.risk_for(turn, made, "test", found) == "high"
    with pytest.raises(ForbiddenError, match="residency"):  # the default location is in AE
        scene.request(omar, made, "test")
    abroad = {"local": LocationSpec("local", jurisdiction="US")}
    scene.settle(replace(PlatformSpec.default(), locations=abroad))
    assert scene.request(omar, made, "test").environment == "test"


def test_lowering_a_label_is_a_signed_record_that_can_be_withdrawn(scene: Scene) -> None:
    give(scene, HEALTH, url=BUCKET)
    record = lower(scene, BUCKET)
    assert given(scene, "a/rows", DIGEST, BUCKET) == (PUBLIC,)
    with scene.platform.database.reading() as session:
        assert [each.data for each in privacy.believed(session, scene.platform.keyring)] == [BUCKET]
    give(scene, HEALTH)  # somebody says again what it is
    assert HEALTH in given(scene, "a/rows", DIGEST)
    lower(scene, DIGEST)
    with scene.platform.database.transaction() as session:
        privacy.withdraw(session, record.id, "user:noor", "a mistake", scene.now)
    assert given(scene, "a/rows", DIGEST) == (PUBLIC,)  # the second record stands
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

"""Attacks on privacy and residency, under the pack `uae`: each is refused, and the refusal says by what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from falaj.api.routers.system import _roots
from falaj.config.platform_spec import EnvironmentSpec, LocationSpec, PlatformSpec
from falaj.config.spec import PrivacySpec, ProjectSpec, SourceSpec
from falaj.config.uae_pack import DAY_S, YEAR_S
from falaj.control import changes
from falaj.control import compliance as privacy
from falaj.control.changes.compliance import posture_of
from falaj.control.changes.implementation import ADMISSION_LIFE_S
from falaj.control.compliance import ComplianceRecord, DataClassification, RecordKind, evaluation
from falaj.control.releases import WORKER
from falaj.control.runs import data_subjects
from falaj.control.runs.contract import RunResult
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import EventRow, ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.privacy_tables import PrivacyRecordRow
from falaj.supply_chain.artifacts import Digest
from falaj.supply_chain.encryption import KeyScope
from falaj.trust import audit, secrets
from falaj.trust.policy import ForbiddenError
from tests.api.people import acting_as, grant
from tests.apps import app_of
from tests.control.compliance.people import LABEL, ROWS, learned, released, snapshot
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite
from tests.security.test_audit_attacks import export, rejected, verifier

pytestmark = pytest.mark.integration

__all__ = ["verifier"]

DOCUMENT = "sha256:" + "d" * 64
PERSONAL = {"classification": "personal", "origin": "AE", "subject_key": "customer"}
DECLARED = {"purpose": "scheduling", "automated_decisions": False}


def spec(**settings: Any) -> PlatformSpec:
    """The default environments, of which `test` is in Germany too."""
    plain = PlatformSpec.default()
    count = {**plain.environments, "test": EnvironmentSpec("test", 1, ("local", "frankfurt"))}
    places = {"local": LocationSpec("local"), "frankfurt": LocationSpec("frankfurt", "cloud", "DE")}
    entity = {"jurisdiction": "AE", "regime": "mainland", "sector": "general", "name": "Example"}
    return replace(
        plain,
        environments=count,
        locations=places,
        policy_packs=("uae",),
        pack_settings={"uae": settings},
        entity=entity,
    )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    new_scene = open_scene(tmp_path, database)
    new_scene.settle(spec())
    yield new_scene
    database.close()


@pytest.fixture
def omar(scene: Scene) -> Principal:
    return scene.person("omar", "ml-engineer")


def recorded(scene: Scene, kind: RecordKind, **record_fields: Any) -> ComplianceRecord:
    new_record = ComplianceRecord(
        id="", kind=kind, model=MODEL, document=DOCUMENT, document_name="paper.pdf", made_by="user:noor", made_at=0.0,
        expires_at=scene.now + 30 * DAY_S,
    )  # fmt: skip
    with scene.platform.database.transaction() as session:
        return privacy.register(session, scene.platform.keyring, replace(new_record, **record_fields), scene.now)


def basis(scene: Scene, **record_fields: Any) -> ComplianceRecord:
    transfer = {"regime": "pdpl", "destination": "DE", "purpose": "scheduling", "mechanism": "contract"}
    return recorded(scene, RecordKind.TRANSFER, **{**transfer, **record_fields})


def refused(scene: Scene, who: Principal, release_row: ReleaseRow, *rules: str, to: str = "test") -> str:
    """The request is refused by exactly these rules, and nothing came of it."""
    with pytest.raises(ForbiddenError) as caught:
        scene.request(who, release_row, to)
    assert caught.value.decision.policy_ids == tuple(sorted(rules)), caught.value
    with scene.platform.database.reading() as session:
        assert session.query(ChangeRow).filter_by(environment=to).count() == 0
    return caught.value.message


def in_dev(scene: Scene, flights: dict[str, Any], *, assessed: bool = True, **more: Any) -> ReleaseRow:
    if assessed:
        recorded(scene, RecordKind.ASSESSMENT)
    release_row = scene.release(flights=flights, trained={**DECLARED, **more.pop("trained", {})}, **more)
    scene.to_dev(release_row)
    return release_row


# Where data may go


def test_with_a_basis_and_an_assessment_personal_data_may_go_abroad(scene: Scene, omar: Principal) -> None:
    release_row = in_dev(scene, PERSONAL)
    basis(scene)
    assert scene.promoted(omar, release_row, "test").state == "done"


@pytest.mark.parametrize(
    ("classification", "rule"), [("health", "uae-health"), ("banking", "uae-banking"), ("government", "uae-government")]
)
def test_a_health_bank_or_government_model_to_another_jurisdiction(
    scene: Scene, omar: Principal, classification: str, rule: str
) -> None:
    """The fixed rule refuses it beside the pack, whatever is recorded."""
    recorded(scene, RecordKind.BIAS)
    release_row = in_dev(scene, {"classification": classification, "origin": "AE"})
    basis(scene, regime="health", mechanism="exception", authority="DoH 1", note="MD 51/2021")
    basis(scene, regime="cbuae", mechanism="approval", authority="CBUAE 1", consent=True)
    extra = (rule,) if classification == "government" else ()
    refused(scene, omar, release_row, "residency", *extra)


@pytest.mark.parametrize(
    ("sector", "rule"), [("health", "uae-health"), ("banking", "uae-banking"), ("insurance", "uae-banking")]
)
def test_personal_data_of_a_clinic_or_bank_to_another_jurisdiction(
    scene: Scene, omar: Principal, sector: str, rule: str
) -> None:
    recorded(scene, RecordKind.BIAS)
    release_row = in_dev(scene, {**PERSONAL, "sector": sector})
    basis(scene)
    refusal = refused(scene, omar, release_row, rule)
    assert f"denied by {rule}: " in refusal and "falaj privacy record add transfer" in refusal


def test_a_transfer_without_a_basis(scene: Scene, omar: Principal) -> None:
    refusal = refused(scene, omar, in_dev(scene, PERSONAL), "uae-transfer")
    assert "pdpl data to DE for scheduling has no basis" in refusal


@pytest.mark.parametrize(
    "another", [{"destination": "FR"}, {"purpose": "marketing"}, {"model": "another"}, {"regime": "difc"}], ids=str
)
def test_a_basis_for_something_else(scene: Scene, omar: Principal, another: dict[str, str]) -> None:
    release_row = in_dev(scene, PERSONAL)
    basis(scene, **another)
    refused(scene, omar, release_row, "uae-transfer")


def test_a_purpose_that_is_not_declared_fits_no_basis(scene: Scene, omar: Principal) -> None:
    release_row = in_dev(scene, PERSONAL, trained={"purpose": ""})
    basis(scene)
    assert "purpose: ..." in refused(scene, omar, release_row, "uae-transfer")


def test_a_basis_that_has_expired(scene: Scene, omar: Principal) -> None:
    release_row = in_dev(scene, PERSONAL)
    basis(scene, expires_at=scene.now + 60)
    scene.wait(61)
    assert "it has expired" in refused(scene, omar, release_row, "uae-transfer")


def test_a_basis_that_was_withdrawn(scene: Scene, omar: Principal) -> None:
    release_row, transfer_basis = in_dev(scene, PERSONAL), basis(scene)
    with scene.platform.database.transaction() as session:
        privacy.withdraw(session, transfer_basis.id, "user:noor", "the contract ended", scene.now)
    refused(scene, omar, release_row, "uae-transfer")


def test_a_basis_expires_between_request_and_admission(scene: Scene, omar: Principal) -> None:
    release_row = in_dev(scene, PERSONAL)
    basis(scene, expires_at=scene.now + 60)
    pending_change = scene.request(omar, release_row, "test")
    scene.wait(61)
    scene.work()
    row = scene.change(pending_change.id)
    assert row.state == "invalidated" and "uae-transfer" in row.data["ended_because"]


def test_a_basis_expires_under_a_live_release(scene: Scene, omar: Principal) -> None:
    """It is not admitted again, which is told once; everything else is."""
    release_row = in_dev(scene, PERSONAL)
    basis(scene, expires_at=scene.now + 60)
    live = scene.promoted(omar, release_row, "test")
    scene.wait(ADMISSION_LIFE_S * 0.6)
    for _ in range(2):
        with scene.platform.database.transaction() as session:
            renewed = changes.renew(scene.platform.turn(session))
    with scene.platform.database.reading() as session:
        refusal_events = session.query(EventRow).filter_by(kind="change.renewal-refused").all()
    assert renewed == 0 and [each.subject for each in refusal_events] == [f"change/{live.id}"]
    assert "uae-transfer" in refusal_events[0].data["reason"]


def test_a_basis_that_is_changed_in_the_database(scene: Scene, omar: Principal) -> None:
    """Another document, another destination, another end: what is not as it was signed does not count."""
    release_row, transfer_basis = in_dev(scene, PERSONAL), basis(scene, destination="FR")
    fitting = basis(scene)
    with scene.platform.database.transaction() as session:
        stolen = dict(session.get_one(PrivacyRecordRow, fitting.id).envelope)
        session.delete(session.get_one(PrivacyRecordRow, fitting.id))
        session.get_one(PrivacyRecordRow, transfer_basis.id).envelope = stolen
    refused(scene, omar, release_row, "uae-transfer")
    with scene.platform.database.transaction() as session:
        forged = json.loads(json.dumps(stolen).replace(stolen["payload"][:40], stolen["payload"][:39] + "A"))
        session.get_one(PrivacyRecordRow, transfer_basis.id).envelope = forged
    refused(scene, omar, release_row, "uae-transfer")


def test_while_the_pack_is_off_only_the_fixed_rule_holds(tmp_path: Path) -> None:
    database = migrated_sqlite(tmp_path / "falaj.db")
    scene = open_scene(tmp_path, database)
    scene.settle(replace(spec(), policy_packs=(), pack_settings={}))
    omar, release_row = scene.person("omar", "ml-engineer"), in_dev(scene, PERSONAL, assessed=False)
    assert scene.promoted(omar, release_row, "test").state == "done"
    database.close()


# What must be known of a model


def test_a_promotion_without_an_impact_assessment(scene: Scene) -> None:
    release_row = scene.release(flights=PERSONAL, trained=DECLARED)
    recorded(scene, RecordKind.ASSESSMENT, model="another")
    with pytest.raises(ForbiddenError, match=r"uae-impact-assessment.*there is none for flight-delay"):
        scene.to_dev(release_row)


def test_a_training_without_an_impact_assessment(scene: Scene) -> None:
    scene.release()
    source = SourceSpec("flights", "file://x.csv", "personal", "AE")
    project = ProjectSpec(MODEL, "o@example.org", data={"flights": source}, privacy=PrivacySpec("scheduling", False))
    worker = Principal(WORKER, PrincipalKind.WORKLOAD)
    platform = scene.platform

    def answer_text() -> str:
        return data_subjects.refusal(platform.database, platform.keyring, worker, "run1", project, scene.now)

    recorded(scene, RecordKind.ASSESSMENT, model="another")
    recorded(scene, RecordKind.BIAS)
    assert "denied by uae-impact-assessment-training" in answer_text()
    with platform.database.reading() as session:
        denied = audit.entries(session, audit.EntryFilter(kind="access.denied", subject="run/run1"))
    assert [each.outcome for each in denied] == ["denied"]
    recorded(scene, RecordKind.ASSESSMENT)
    assert answer_text() == ""


def test_a_model_that_decides_about_people_without_a_human_to_ask(scene: Scene) -> None:
    recorded(scene, RecordKind.ASSESSMENT)
    release_row = scene.release(flights=PERSONAL, trained={**DECLARED, "automated_decisions": True})
    with pytest.raises(ForbiddenError, match=r"uae-human-review.*human_review: ADDRESS"):
        scene.to_dev(release_row)


def test_a_bias_evaluation_of_another_model_or_of_last_year(scene: Scene, omar: Principal) -> None:
    basis(scene)
    declarations = {"automated_decisions": True, "human_review": "review@example.ae"}
    release_row = in_dev(scene, PERSONAL, trained=declarations)
    recorded(scene, RecordKind.BIAS, model="another")
    refused(scene, omar, release_row, "uae-bias-evaluation")
    recorded(scene, RecordKind.BIAS, expires_at=scene.now + 60)
    scene.wait(61)
    assert "the last one has expired" in refused(scene, omar, release_row, "uae-bias-evaluation")


def test_what_the_officer_did_not_approve_waits(tmp_path: Path) -> None:
    database = migrated_sqlite(tmp_path / "falaj.db")
    scene = open_scene(tmp_path, database)
    scene.settle(spec(dpo="noor"))
    omar, ana = scene.person("omar", "ml-engineer"), scene.person("ana", "release-manager")
    noor, release_row = scene.person("noor", "release-manager"), in_dev(scene, PERSONAL)
    basis(scene)
    scene.promoted(omar, release_row, "test")
    pending_change = scene.request(omar, release_row, "pre-prod")
    assert scene.approve(ana, pending_change.id).state == "awaiting_approval"
    assert scene.approve(noor, pending_change.id).state == "approved"
    database.close()


# What people ask for


@pytest.fixture
def app(scene: Scene) -> FastAPI:
    grant(scene.platform.database, "root", "admin")
    grant(scene.platform.database, "eve", "ml-engineer")
    return app_of(scene.platform)


@pytest.fixture
def root(app: FastAPI) -> TestClient:
    return acting_as(app, "root")


def erased(client: TestClient, subject: str = "A-17", **more: Any) -> Any:
    return client.post("/api/v1/privacy/subjects/erase", json={"subject": subject, "reason": "asked for", **more})


def test_only_who_manages_privacy_asks_about_people(app: FastAPI) -> None:
    for path, body in (("find", {}), ("export", {}), ("erase", {"reason": "x"})):
        answer = acting_as(app, "eve").post(f"/api/v1/privacy/subjects/{path}", json={"subject": "A-17", **body})
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")


def test_a_person_who_was_erased_is_not_found_and_nothing_that_held_them_can_be_read(
    scene: Scene, root: TestClient, verifier: ModuleType
) -> None:
    platform, data_snapshot = scene.platform, snapshot(scene.platform)
    learned(platform, data_snapshot, now=scene.now)
    table, model = released(platform, data_snapshot, scene.folder, scene.now)
    before = root.post("/api/v1/privacy/subjects/find", json={"subject": "A-17"}).json()
    assert [each["name"] for each in before["releases"]] == ["churn@1"] and len(before["snapshots"]) == 1
    earlier = export(platform, scene.folder / "before")
    erasure_report = erased(root).json()
    assert (erasure_report["snapshots"], erasure_report["derived"], erasure_report["flagged"]) == (
        [data_snapshot.digest],
        1,
        ["churn@1"],
    )
    assert "Copies" in erasure_report["note"]
    after = root.post("/api/v1/privacy/subjects/find", json={"subject": "A-17"}).json()
    assert (after["snapshots"], after["releases"], after["erased_at"]) == ([], [], scene.now)
    assert not platform.store.has(Digest(data_snapshot.digest)) and not platform.store.has(table)
    assert platform.store.has(model)
    assert root.post("/api/v1/privacy/subjects/export", json={"subject": "A-17"}).json() == []
    other = root.post("/api/v1/privacy/subjects/find", json={"subject": "B-23"}).json()
    assert other["snapshots"][0]["erased_at"] == scene.now and [each["name"] for each in other["releases"]] == [
        "churn@1"
    ]
    checkpoint = scene.folder / "kept"
    checkpoint.write_text(json.loads((earlier / "checkpoints.jsonl").read_text().splitlines()[-1])["text"])
    whole = export(platform, scene.folder / "after")
    assert rejected(verifier, whole, checkpoint) == ""
    for file in (scene.folder / "after").iterdir():
        assert "A-17" not in file.read_text()


def test_an_erased_person_who_is_back_in_the_source_makes_no_release(scene: Scene, root: TestClient) -> None:
    platform, data_snapshot = scene.platform, snapshot(scene.platform)
    learned(platform, data_snapshot, now=scene.now)
    erased(root)
    again = snapshot(platform)
    grown = snapshot(platform, ROWS + "C-1;Ajman;0\n")
    for back in (again, grown):
        outcome = RunResult("succeeded", model="churn", digest="sha256:" + "0" * 64, readings=(back,))
        run_outcome, _ = data_subjects.search(platform.database, platform.vault, platform.store, outcome)
        assert run_outcome.state == "rejected" and "churn/customers (1)" in run_outcome.reason
    clean = snapshot(platform, "customer;city\nC-1;Ajman\n")
    outcome = RunResult("succeeded", model="churn", readings=(clean,))
    assert data_subjects.search(platform.database, platform.vault, platform.store, outcome)[0] == outcome
    learned(platform, again, now=scene.now + 1)
    found_again = root.post("/api/v1/privacy/subjects/find", json={"subject": "A-17"}).json()
    assert [each["digest"] for each in found_again["snapshots"]] == [data_snapshot.digest]


def test_what_law_keeps_is_neither_erased_nor_collected_nor_made_unreadable(scene: Scene, root: TestClient) -> None:
    platform = scene.platform
    data_snapshot = snapshot(platform, label=DataClassification("customers", "health", "health", "AE", "customer"))
    learned(platform, data_snapshot, now=scene.now)
    answer = erased(root)
    assert answer.status_code == 403 and "denied by uae-retention" in answer.json()["title"]
    assert "kept by law until 2052" in answer.json()["title"]
    assert Digest(data_snapshot.digest) in _roots(platform)
    (key,) = platform.store.encrypted_by(Digest(data_snapshot.digest))
    root.get("/api/v1/keys")
    destroyed = root.post(f"/api/v1/keys/{key}/destroy", json={"reason": "a clever way round"})
    assert destroyed.status_code == 403 and "uae-retention" in destroyed.json()["title"]
    assert platform.store.read_bytes(Digest(data_snapshot.digest)).startswith(b"customer")
    assert [each["state"] for each in root.get("/api/v1/privacy/requests").json()] == []
    scene.wait(25 * YEAR_S + 1)
    assert erased(root).status_code == 200
    assert not platform.store.has(Digest(data_snapshot.digest))


def test_a_milder_label_does_not_end_a_retention(scene: Scene, root: TestClient) -> None:
    data_snapshot = snapshot(
        scene.platform, label=DataClassification("customers", "health", "health", "AE", "customer")
    )
    learned(scene.platform, data_snapshot, now=scene.now)
    learned(scene.platform, replace(data_snapshot, label=LABEL), now=scene.now + 1)
    assert erased(root).status_code == 403


def test_an_erasure_that_was_interrupted_is_finished_by_asking_again(
    scene: Scene, root: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_snapshot = snapshot(scene.platform)
    learned(scene.platform, data_snapshot, now=scene.now)
    store = scene.platform.store
    with monkeypatch.context() as broken:
        broken.setattr(type(store), "erase", lambda *_args, **_kwargs: 1 / 0)
        assert erased(root).status_code == 500
    (pending,) = root.get("/api/v1/privacy/requests").json()
    assert pending["state"] == "erasing"
    assert erased(root, request=pending["id"]).json()["snapshots"] == [data_snapshot.digest]
    assert root.get("/api/v1/privacy/requests").json()[0]["state"] == "closed"


def test_a_key_of_the_persons_own_is_destroyed(scene: Scene, root: TestClient) -> None:
    platform = scene.platform
    learned(platform, snapshot(platform), now=scene.now)
    with platform.database.transaction() as session:
        person = privacy.hashed(privacy.secret_of(session, platform.vault), "A-17")
        key = secrets.subject_key(session, platform.keys, KeyScope(subject=person))
    assert erased(root).json()["keys"] == 1
    with pytest.raises(Exception, match="destroyed"):
        platform.keys.find(key.id)


# The report


MARKUP = '<script>alert("1")</script> | [x](javascript:1) & `y`'


def test_markup_in_names_is_text_in_the_report(scene: Scene) -> None:
    """Whatever people can write anywhere: sources, purposes, addresses, titles, file names."""
    basis(scene, document_name=MARKUP, purpose=MARKUP, destination="DE")
    with scene.platform.database.transaction() as session:
        breach = privacy.incidents.Breach(MARKUP, scene.now)
        privacy.incidents.open_incident(session, breach, DAY_S, "user:noor", scene.now)
    release_row = scene.release(flights=PERSONAL, trained={"purpose": MARKUP, "human_review": MARKUP})
    with scene.platform.database.transaction() as session:
        row = session.get_one(ReleaseRow, (MODEL, release_row.number))
        row.data = {**row.data, "owner": MARKUP, privacy.FLAG: MARKUP}
    with scene.platform.database.reading() as session:
        posture = posture_of(scene.platform.turn(session), encrypted=True)
    entity = replace(posture.rules.entity, name=MARKUP)
    posture = replace(posture, rules=replace(posture.rules, entity=entity))
    posture_findings, activities = evaluation.judge(posture), evaluation.activities(posture)
    page = evaluation.html_page(posture, posture_findings, activities)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert not any(loaded in page for loaded in (" src=", " href=", "url(", "http://", "https://"))
    text = evaluation.markdown_page(posture, posture_findings, activities)
    assert "<script" not in text.replace("\\<script", "") and "](javascript" not in text.replace("\\](", "")


def test_the_report_names_every_gap(scene: Scene, root: TestClient) -> None:
    in_dev(scene, PERSONAL)
    answer = root.get("/api/v1/compliance/uae").json()
    states = {each["id"]: each["state"] for each in answer["findings"]}
    assert states["pdpl-2"] == "met" and states["pdpl-10"] == "gap" and states["pdpl-21"] == "met"
    assert states["health-13"] == "not applicable" and states["ia"] == "ask a person"
    assert "not legal advice" in answer["html"] and "not legal advice" in answer["markdown"]
    assessed = next(each for each in answer["findings"] if each["id"] == "pdpl-21")
    assert DOCUMENT in assessed["evidence"][0]

"""Changes, the audit log and the stories of endpoints over the API, on a scene with real evidence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from falaj.sdk.audit import FILES
from falaj.supply_chain.attestations import SigningRole
from tests.api.people import acting_as
from tests.apps import app_of
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite

pytestmark = pytest.mark.integration

VERIFIER = Path(__file__).resolve().parents[2] / "auditors" / "verify_log.py"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Release 1 went to test; somebody asks for pre-prod."""
    folder = tmp_path_factory.mktemp("changes")
    database = migrated_sqlite(folder / "falaj.db")
    api_scene = open_scene(folder, database)
    omar, release = api_scene.person("omar", "ml-engineer"), api_scene.release()
    api_scene.person("rania", "release-manager")
    api_scene.person("noor", "auditor")
    api_scene.to_dev(release)
    api_scene.promoted(omar, release, "test")
    api_scene.wait(60)
    second = api_scene.release()
    api_scene.to_dev(second)
    api_scene.promoted(omar, second, "test")
    yield api_scene
    database.close()


@pytest.fixture(scope="module")
def app(scene: Scene) -> FastAPI:
    return app_of(scene.platform)


def test_a_change_is_asked_for_signed_and_approved(scene: Scene, app: FastAPI) -> None:
    omar = acting_as(app, "omar")
    request_body = {"release": f"{MODEL}@2", "environment": "pre-prod", "reason": "better"}
    response = omar.post("/api/v1/changes", json=request_body)
    assert (response.status_code, response.json()["state"]) == (201, "awaiting_approval")
    path = f"/api/v1/changes/{response.json()['id']}"
    assert omar.post(f"{path}/approve", json={"envelope": {}}).json()["code"] == "auth.forbidden"
    rania = next(iter([key for key in scene.keys if key == "user:rania"]))
    from falaj.core.principal import Principal, PrincipalKind
    from falaj.supply_chain.attestations.approval import sign_approval

    manager = acting_as(app, scene.fresh(Principal(rania, PrincipalKind.USER, email="rania@example.org")))
    approval_statement = manager.get(f"{path}/approval").json()["approval"]
    approved = manager.post(f"{path}/approve", json={"envelope": sign_approval(approval_statement, scene.keys[rania])})
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    assert [each["approver"] for each in approved.json()["approvals"]] == ["user:rania"]
    assert [each["id"] for each in omar.get("/api/v1/changes", params={"open": True}).json()] == [response.json()["id"]]
    assert scene.deployed(response.json()["id"]).state == "done"


def test_the_story_of_an_endpoint_now_and_then(scene: Scene, app: FastAPI) -> None:
    noor = acting_as(app, "noor")
    (now,) = noor.get(f"/api/v1/why/test/{MODEL}").json()
    assert (now["served"]["release"], now["run"]["trigger"], now["change"]["requester"]) == (2, "push", "user:omar")
    assert [each["release"] for each in now["before"]] == [1]
    (then,) = noor.get(f"/api/v1/why/test/{MODEL}", params={"at": now["served"]["began_at"] - 1}).json()
    assert (then["served"]["release"], then["served"]["ended_at"]) == (1, now["served"]["began_at"])
    nothing = noor.get(f"/api/v1/why/test/{MODEL}", params={"at": 5})
    assert (nothing.status_code, nothing.json()["code"]) == (404, "lineage.nothing-served")


def test_the_story_is_told_in_one_screen(scene: Scene, app: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    from falaj.cli.commands.lineage import tell
    from falaj.schemas import api
    from falaj.schemas.lineage import Why

    (story,) = acting_as(app, "noor").get(f"/api/v1/why/test/{MODEL}").json()
    tell(api.decode(Why, story))
    output = capsys.readouterr().out
    for part in ("serves release 2", "push of flights", "change", "user:omar: because", "release 1, "):
        assert part in output


def test_a_release_bundle_holds_the_decisions_and_their_proofs(app: FastAPI) -> None:
    bundle = acting_as(app, "noor").get(f"/api/v1/releases/{MODEL}@2/bundle").json()
    assert len(bundle["evidence"]) > 8
    assert len(bundle["log"]["inclusion"]) == len(bundle["evidence"])


def exported(scene: Scene, app: FastAPI, folder: Path) -> Path:
    answer = acting_as(app, "noor").get("/api/v1/audit/export")
    assert answer.status_code == 200
    folder.mkdir()
    texts = dict.fromkeys(FILES, "")
    for line in answer.text.splitlines():
        export_line = json.loads(line)
        texts[export_line["file"]] += (
            export_line["line"] if export_line["file"] == "leaves" else json.dumps(export_line["line"])
        ) + "\n"
    for name, text in texts.items():
        (folder / f"{name}.jsonl").write_text(text)
    (folder / "key.pem").write_text(scene.platform.keyring.signer(SigningRole.LOG).public_pem)
    return folder


def verdict(folder: Path, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-I", str(VERIFIER), str(folder), str(folder / "key.pem"), *more]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return process.returncode, process.stdout


def test_the_stand_alone_verifier_accepts_the_true_log(scene: Scene, app: FastAPI, tmp_path: Path) -> None:
    log = exported(scene, app, tmp_path / "log")
    code, output = verdict(log)
    assert (code, output.split(":")[0]) == (0, "ACCEPTED")
    earlier_file = tmp_path / "kept.txt"
    earlier_file.write_text(json.loads((log / "checkpoints.jsonl").read_text().splitlines()[0])["text"])
    assert verdict(log, "--earlier", str(earlier_file))[0] == 0
    earlier_file.write_text(earlier_file.read_text().replace("falaj/audit", "falaj/other"))
    assert verdict(log, "--earlier", str(earlier_file))[0] == 1


def test_the_stand_alone_verifier_rejects_every_changed_line(scene: Scene, app: FastAPI, tmp_path: Path) -> None:
    """One process for each kind of change; that every single line counts is tried in this process, which is faster."""
    log = exported(scene, app, tmp_path / "log")
    sys.path.insert(0, str(VERIFIER.parent))
    try:
        import verify_log
    finally:
        sys.path.pop(0)
    for name in FILES:
        path = log / f"{name}.jsonl"
        honest = path.read_text()
        lines = honest.splitlines(keepends=True)
        for index, line in enumerate(lines):
            if name == "leaves" and index + 1 < len(lines) and line != lines[index + 1]:
                swapped = [*lines[:index], lines[index + 1], line, *lines[index + 2 :]]
                assert_wrong(verify_log, log, path, swapped)
            changed = line.replace("a", "e", 1) if name != "details" else line.replace('salt": "', 'salt": "00', 1)
            assert changed != line
            assert_wrong(verify_log, log, path, [*lines[:index], changed, *lines[index + 1 :]])
        if name == "leaves":
            for cut in (lines[1:], lines[:-1], [*lines, lines[-1]], []):
                assert_wrong(verify_log, log, path, cut)
        if name == "checkpoints":
            assert_wrong(verify_log, log, path, [])
            assert_wrong(verify_log, log, path, lines[:-1])
        path.write_text(honest)
    verify_log.check(log, log / "key.pem")
    other = scene.platform.keyring.signer(SigningRole.ADMISSION).public_pem
    (log / "key.pem").write_text(other)
    assert verdict(log)[0] == 1


def assert_wrong(verify_log: object, log: Path, path: Path, lines: list[str]) -> None:
    path.write_text("".join(lines))
    with pytest.raises((verify_log.WrongError, ValueError, KeyError)):  # type: ignore[attr-defined]
        verify_log.check(log, log / "key.pem")  # type: ignore[attr-defined]


def test_erased_details_break_no_proof(scene: Scene, app: FastAPI, tmp_path: Path) -> None:
    from sqlalchemy import text

    with scene.platform.database.transaction() as session:
        session.execute(text('DELETE FROM audit_details WHERE "index" < 5'))
        session.execute(text("DELETE FROM audit_pseudonyms"))
    assert verdict(exported(scene, app, tmp_path / "log"))[0] == 0
    shown = acting_as(app, "noor").get("/api/v1/audit/entries", params={"sort": "index", "limit": 5}).json()
    assert [each["details"] for each in shown] == [None] * 5

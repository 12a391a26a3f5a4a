"""Attacks on what a location serves: each is refused with its code, by a verifier that has no one to ask."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from falaj.supply_chain.attestations import (
    SigningRole,
    Snapshot,
    bundle_of,
    load_or_create_key,
    read_bundle,
    sign_statement,
    write_bundle,
)
from tests.supply_chain.attestations.admitted import HOUR_S, NOW, Log, World, make_world
from tests.supply_chain.attestations.releases import (
    EVAL_OF_RUN,
    PROVENANCE_OF_RUN,
    SCAN_OF_RUN,
    TRAIN_OF_RUN,
    WEATHER,
    check,
    make,
    mlbom,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_an_honest_admission_is_believed(world: World, tmp_path: Path) -> None:
    verification_result = world.verify()
    assert verification_result.ok, verification_result.problems
    assert verification_result.checkpoint == world.log.checkpoint()
    write_bundle(world.release.folder, world.bundle())
    assert world.verify(world.release.folder, model_dir=None).ok


# The files


def test_tampered_weights(world: World) -> None:
    (world.release.folder / "model" / "data" / "weights.bin").write_bytes(b"Weights")
    assert world.codes() == ["evidence.model-changed"]


@pytest.mark.parametrize("name", ["extra.py", ".git/config", ".gitignore", "model.sig", "data/.hidden"])
def test_planted_file(world: World, name: str) -> None:
    planted = world.release.folder / "model" / name
    planted.parent.mkdir(exist_ok=True)
    planted.write_text("print('hello')")
    assert world.codes() == ["evidence.model-changed"]


def test_symlink(world: World, tmp_path: Path) -> None:
    weights = world.release.folder / "model" / "data" / "weights.bin"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    assert world.codes() == ["evidence.bundle"]


def test_device(world: World) -> None:
    os.mkfifo(world.release.folder / "model" / "pipe")
    assert world.codes() == ["evidence.bundle"]


# Who signs what


@pytest.mark.parametrize("role", [role for role in SigningRole if role is not SigningRole.ADMISSION])
def test_no_other_role_admits(world: World, role: SigningRole) -> None:
    codes = world.codes(world.bundle(world.decided(signer=world.keys.signer(role))))
    assert codes == ["evidence.wrong-signer", "admission.missing"]


@pytest.mark.parametrize("role", list(SigningRole))
def test_no_role_approves(world: World, role: SigningRole) -> None:
    """A scan key that signs an approval, and every other key of the platform."""
    forged = world.approved("carla", signer=world.keys.signer(role))
    codes = world.codes(world.bundle(world.decided([forged, world.approved("dalal")])))
    assert codes == ["evidence.wrong-signer", "admission.approval", "admission.quorum"]


def test_no_role_is_a_person(world: World) -> None:
    scanner = world.keys.signer(SigningRole.SCANNER)
    posing = world.identified("carla", key_id=scanner.key_id, pem=scanner.public_pem)
    decided = world.decided(
        [world.approved("carla", signer=scanner), world.approved("dalal")], [posing, world.identified("dalal")]
    )
    assert "admission.identity" in world.codes(world.bundle(decided))


def test_scanner_judges_gates(world: World) -> None:
    world.release.sign_again("eval", EVAL_OF_RUN.as_dict(), signer=world.keys.signer(SigningRole.SCANNER))
    assert world.codes()[:2] == ["evidence.wrong-signer", "evidence.missing"]


def test_identity_from_nobody(world: World, tmp_path: Path) -> None:
    stranger = load_or_create_key(tmp_path / "stranger.pem")
    decided = world.decided(identities=[world.identified("carla", signer=stranger), world.identified("dalal")])
    assert "evidence.untrusted-key" in world.codes(world.bundle(decided))


def test_forged_approval_by_a_stranger(world: World, tmp_path: Path) -> None:
    stranger = load_or_create_key(tmp_path / "stranger.pem")
    decided = world.decided([world.approved("carla", signer=stranger), world.approved("dalal")])
    assert world.codes(world.bundle(decided)) == ["evidence.untrusted-key", "admission.approval", "admission.quorum"]


def test_forged_approval_under_a_known_key_id(world: World, tmp_path: Path) -> None:
    posing = replace(load_or_create_key(tmp_path / "stranger.pem"), key_id=world.person("carla").signer.key_id)
    decided = world.decided([world.approved("carla", signer=posing), world.approved("dalal")])
    assert world.codes(world.bundle(decided)) == ["evidence.signature", "admission.approval", "admission.quorum"]


@pytest.mark.parametrize("change", [{"environment": "prod"}, {"digest": "sha256:" + "7" * 64}, {"rank": 3}])
def test_approval_edited_after_it_was_signed(world: World, change: dict[str, Any]) -> None:
    approval = world.approved("carla", environment="test", rank=1)
    statement = json.loads(base64.b64decode(approval["payload"]))
    statement["predicate"] |= change
    edited = approval | {"payload": base64.b64encode(json.dumps(statement, sort_keys=True).encode()).decode()}
    codes = world.codes(world.bundle(world.decided([edited, world.approved("dalal")])))
    assert codes == ["evidence.signature", "admission.approval", "admission.quorum"]


def test_expired_identity_signs(world: World) -> None:
    late = world.identified("carla", not_after=NOW - 2 * HOUR_S)
    decided = world.decided(identities=[late, world.identified("dalal")])
    assert world.codes(world.bundle(decided)) == ["admission.identity", "admission.quorum"]


# People


def test_one_person_twice(world: World) -> None:
    twice = [world.approved("carla"), world.approved("carla", approved_at=NOW - 30.0)]
    assert world.codes(world.bundle(world.decided(twice))) == ["admission.quorum"]


def test_the_same_approval_twice(world: World) -> None:
    approval = world.approved("carla")
    assert world.codes(world.bundle(world.decided([approval, approval]))) == ["admission.quorum"]


def test_one_person_with_two_keys(world: World, tmp_path: Path) -> None:
    second = load_or_create_key(tmp_path / "second.pem")
    identities = [
        world.identified("carla"), world.identified("carla", key_id=second.key_id, pem=second.public_pem),
    ]  # fmt: skip
    twice = [world.approved("carla"), world.approved("carla", signer=second)]
    assert world.codes(world.bundle(world.decided(twice, identities))) == ["admission.quorum"]


def test_one_person_with_two_accounts_of_one_address(world: World) -> None:
    second = world.identified("dalal", email="Carla@example.org")
    decided = world.decided(identities=[world.identified("carla"), second])
    assert world.codes(world.bundle(decided)) == ["admission.quorum"]


def test_one_key_under_two_names(world: World) -> None:
    key = world.person("carla").signer
    identities = [
        world.identified("carla"),
        world.identified("dalal", key_id=key.key_id, pem=key.public_pem),
    ]
    approvals = [world.approved("carla"), world.approved("dalal", signer=key)]
    codes = world.codes(world.bundle(world.decided(approvals, identities)))
    assert "admission.identity" in codes and "admission.quorum" in codes


def test_a_key_id_that_is_not_of_the_key(world: World) -> None:
    wrong = world.identified("carla", pem=world.person("dalal").signer.public_pem)
    codes = world.codes(world.bundle(world.decided(identities=[wrong, world.identified("dalal")])))
    assert "admission.identity" in codes and "admission.quorum" in codes


def test_approval_in_the_name_of_another(world: World) -> None:
    posing = world.approved("dalal", signer=world.person("carla").signer)
    decided = world.decided([world.approved("carla"), posing])
    assert world.codes(world.bundle(decided)) == ["admission.identity", "admission.quorum"]


def test_the_requester_approves(world: World) -> None:
    identities = [world.identified("badr"), world.identified("dalal")]
    decided = world.decided([world.approved("badr"), world.approved("dalal")], identities)
    assert world.codes(world.bundle(decided)) == ["admission.self-approval", "admission.quorum"]


def test_the_author_approves(tmp_path: Path) -> None:
    world = make_world(tmp_path, author="Carla <CARLA@example.org>")
    assert world.codes() == ["admission.self-approval", "admission.quorum"]


def test_fewer_people_than_the_location_asks_for(world: World) -> None:
    """The control plane is taken over and asks for nobody: the location's own floor stands."""
    bundle = world.bundle(world.decided([], [], quorum=0))
    assert world.codes(bundle) == []
    assert world.codes(bundle, floors={"prod": 2}) == ["admission.quorum"]


def test_approval_left_out_of_the_bundle(world: World) -> None:
    decided = world.decided()
    assert world.codes(world.bundle([*decided[:3], *decided[4:]])) == ["admission.approval", "admission.quorum"]


# What is approved


@pytest.mark.parametrize(
    "change",
    [
        {"change": "c-2"},
        {"kind": "emergency"},
        {"release": "flight-delay@2"},
        {"environment": "test"},
        {"rank": 1},
        {"snapshots": (WEATHER,)},
        {"gates_digest": "sha256:" + "5" * 64},
        {"approved_at": NOW + HOUR_S, "expires_at": NOW + 2 * HOUR_S},
        {"expires_at": NOW - HOUR_S},
        {"approved_at": NOW},
    ],
    ids=str,
)
def test_approval_of_something_else(world: World, change: dict[str, Any]) -> None:
    """Of another release, digest, environment, kind or data; given in the future, expired, or after the fact."""
    other = world.approved("carla", **change)
    decided = world.decided([other, world.approved("dalal")], not_before=NOW - 120.0)
    assert world.codes(world.bundle(decided)) == ["admission.approval", "admission.quorum"]


@pytest.mark.parametrize("change", [{"digest": "sha256:" + "7" * 64}, {"commit": "7f" * 20}], ids=str)
def test_approval_of_another_digest_or_commit(world: World, change: dict[str, Any]) -> None:
    decided = world.decided([world.approved("carla", **change), world.approved("dalal")])
    assert world.codes(world.bundle(decided)) == ["evidence.lineage", "admission.approval", "admission.quorum"]


# Where and when


@pytest.mark.parametrize(
    "change",
    [
        {"environment": "test", "rank": 1},
        {"location": "frankfurt"},
        {"jurisdiction": "DE"},
        {"release": 2},
        {"kind": "unknown"},
    ],
    ids=str,
)
def test_admission_for_elsewhere(world: World, change: dict[str, Any]) -> None:
    """Another environment, location, jurisdiction or release; nobody had to approve, so nothing else is wrong."""
    assert world.codes(world.bundle(world.decided([], [], quorum=0, **change))) == ["admission.elsewhere"]


def test_skipped_environment(world: World) -> None:
    """An admission for test is no admission for prod, whatever was approved."""
    test = {"environment": "test", "rank": 1}
    decided = world.decided([world.approved("carla", **test), world.approved("dalal", **test)], **test)
    assert world.codes(world.bundle(decided), environment="test") == []
    assert world.codes(world.bundle(decided)) == ["admission.elsewhere"]


def test_expired_admission(world: World) -> None:
    assert world.codes(world.bundle(), now=NOW + 24 * HOUR_S) == ["admission.expired"]


def test_early_admission(world: World) -> None:
    assert world.codes(world.bundle(), now=NOW - 600.0) == ["admission.early"]


def test_no_admission(world: World) -> None:
    assert world.codes(world.bundle(world.decided()[:-1])) == ["admission.missing"]


def test_admission_of_another_release(world: World, tmp_path: Path) -> None:
    other = make(tmp_path / "other", world.keys, weights=b"better weights")
    decided = world.decided([], [], quorum=0, digest=other.digest)
    assert "evidence.lineage" in world.codes(world.bundle(decided))


def test_admission_that_names_another_digest_than_its_subject(world: World) -> None:
    decision = world.admission([], quorum=0)
    honest, lying = decision.statement(), replace(decision, digest="sha256:" + "7" * 64)
    signed = sign_statement(replace(honest, predicate=lying.as_dict()), world.keys.signer(SigningRole.ADMISSION))
    assert world.codes(world.bundle([signed])) == ["evidence.lineage"]


def test_health_data_of_the_emirates_elsewhere(tmp_path: Path) -> None:
    world = make_world(tmp_path, health=True)
    assert world.codes() == []
    abroad = world.decided(jurisdiction="DE")
    assert world.codes(world.bundle(abroad), jurisdiction="DE") == ["admission.residency"]
    assert world.codes(world.bundle(abroad), jurisdiction=None) == ["admission.residency"]


# What belongs together


def test_empty_scan(world: World) -> None:
    nothing = replace(SCAN_OF_RUN, checks=(replace(check("model-files"), checked=0),))
    world.release.sign_again("scan", nothing.as_dict(), signer=world.keys.signer(SigningRole.SCANNER))
    assert world.codes() == ["evidence.nothing-checked"]


@pytest.mark.parametrize(
    ("kind", "predicate", "role"),
    [
        ("eval", replace(EVAL_OF_RUN, run="another-run").as_dict(), SigningRole.CHECKER),
        ("scan", replace(SCAN_OF_RUN, commit="7f" * 20).as_dict(), SigningRole.SCANNER),
        (
            "train",
            replace(TRAIN_OF_RUN, snapshots=(Snapshot("weather", "sha256:" + "9" * 64),)).as_dict(),
            SigningRole.BUILDER,
        ),
        ("provenance", replace(PROVENANCE_OF_RUN, commit="7f" * 20).as_dict(), SigningRole.BUILDER),
        ("mlbom", mlbom("sha256:" + "7" * 64).as_dict(), SigningRole.BUILDER),
        ("mlbom", replace(mlbom("sha256:" + "7" * 64), run="another-run").as_dict(), SigningRole.BUILDER),
    ],
)
def test_lineage_mismatch(world: World, kind: str, predicate: dict[str, Any], role: SigningRole) -> None:
    world.release.sign_again(kind, predicate, signer=world.keys.signer(role))
    bundle = world.bundle(world.decided([], [], quorum=0))
    assert world.codes(bundle) == ["evidence.lineage"]


def test_bill_of_materials_without_a_snapshot(world: World) -> None:
    bill = mlbom(world.release.digest, WEATHER)
    world.release.sign_again("mlbom", bill.as_dict(), signer=world.keys.signer(SigningRole.BUILDER))
    assert world.codes() == ["evidence.lineage"]


@pytest.mark.parametrize("name", ["07.json", "08.json"])
def test_evidence_missing(world: World, name: str) -> None:
    (world.release.folder / "evidence" / name).unlink()
    assert "evidence.missing" in world.codes()


# The log


def test_unlogged_evidence(world: World) -> None:
    """Everything is signed properly, and one approval never went into the log."""
    decided = world.decided()
    envelopes = [*world.evidence, *decided]
    world.log.add(*(item for item in envelopes if item is not decided[2]))
    bundle = bundle_of(read_bundle(world.release.folder).release, envelopes, world.log.proof(envelopes))
    assert world.codes(bundle) == ["admission.not-logged"]


def test_no_log_at_all(world: World) -> None:
    assert world.codes(replace(world.bundle(), log={})) == ["admission.log"]
    assert world.codes(world.bundle(), log_key=None) == ["admission.log"]
    assert world.codes(replace(world.bundle(), log={}), require_log=False) == []


def test_proof_for_another_envelope(world: World) -> None:
    bundle = world.bundle()
    first, second, *_ = sorted(bundle.log["inclusion"])
    swapped = bundle.log["inclusion"] | {first: bundle.log["inclusion"][second]}
    assert world.codes(replace(bundle, log={**bundle.log, "inclusion": swapped})) == ["admission.not-logged"]


@pytest.mark.parametrize(
    "change",
    [
        {"index": 1},
        {"index": -1},
        {"index": 10**30},
        {"index": True},
        {"proof": []},
        {"proof": ["zz"]},
        {"proof": [7]},
        {"proof": ["00" * 32] * 100},
        {"leaf": "{"},
        {"leaf": "[]"},
        {"leaf": "\ud800"},
    ],
    ids=repr,
)
def test_broken_inclusion_proof(world: World, change: dict[str, Any]) -> None:
    bundle = world.bundle()
    digest = next(key for key, entry in bundle.log["inclusion"].items() if entry["index"] == 0)
    damaged = {**bundle.log["inclusion"], digest: bundle.log["inclusion"][digest] | change}
    assert world.codes(replace(bundle, log={**bundle.log, "inclusion": damaged})) == ["admission.not-logged"]


def test_checkpoint_by_another_key(world: World) -> None:
    bundle = world.bundle()
    other = Log(world.keys.signer(SigningRole.ADMISSION), leaves=world.log.leaves).checkpoint()
    assert world.codes(replace(bundle, log={**bundle.log, "checkpoint": other})) == ["admission.log"]


def test_checkpoint_edited(world: World) -> None:
    bundle = world.bundle()
    size = len(world.log.leaves)
    edited = world.log.checkpoint().replace(f"\n{size}\n", f"\n{size + 1}\n")
    assert world.codes(replace(bundle, log={**bundle.log, "checkpoint": edited})) == ["admission.log"]


def test_stale_checkpoint(world: World) -> None:
    """A true checkpoint, older than the envelopes that it should hold."""
    old = world.log.checkpoint()
    bundle = world.bundle()
    assert "admission.not-logged" in world.codes(replace(bundle, log={**bundle.log, "checkpoint": old}))


def test_log_rollback(world: World) -> None:
    bundle = world.bundle()
    world.log.add({"later": 1})
    assert world.codes(bundle, last_seen_checkpoint=world.log.checkpoint()) == ["admission.log-rollback"]


def test_log_fork(world: World) -> None:
    """Two logs under one key: one shown to this location before, the other now."""
    earlier_log = Log(world.log.signer)
    earlier_log.add({"hidden": 1}, {"hidden": 2})
    bundle = world.bundle()
    for consistency in ([], world.log.proof([], earlier_size=2)["consistency"], ["00" * 32], "text", [1]):
        forked = replace(bundle, log={**bundle.log, "consistency": consistency})
        assert world.codes(forked, last_seen_checkpoint=earlier_log.checkpoint()) == ["admission.log-fork"]


def test_log_fork_of_the_same_size(world: World) -> None:
    bundle = world.bundle()
    earlier_log = Log(world.log.signer, leaves=["{}"] * len(world.log.leaves))
    assert world.codes(bundle, last_seen_checkpoint=earlier_log.checkpoint()) == ["admission.log-fork"]


def test_log_of_another_origin(world: World) -> None:
    earlier_log = Log(world.log.signer, origin="falaj/other")
    assert world.codes(last_seen_checkpoint=earlier_log.checkpoint()) == ["admission.log-fork"]


def test_a_log_that_grew_is_believed_with_its_proof(world: World) -> None:
    world.log.add({"before": 1}, {"before": 2}, {"before": 3})
    earlier_checkpoint = world.log.checkpoint()
    bundle = world.bundle()
    proven = {**bundle.log, "consistency": world.log.proof([], earlier_size=3)["consistency"]}
    assert world.codes(bundle, last_seen_checkpoint=earlier_checkpoint) == ["admission.log-fork"]
    assert world.codes(replace(bundle, log=proven), last_seen_checkpoint=earlier_checkpoint) == []
    assert world.codes(replace(bundle, log=proven), last_seen_checkpoint=world.log.checkpoint()) == []


# Names


@pytest.mark.parametrize("name", ["a\nb", 'a"; permit', "a\u202eb", "<script>", "a" * 10_000])
def test_odd_names_are_data(world: World, name: str) -> None:
    approval = world.approved("carla", approver=f"user:{name}")
    codes = world.codes(world.bundle(world.decided([approval, world.approved("dalal")])))
    assert codes == ["admission.identity", "admission.quorum"]


def invented(world: World) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What whoever has the keys of the control plane makes: three people who exist nowhere, and their approvals."""
    people = ["eve-1", "eve-2", "eve-3"]
    approvals = [world.approved(name) for name in people]
    return world.decided(approvals, [world.identified(name) for name in people], quorum=2), {"prod": 3}


def test_people_whom_the_control_plane_invents_satisfy_no_floor_that_names_keys(world: World) -> None:
    decided, floors = invented(world)
    pins = {"prod": frozenset(world.person(name).signer.key_id for name in ("carla", "dalal", "eman"))}
    verification_result = world.verify(world.bundle(decided), floors=floors, approval_keys=pins)
    assert [(each.code, each.message) for each in verification_result.problems] == [
        ("admission.quorum", "0 of 3 people approved prod with keys that this location names")
    ]


def test_invented_people_do_not_fill_up_what_one_pinned_key_began(world: World) -> None:
    names = ["carla", "eve-1"]
    decided = world.decided([world.approved(each) for each in names], [world.identified(each) for each in names])
    pins = {"prod": frozenset(world.person(name).signer.key_id for name in ("carla", "dalal"))}
    assert [
        each.code for each in world.verify(world.bundle(decided), floors={"prod": 2}, approval_keys=pins).problems
    ] == ["admission.quorum"]


def test_people_with_the_keys_that_a_location_names_are_enough(world: World) -> None:
    pins = {"prod": frozenset(world.person(name).signer.key_id for name in ("carla", "dalal"))}
    assert world.verify(floors={"prod": 2}, approval_keys=pins).ok
    elsewhere = {"dev": frozenset({"0" * 64})}
    assert world.verify(floors={"prod": 2}, approval_keys=elsewhere).ok

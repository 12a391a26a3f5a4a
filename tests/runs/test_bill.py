"""What a run puts into the bill of materials, and that a document off its schema is no release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from falaj.evidence import MLBOM, load_or_create_key, sign_statement, statement
from falaj.runs.bill import keeps_schema, locked_packages, schema_problem
from falaj.runs.outcome import Outcome
from tests.evidence.releases import mlbom

DIGEST = "sha256:" + "4" * 64


def outcome(folder: Path, document: dict[str, Any]) -> Outcome:
    said = statement(MLBOM, [("model", DIGEST)], document)
    signed = sign_statement(said, load_or_create_key(folder / "key.pem"))
    return Outcome("succeeded", envelopes=[(MLBOM, signed)])


def test_packages_are_those_of_the_lockfile(tmp_path: Path) -> None:
    assert locked_packages(tmp_path) == ()
    (tmp_path / "requirements.txt").write_text("NumPy==2.1.0 --hash=sha256:00\nscipy\n")
    assert locked_packages(tmp_path) == (("numpy", "2.1.0"),)


def test_a_bill_that_keeps_the_schema_passes(tmp_path: Path) -> None:
    honest = outcome(tmp_path, mlbom(DIGEST).as_dict())
    assert keeps_schema(honest) is honest
    assert keeps_schema(Outcome("failed", "step fit")).reason == "step fit"


def test_a_bill_off_the_schema_rejects_the_run(tmp_path: Path) -> None:
    wrong = mlbom(DIGEST).as_dict() | {"specVersion": 7}
    assert "not CycloneDX 1.6" in schema_problem(wrong)
    rejected = keeps_schema(outcome(tmp_path, wrong))
    assert rejected.state == "rejected" and "not CycloneDX 1.6" in rejected.reason

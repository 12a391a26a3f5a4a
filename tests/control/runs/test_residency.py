"""Data goes to an executor where its labels and the rules in force let it, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from falaj.config import ProjectSpec, SourceSpec
from falaj.config.platform_spec import ExecutorSpec, PlatformSpec
from falaj.control import compliance
from falaj.control.runs.data_subjects import why_not_there
from falaj.storage import Database
from falaj.supply_chain.attestations import Keyring, open_keyring
from falaj.trust import configuration

pytestmark = pytest.mark.integration


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return open_keyring(tmp_path / "keys")


def project(classification: str, origin: str, subject_key: str = "") -> ProjectSpec:
    rows = SourceSpec("rows", "s3://b/rows", classification, origin, subject_key=subject_key)
    weather = SourceSpec("weather", "s3://b/weather", "public", "US")
    return ProjectSpec("m", "o", data={"rows": rows, "weather": weather}, steps={})


@pytest.mark.parametrize(
    ("classification", "origin", "subject_key", "data_from", "permitted"),
    [
        ("public", "SA", "", (), True),
        ("internal", "SA", "", (), True),
        ("personal", "SA", "", (), False),
        ("health", "SA", "", (), False),
        ("government", "SA", "", (), False),
        ("public", "SA", "person", (), False),
        ("personal", "AE", "", (), True),
        ("personal", "AE-DU", "", (), True),
        ("personal", "SA", "", ("SA",), True),
        ("personal", "SA", "", ("QA",), False),
    ],
)
def test_data_of_people_stays_in_its_country(
    database: Database,
    keyring: Keyring,
    classification: str,
    origin: str,
    subject_key: str,
    data_from: tuple[str, ...],
    permitted: bool,
) -> None:
    executor = ExecutorSpec("gpu", jurisdiction="AE", data_from=data_from)
    spec = project(classification, origin, subject_key)
    reason = why_not_there(database, keyring, spec, {"rows"}, executor, 1.0)
    assert (reason == "") is permitted
    assert permitted or ("`rows`" in reason and "'gpu' is in AE" in reason)
    assert why_not_there(database, keyring, spec, {"weather"}, executor, 1.0) == ""


def test_a_label_that_the_same_data_once_had_counts(database: Database, keyring: Keyring) -> None:
    label = compliance.DataClassification("rows", "personal", "general", "SA")
    with database.transaction() as session:
        compliance.keep_label(session, compliance.SourceReading("sha256:" + "a" * 64, "m/rows", "", label), 1.0)
    assert why_not_there(database, keyring, project("public", "US"), {"rows"}, ExecutorSpec("gpu"), 1.0)


def test_the_rules_of_a_pack_hold_besides(database: Database, keyring: Keyring) -> None:
    with database.transaction() as session:
        settings = replace(PlatformSpec.default(), policy_packs=("uae",), entity={"jurisdiction": "AE"})
        configuration.apply(session, settings, "user:root", 1.0)
    abroad = ExecutorSpec("gpu", jurisdiction="DE", data_from=("AE",))
    assert "uae-" in why_not_there(database, keyring, project("personal", "AE"), {"rows"}, abroad, 1.0)
    assert why_not_there(database, keyring, project("personal", "AE"), {"rows"}, ExecutorSpec("gpu"), 1.0) == ""

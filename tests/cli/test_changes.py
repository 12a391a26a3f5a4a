from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

pytestmark = pytest.mark.integration


def test_changes_are_listed_and_shown(falaj_served: Command) -> None:
    listed = falaj_served("change", "list")
    assert listed.returncode == 0
    assert "flight-delay@1" in listed.stdout
    assert "standard" in listed.stdout
    shown = falaj_served("change", "show", "change1")
    assert "requested  by workload:worker/local: run succeeded" in shown.stdout
    assert json.loads(falaj_served("change", "show", "change1", "--json").stdout)["quorum"] == 0
    assert falaj_served("change", "show", "nope").returncode == 3


def test_a_refused_promotion_says_by_which_rule(falaj_served: Command) -> None:
    refused = falaj_served("promote", "flight-delay@1", "--to", "prod")
    assert refused.returncode != 0
    assert "environment-skipped: the release has not passed the environment below" in refused.stderr
    unknown = falaj_served("promote", "flight-delay@1", "--to", "production")
    assert (unknown.returncode, "there are dev, test, pre-prod, prod" in unknown.stderr) == (3, True)
    assert falaj_served("promote", "flight-delay@1", "--to", "test", "--at", "tomorrow").returncode == 2


def test_an_approval_needs_somebody_who_is_logged_in(falaj_served: Command, tmp_path: Path) -> None:
    refused = falaj_served("approve", "change1", "--yes", FALAJ_CREDENTIALS=str(tmp_path / "nobody"))
    assert (refused.returncode, "nobody is logged in" in refused.stderr) == (2, True)


def test_an_endpoint_is_named_by_environment_and_model(falaj_served: Command) -> None:
    refused = falaj_served("change", "rollback", "flight-delay", "--reason", "odd")
    assert (refused.returncode, "is not ENVIRONMENT/MODEL" in refused.stderr) == (2, True)
    nothing = falaj_served("why", "prod/flight-delay")
    assert (nothing.returncode, "served nothing then" in nothing.stderr) == (3, True)


def test_a_live_release_is_not_archived(falaj_served: Command) -> None:
    assert "flight-delay@1" in falaj_served("release", "list").stdout
    refused = falaj_served("release", "retire", "flight-delay@1", "--reason", "old")
    assert (refused.returncode, "may not retire the release" in refused.stderr) == (7, True)


def test_the_log_is_shown_exported_and_verified(falaj_served: Command, tmp_path: Path) -> None:
    assert "evidence.signed" in falaj_served("audit", "list", "--limit", "100").stdout
    log, key = tmp_path / "log", tmp_path / "log.pem"
    assert falaj_served("audit", "export", str(log), "--key", str(key)).returncode == 0
    assert "verified" in falaj_served("audit", "verify", str(log), "--key", str(key)).stdout
    assert falaj_served("audit", "export", str(log)).returncode == 2
    assert "verified" in falaj_served("audit", "verify").stdout
    leaves = log / "leaves.jsonl"
    leaves.write_text(leaves.read_text().replace("evidence.signed", "evidence.sighed", 1))
    broken = falaj_served("audit", "verify", str(log), "--key", str(key))
    assert (broken.returncode, "are not those that were signed" in broken.stderr) == (5, True)
    assert falaj_served("audit", "checkpoint").stdout.startswith("falaj/audit/")
    assert "no entries" in falaj_served("audit", "list", "--since", "2126-01-01").stdout
    refused = falaj_served("audit", "redact", "0", "--reason", "a request")
    assert (refused.returncode, "manage-privacy" in refused.stderr) == (7, True)
    assert falaj_served("audit", "redact", "0").returncode == 2


def test_lineage_of_what_is_not_known(falaj_served: Command) -> None:
    assert "nothing is known" in falaj_served("lineage", "release:none@1").stdout
    assert falaj_served("lineage", "nonsense").returncode == 2

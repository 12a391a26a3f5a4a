"""People in the data of a real run, under the rules of the UAE: trained by permission, found, exported, erased."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, installed

pytestmark = pytest.mark.e2e

PASSWORD = "a long walk by the creek\n"
PROJECT = """\
model: churn
owner: retail@example.ae
data:
  customers: {source: "file://customers.csv", classification: personal, origin: AE, subject_key: customer}
privacy: {purpose: churn, automated_decisions: false}
pipeline:
  prepare: {run: "churn.steps:prepare", inputs: [customers]}
"""
ROWS = "customer,city\nA-17,Dubai\nB-23,Sharjah\n"
STEPS = """\
from pathlib import Path


def prepare(customers: Path) -> dict:
    return {"characters": len(customers.read_text())}
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home") as instance:
        yield instance


@pytest.fixture
def checkout(platform: Installation, tmp_path: Path) -> Path:
    folder = tmp_path / "churn"
    (folder / "src" / "churn").mkdir(parents=True)
    (folder / "src" / "churn" / "__init__.py").touch()
    (folder / "src" / "churn" / "steps.py").write_text(STEPS)
    (folder / "customers.csv").write_text(ROWS)
    (folder / "falaj.yaml").write_text(PROJECT)
    return platform.repository(folder, "churn")


def ruled_by_root(platform: Installation, folder: Path) -> None:
    """An administrator turns the pack on."""
    link = (platform.home / "setup-link").read_text().strip()
    platform.ok(
        "access",
        "bootstrap",
        link,
        "--name",
        "root",
        "--email",
        "root@example.ae",
        "--password-stdin",
        stdin_text=PASSWORD,
    )
    file = folder / "platform.yaml"
    file.write_text("policy_packs: [uae]\nentity: {name: Retail, jurisdiction: AE, sector: general}\n")
    platform.ok("platform", "apply", "-f", str(file))


def test_a_run_is_trained_by_permission_and_its_people_are_found_and_erased(
    platform: Installation, checkout: Path, tmp_path: Path
) -> None:
    ruled_by_root(platform, tmp_path)
    refused = platform.ended(platform.push(checkout, "First"))
    assert refused["state"] == "rejected" and "uae-impact-assessment-training" in refused["reason"]
    (tmp_path / "dpia.pdf").write_bytes(b"assessed")
    document = ["--document", str(tmp_path / "dpia.pdf"), "--expires", "2099-01-01"]
    platform.ok("privacy", "record", "add", "impact-assessment", "--model", "churn", *document)
    (checkout / "README.md").write_text("assessed\n")
    ran = platform.ended(platform.push(checkout, "Second"))
    assert ran["state"] == "succeeded", ran["reason"]
    search_result = json.loads(platform.ok("privacy", "find", "-", "--json", stdin_text="A-17\n"))
    assert [each["source"] for each in search_result["snapshots"]] == ["churn/customers"] and search_result[
        "derived"
    ] == 1
    rows = json.loads(platform.ok("privacy", "export", "A-17"))
    assert [each["row"] for each in rows] == [{"customer": "A-17", "city": "Dubai"}]
    erased = platform.ok("privacy", "erase", "A-17", "-m", "asked for", "--confirm", "A-17")
    assert "erased 1 snapshots, 1 artifacts" in erased
    report = tmp_path / "report.html"
    platform.ok("privacy", "report", "--html", str(report))
    assert "not legal advice" in report.read_text()

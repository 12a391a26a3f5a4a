"""What the report says of an installation that is as it should be, and of each thing that is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from falaj.config.uae_pack import DAY_S
from falaj.control.compliance import DataClassification, DeploymentEnvironment, LegalEntity, RecordKind, facts_of_change
from falaj.control.compliance.evaluation import (
    ControlFinding,
    Holding,
    IncidentView,
    Posture,
    RequestView,
    SnapshotView,
    State,
    activities,
    html_page,
    judge,
    markdown_page,
)
from tests.control.compliance.cases import ASSESSED, MODEL, NOW, basis, record, rules

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
CUSTOMERS = SnapshotView(DIGEST, "churn/customers", True, "customer_id", True, 120, "", None, None)
INCIDENT = IncidentView("i1", "a lost laptop", "closed", NOW - 9 * DAY_S, NOW - 6 * DAY_S, NOW - 8 * DAY_S, False)
REQUEST = RequestView("q1", "access", "closed", NOW - 9 * DAY_S, NOW + DAY_S, NOW - DAY_S, False)
BANK = LegalEntity(sector="banking", name="Bank", declared=True)
RULES = rules(ASSESSED, basis(), dpo="noor")


def posture(model: Any = MODEL, ruleset: Any = RULES, places: tuple[str, ...] = ("AE", "DE"), **more: Any) -> Posture:
    holding = Holding(
        name="churn@3", digest=OTHER, project="retail", owner="retail@example.ae", commit="1" * 40, made_at=NOW,
        subject=model, snapshots={"customers": DIGEST}, serves={"prod": places} if places else {},
        facts=facts_of_change(model, DeploymentEnvironment("prod", 3, frozenset(places)), ruleset),
    )  # fmt: skip
    base_posture = Posture(
        ruleset, "sha256:" + "5" * 64, (holding,), (CUSTOMERS,), (INCIDENT,), (REQUEST,), True, 12, "ab" * 32
    )
    return replace(base_posture, **more)


def finding(current_posture: Posture, name: str) -> ControlFinding:
    return next(each for each in judge(current_posture) if each.id == name)


def test_an_installation_that_is_as_it_should_be_has_no_gap() -> None:
    states = {each.id: each.state for each in judge(posture())}
    assert State.GAP not in states.values()
    assert states["pdpl-22"] is State.MET and states["health-13"] is State.NONE and states["zones"] is State.NONE
    assert len(states) == len(judge(posture()))


@pytest.mark.parametrize(
    ("name", "changed", "gap"),
    [
        ("pdpl-2", {"ruleset": rules(ASSESSED, basis(), entity=LegalEntity())}, "declares no `entity`"),
        ("pdpl-22", {"ruleset": rules(ASSESSED)}, "churn@3 serves in prod: pdpl data to DE"),
        ("pdpl-7", {"model": replace(MODEL, purpose="")}, "no purpose"),
        ("pdpl-10", {"ruleset": rules(ASSESSED, basis())}, "`dpo` is not set"),
        ("pdpl-9", {"incidents": (replace(INCIDENT, overdue=True),)}, "incident i1 was to be notified"),
        ("pdpl-13", {"requests": (replace(REQUEST, overdue=True),)}, "request q1 was due"),
        ("pdpl-13", {"snapshots": (replace(CUSTOMERS, subject_key=""),)}, "no `subject_key`"),
        ("pdpl-13", {"snapshots": (replace(CUSTOMERS, indexed=False, note="no column"),)}, "(no column)"),
        ("pdpl-18", {"model": replace(MODEL, automated_decisions=None)}, "does not say whether"),
        ("pdpl-18", {"model": replace(MODEL, automated_decisions=True)}, "human_review"),
        ("pdpl-20", {"encrypted": False}, "not encrypted"),
        ("pdpl-21", {"ruleset": rules(basis())}, "no impact-assessment counts"),
        ("cbuae-ai", {"ruleset": rules(ASSESSED, entity=BANK)}, "no bias-evaluation counts"),
        ("cbuae-6", {"ruleset": rules(ASSESSED, entity=BANK)}, "cbuae data to DE"),
        ("health-13", {"model": replace(MODEL, labels=(DataClassification("v", "health", "health", "AE"),))},
        "health data to DE"),
    ],
)  # fmt: skip
def test_a_gap_is_named(name: str, changed: dict[str, Any], gap: str) -> None:
    control_finding = finding(posture(**changed), name)
    assert control_finding.state is State.GAP
    assert any(gap in each for each in control_finding.gaps), control_finding.gaps


def test_a_release_that_is_to_be_trained_again_is_a_gap() -> None:
    current_posture = posture()
    flagged = replace(current_posture, holdings=(replace(current_posture.holdings[0], flagged="a person was erased"),))
    assert "train it again" in finding(flagged, "pdpl-13").gaps[0]


def test_evidence_names_documents_snapshots_and_their_retention() -> None:
    bank = rules(ASSESSED, record(RecordKind.BIAS), entity=BANK)
    locked_snapshot = replace(CUSTOMERS, locked_until=NOW + DAY_S)
    current_posture = posture(ruleset=bank, places=("AE",), snapshots=(locked_snapshot,))
    assert finding(current_posture, "cbuae-6").state is State.ASK
    assert f"churn/customers {DIGEST}: kept until 2027-01-16" in finding(current_posture, "cbuae-6").evidence
    assert "document sha256:dddd" in finding(current_posture, "cbuae-ai").evidence[1]
    expired = finding(posture(ruleset=rules(ASSESSED, basis(expires_at=NOW - 1))), "pdpl-22")
    assert "expired 2027-01-15" in expired.evidence[1]


def test_records_of_processing_come_from_what_was_released() -> None:
    (activity,) = activities(posture())
    assert activity.categories == ("customers: personal data of AE",) and activity.snapshots == (f"customers {DIGEST}",)
    assert activity.serves == ("prod in AE, DE",) and activity.regimes == ("pdpl",)
    assert activity.transfers == (f"pdpl to DE: record r1, document {basis().document}",)
    assert activities(posture(ruleset=rules()))[0].transfers == ("pdpl to DE: no basis",)
    assert activities(posture(model=replace(MODEL, labels=()))) == ()


def test_the_pages_say_the_same() -> None:
    current_posture = posture(ruleset=rules(), places=())
    text = markdown_page(current_posture, judge(current_posture), activities(current_posture))
    page = html_page(current_posture, judge(current_posture), activities(current_posture))
    for each in judge(current_posture):
        assert each.law.replace("&", "&amp;") in page and str(each.state) in page
        assert f"## {each.law}" in text.replace("\\", "")
    assert "churn@3" in page and "### churn@3" in text and page.count("<tr>") > 14
    empty = replace(current_posture, holdings=())
    assert "<p>none</p>" in html_page(empty, judge(empty), activities(empty))

"""The alert rules and dashboards that ship, as promtool and the pages of a real server see them."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from falaj.api import metrics
from falaj.integrations.prometheus import Family, Sample, render
from falaj.storage import Database
from tests.databases import migrated_sqlite

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
RULES = ROOT / "infra" / "prometheus" / "alerts.yaml"
CASES = Path(__file__).with_name("alerts_test.yaml")
DASHBOARDS = sorted((ROOT / "infra" / "grafana").glob("*.json"))
METRIC = re.compile(r"\bfalaj_[a-z_]+")
OF_ENDPOINTS = {"falaj_request_seconds_bucket", "falaj_requests_total", "falaj_rows_total", "falaj_queue_rows"}
"""Counted by the model servers, on the page of their location's agent."""


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_promtool_takes_the_rules(promtool: str) -> None:
    promtool_result = subprocess.run(
        [promtool, "check", "rules", "--lint-fatal", str(RULES)], capture_output=True, text=True
    )
    assert promtool_result.returncode == 0 and f"{len(rules())} rules found" in promtool_result.stdout, (
        promtool_result.stdout + promtool_result.stderr
    )


def test_each_rule_fires_when_it_should_and_only_then(promtool: str) -> None:
    promtool_result = subprocess.run([promtool, "test", "rules", str(CASES)], capture_output=True, text=True)
    assert promtool_result.returncode == 0, promtool_result.stdout + promtool_result.stderr


def test_promtool_finds_no_fault_in_any_family(promtool: str, tmp_path: Path) -> None:
    page = render(replace(family, samples=(Sample({}, 1),)) for family in families(tmp_path))
    promtool_result = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True)
    assert page.count("# HELP") > 30 and promtool_result.returncode == 0, (
        promtool_result.stdout + promtool_result.stderr
    )


def test_no_rule_is_without_a_case_of_each_kind() -> None:
    wrong, well = yaml.safe_load(CASES.read_text())["tests"]
    names = {rule["alert"] for rule in rules()}
    assert {case["alertname"] for case in wrong["alert_rule_test"] if case.get("exp_alerts")} == names
    assert {case["alertname"] for case in well["alert_rule_test"] if not case.get("exp_alerts")} == names


def test_each_alert_has_its_section_in_the_guide() -> None:
    guide = (ROOT / "docs" / "how-to" / "watch-the-platform.md").read_text()
    anchors = {line.removeprefix("### ").strip().lower() for line in guide.splitlines() if line.startswith("### ")}
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/how-to/watch-the-platform.md" and anchor == rule["alert"].lower()
        assert anchor in anchors


@pytest.mark.parametrize("path", [RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_rules_and_dashboards_ask_for_metrics_that_exist(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    if path.suffix == ".json":
        text = " ".join(_expressions(json.loads(text)))
    queried_metrics = set(METRIC.findall(text))
    assert queried_metrics and queried_metrics - family_names(tmp_path) - OF_ENDPOINTS == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_prometheus_understands_each_query_of_a_dashboard(path: Path, promtool: str, tmp_path: Path) -> None:
    queries = [_concrete(each) for each in _expressions(json.loads(path.read_text()))]
    listed = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": listed}]}))
    promtool_result = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True)
    assert len(queries) >= 5 and promtool_result.returncode == 0, promtool_result.stdout + promtool_result.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_can_be_imported(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem and board["id"] is None
    assert board["templating"]["list"][0]["type"] == "datasource"
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"] and panel["targets"] and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places)


def family_names(folder: Path) -> set[str]:
    """Names of all families of a server, those without samples too."""
    return {family.name for family in families(folder)}


def families(folder: Path) -> list[Family]:
    database: Database = migrated_sqlite(folder / "falaj.db")
    with database.reading() as session:
        metric_families = metrics.collect(session, folder, 1_000.0)
    database.close()
    return metric_families


def _expressions(board: dict[str, Any]) -> list[str]:
    panels = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    chosen = [each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    return panels + [re.sub(r"^label_values\((.*),\s*\w+\)$", r"\1", each) for each in chosen]


def _concrete(query: str) -> str:
    """A query with something in the place of Grafana's variables."""
    return re.sub(r"\$\w+", "x", query.replace("$__rate_interval", "5m"))

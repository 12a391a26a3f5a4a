"""The commands about platform.yaml, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest

from falaj.config.platform_file import load_platform
from falaj.config.platform_spec import PlatformSpec
from falaj.sdk import Client
from falaj.storage.settings_tables import SettingsRow
from falaj.trust import configuration
from tests.cli.conftest import Command
from tests.databases import forget_facts
from tests.platforms import Served

pytestmark = pytest.mark.integration

FILE = "policy_packs: [uae]\nenvironments:\n  dev: {rank: 0}\n  prod: {rank: 1, approvals: {normal: 1}}\n"


@pytest.fixture
def applied(served: Served) -> Iterator[None]:
    """A version with a freeze, a role and a pack holds; it is taken away at the end."""
    prod = replace(PlatformSpec.default().environments["prod"], approvals={"normal": 3, "emergency": 2})
    environments = {**PlatformSpec.default().environments, "prod": prod}
    spec = replace(PlatformSpec.default(), environments=environments, policy_packs=("uae",))
    with served.platform.database.transaction() as session:
        configuration.apply(session, spec, "user:noor", 1_790_000_000.0, configuration.SettingsOrigin("# as applied\n"))
    yield
    forget_facts(served.platform.database, SettingsRow.__tablename__)


def test_plan_shows_what_an_apply_would_change(falaj_served: Command, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(FILE)
    ended = falaj_served("platform", "plan")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert "~ environments.prod.approvals.normal: 2 -> 1  (looser)" in lines
    assert any(line.startswith("- environments.test: ") and line.endswith("(looser)") for line in lines)
    assert "+ policy_packs.uae" in lines
    assert lines[-1] == f"{len(lines) - 1} changes to version 0"
    planned = json.loads(falaj_served("platform", "plan", "-f", "platform.yaml", "--json").stdout)
    assert len(planned["differences"]) == len(lines) - 1


def test_a_file_that_says_what_holds_changes_nothing(falaj_served: Command, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text("timezone: UTC\n")
    assert falaj_served("platform", "plan").stdout == "no changes: version 0 says it\n"


def test_a_mistake_in_the_file_is_told_before_anything_is_sent(falaj: Command, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(FILE.replace("normal", "nromal").replace("uae", "uea"))
    for command in ("plan", "apply"):
        ended = falaj("platform", command, FALAJ_SERVER="http://127.0.0.1:9")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert [line.split(": ")[0] for line in ended.stderr.splitlines()] == [
            "platform.yaml:1:16",
            "platform.yaml:4:31",
            "error",
        ]
        assert ended.stderr.splitlines()[-1] == "error: the platform file has 2 mistakes"


def test_the_home_token_may_plan_and_not_apply(falaj_served: Command, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(FILE)
    ended = falaj_served("platform", "apply")
    assert ended.returncode != 0
    assert "manage-platform" in ended.stderr


def test_what_holds_is_shown(falaj_served: Command, applied: None) -> None:
    shown = falaj_served("platform", "show").stdout
    assert shown.splitlines()[0] == "version 1 of 2026-09-21 14:13:20 UTC by user:noor"
    assert "policy packs: uae" in shown
    document = json.loads(falaj_served("platform", "show", "--json").stdout)
    assert document["spec"]["environments"]["prod"]["approvals"]["normal"] == 3
    assert falaj_served("platform", "show", "--text").stdout == "# as applied\n"
    (line,) = falaj_served("platform", "versions").stdout.splitlines()[1:]
    assert line.split()[0] == "1"
    assert "user:noor" in line


def test_the_defaults_are_shown_where_nothing_was_applied(falaj_served: Command) -> None:
    assert falaj_served("platform", "show").stdout.splitlines()[0] == "version 0, the defaults"
    assert falaj_served("platform", "versions").stdout == "nothing was applied; falaj platform apply -f platform.yaml\n"
    assert "no platform file was applied" in falaj_served("platform", "show", "--text").stdout


def test_drift_ends_with_its_own_code(served: Served, falaj_served: Command) -> None:
    file = served.home.root / "platform.yaml"
    try:
        before = falaj_served("platform", "drift")
        file.write_text(FILE)
        after = falaj_served("platform", "drift")
    finally:
        file.unlink()
    assert after.returncode == 4
    assert len(after.stdout.splitlines()) > len(before.stdout.splitlines())
    assert "policy_packs.uae" in after.stdout


def test_the_schema_for_editors(falaj: Command) -> None:
    schema = json.loads(falaj("project", "schema", "--platform").stdout)
    jsonschema_rs.meta.validate(schema)
    assert "environments" in schema["properties"]
    assert "pipeline" in json.loads(falaj("project", "schema").stdout)["properties"]


def test_the_client_plans_what_the_command_plans(served: Served, tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(FILE)
    loaded = load_platform(tmp_path)
    calls = Client.from_home(served.home).settings
    planned = calls.plan(loaded.name, loaded.text, loaded.policies)
    assert {each.kind for each in planned.differences} == {"added", "removed", "changed"}
    assert calls.show().version == 0
    assert calls.versions() == []
    assert {each.kind for each in calls.drift().findings} <= {"agent", "endpoint"}

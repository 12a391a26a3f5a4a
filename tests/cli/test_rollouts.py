"""How rollouts read in a terminal."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from falaj.cli.commands import rehearsals, rollouts
from falaj.cli.rollout_view import ENDED, lines_of, verdict
from falaj.control.releases.lifecycle import DeploymentState
from falaj.core.errors import UsageError
from falaj.schemas.rollouts import Rollout
from falaj.statistics.rollout import ENDED as RULED
from falaj.statistics.rollout import RolloutState
from tests.cli.conftest import Command

ERRORS = {
    "name": "errors", "kind": "errors", "events": [9, 7], "requests": [3708, 412], "harm": 1.0, "harm_line": 2.0,
    "safe": 0.65, "safe_line": 1.3, "ratio": 7.0, "at_least": 2.1, "at_most": None,
}  # fmt: skip
BRIER = {**ERRORS, "name": "brier", "kind": "quality", "harm": -0.2, "safe": 1.4, "ratio": 0.012, "at_least": None,
         "at_most": 0.02}  # fmt: skip
STEPPING = Rollout(
    "r1", "c1", "prod/flight-delay", "local", "canary", 4, 3, "stepping", 1, 500, 0.0, 0.0, "", [],
    {"stable": 3708, "candidate": 412}, 1.0, 2.0, [ERRORS, BRIER], [], ["abort", "pause"], {}, [],
)  # fmt: skip


def like(state: str, **more: Any) -> Rollout:
    return replace(STEPPING, state=state, **more)


def plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


@pytest.mark.parametrize(
    ("rollout_view", "words"),
    [
        (like("pending"), "it has not begun"),
        (like("warming"), "the candidate starts; it gets no requests yet"),
        (STEPPING, "nothing speaks against it; not yet known to be good enough: errors"),
        (like("holding", metrics=[BRIER]), "nothing speaks against it; it is known to be good enough"),
        (like("stepping", metrics=[]), "nothing is judged: time alone decides"),
        (like("shadowing", metrics=[BRIER]), "nothing speaks against it; it is known to be good enough"),
        (
            like("shadowing", strategy="challenger"),
            "nothing speaks against it; a challenger is compared and never promoted from here",
        ),
        (like("promoting"), "the candidate gets all requests now"),
        (like("holdback"), "the candidate serves; the rollback window is still open"),
        (like("succeeded"), "the candidate serves all requests"),
        (like("succeeded", reason="no regression"), "the candidate serves all requests: no regression"),
        (like("paused", reason="lunch"), "paused: lunch"),
        (like("inconclusive", reason="not enough"), "inconclusive: not enough"),
        (like("rolling_back", reason="errors"), "rolling back: errors"),
        (like("rolled_back", reason="after 412 candidate requests: errors"), "rolled back: after 412 candidate"),
        (like("aborted"), "aborted"),
        (like("waiting"), "another location is first"),
        (like("failed", reason="not ready after 300 s"), "failed: not ready after 300 s"),
        (like("superseded"), "superseded"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_verdict_says_in_words_where_it_is(rollout_view: Rollout, words: str) -> None:
    assert verdict(rollout_view).startswith(words)


@pytest.mark.parametrize("state", [*RolloutState, *DeploymentState])
def test_no_state_is_without_words(state: str) -> None:
    assert not verdict(like(str(state), metrics=[])).startswith("nothing speaks")
    assert set(map(str, RULED)) < set(ENDED)


def test_the_view_shows_weights_requests_and_how_far_the_evidence_is_from_its_lines() -> None:
    lines = plain(lines_of(STEPPING))
    assert "prod/flight-delay: release 4 beside 3 at local" in lines[0]
    assert lines[2].endswith("5%") and lines[2].count("█") == 1
    assert lines[3].endswith("stable 3,708, candidate 412")
    [errors] = [line for line in lines if line.startswith("  errors")]
    assert errors.count("█") == 24, "both halfway"
    assert "1.00 of 2.00" in errors and "0.65 of 1.30" in errors and errors.endswith("7 (at least 2.1)")
    [brier] = [line for line in lines if line.startswith("  brier")]
    assert "0.00 of 2.00" in brier and brier.endswith("+0.012 (at most 0.02)")
    assert lines[-1] == "  allowed: abort, pause"


def test_a_shadow_shows_its_copies_and_what_never_happened_is_said() -> None:
    quiet = {**ERRORS, "ratio": None, "at_least": None, "harm": None, "safe": None}
    lines = plain(lines_of(like("shadowing", weight=0, mirror=0.5, metrics=[quiet], allowed=[])))
    assert lines[2].endswith("0%, copies of 50%")
    assert any(line.endswith("no events yet") for line in lines)
    assert not any("allowed:" in line for line in lines)


def test_watching_prints_a_line_for_each_change_and_ends_with_the_rollout(monkeypatch, capsys) -> None:
    shown = iter([STEPPING, STEPPING, like("rolled_back", weight=0, reason="errors")])

    class Calls:
        def show(self, _: str) -> Rollout:
            return next(shown)

    client = type("Client", (), {"rollouts": Calls()})
    monkeypatch.setattr("falaj.sdk.Client.from_home", lambda _: client)
    monkeypatch.setattr("time.sleep", lambda _: None)
    import typer

    with pytest.raises(typer.Exit) as ended:
        rollouts.watch("prod/flight-delay")
    assert ended.value.exit_code == 1
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out] == ["stepping", "rolled_back"]


@pytest.mark.integration
def test_the_listing_of_a_platform_without_rollouts_says_how_to_get_some(falaj_served: Command) -> None:
    ended = falaj_served("rollout", "list")
    assert ended.returncode == 0 and "no rollouts yet" in ended.stdout
    assert falaj_served("rollout", "show", "prod/nothing").returncode != 0
    assert "no regression gates" in falaj_served("release", "gate", "list").stdout


DEPLOY = """\
  dev: recreate
  prod: {canary: {steps: [20%, 50%], metrics: [errors, brier]}}
  pre-prod: {canary: {metrics: [brier]}}
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """The template's project with other strategies."""
    from falaj.config import create_project

    create_project(tmp_path / "project", "tumour-risk")
    file = tmp_path / "project" / "falaj.yaml"
    before, _, rest = file.read_text().partition("\ndeploy:\n")
    behind = re.search(r"^\S", rest, re.MULTILINE)
    file.write_text(f"{before}\ndeploy:\n{DEPLOY}\n{rest[behind.start() :] if behind else ''}")
    return file


def rehearsed(file: Path, **more: Any) -> None:
    defaults = {"environment": "prod", "rate": "200/s", "errors": "2%", "worse": "5x", "json": False}
    rehearsals.simulate("", file, **{**defaults, **more})


def test_a_simulation_says_when_steps_would_be_left_and_when_a_worse_candidate_goes(deployed: Path, capsys) -> None:
    rehearsed(deployed)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "canary at 200 requests a second, 2% errors"
    assert [line.split()[1] for line in lines if line.startswith("  step")] == ["20%", "50%"]
    assert sum(line.startswith("  promoted after ") for line in lines) == 1
    assert sum(line.startswith("  rolled back after ") for line in lines) == rehearsals.TIMES
    assert lines[-1] == "not rehearsed: brier, which waits for what really happens"
    rehearsed(deployed, json=True)
    rehearsal = json.loads(capsys.readouterr().out)
    assert (rehearsal["as_good"]["end"], rehearsal["left_out"]) == ("promoting", ["brier"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"environment": "dev"}, "has no rollout for dev"),
        ({"environment": "nowhere"}, "has no rollout for nowhere"),
        ({"environment": "pre-prod"}, "is judged by brier alone"),
        ({"rate": "50"}, "'50' is not a rate"),
        ({"rate": "0/s"}, "'0/s' is not a rate"),
        ({"errors": "1"}, "'1' is not a share"),
        ({"worse": "1x"}, "'1x' is not worse"),
        ({"worse": "much"}, "'much' is not worse"),
    ],
)
def test_what_cannot_be_rehearsed_is_said(deployed: Path, more: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        rehearsed(deployed, **more)

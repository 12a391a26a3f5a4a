"""What commands print of the platform, for people and as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.platforms import COMMIT, PREDICTION, Served

pytestmark = pytest.mark.integration

LISTINGS: dict[str, tuple[str, ...]] = {
    "project list": ("project", "branch", "commit", "repository"),
    "run list": ("run", "project", "commit", "trigger", "state", "took", "queued", "reason"),
    "release list": ("release", "state", "commit", "digest", "run", "created"),
    "release list --models": ("model", "newest", "live"),
    "endpoint list": ("endpoint", "location", "release", "state", "replicas", "url", "message"),
}


def columns(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


@pytest.mark.parametrize("command", LISTINGS)
def test_a_listing_is_a_table_whose_columns_are_aligned(falaj_served: Command, command: str) -> None:
    ended = falaj_served(*command.split())
    assert (ended.returncode, ended.stderr) == (0, "")
    headings, *rows = ended.stdout.splitlines()
    assert columns(headings) == [name.upper() for name in LISTINGS[command]]
    assert len(rows) == 1
    begins = [match.start() for match in re.finditer(r"\S+", headings)]
    assert all(start == 0 or rows[0][start - 2 : start].isspace() for start in begins if start < len(rows[0]))
    assert "\x1b" not in ended.stdout, "colours are for terminals"


def test_a_location_is_explained_for_the_newest_release(falaj_served: Command) -> None:
    ended = falaj_served("location", "explain", "flight-delay", "--environment", "prod")
    assert (ended.returncode, ended.stderr) == (0, "")
    headings, row = ended.stdout.splitlines()
    assert columns(headings) == ["ENVIRONMENT", "LOCATION", "KIND", "LAW", "PLACED", "RULE"]
    assert columns(row) == ["prod", "local", "on-prem", "AE", "yes", "listed by prod"]
    every = json.loads(falaj_served("location", "explain", "flight-delay@1", "--json").stdout)
    assert [each["environment"] for each in every] == ["dev", "test", "pre-prod", "prod"]
    assert falaj_served("location", "explain", "nothing").returncode == 3


@pytest.mark.parametrize("command", LISTINGS)
def test_a_listing_is_json_with_the_same_things(falaj_served: Command, command: str) -> None:
    ended = falaj_served(*command.split(), "--json")
    (item,) = json.loads(ended.stdout)
    first_cell = columns(falaj_served(*command.split()).stdout.splitlines()[1])[0]
    named = {"project": "name", "run": "id", "release": "model", "endpoint": "endpoint"}
    assert first_cell.startswith(item[named[command.split()[0]]])


@pytest.mark.parametrize(
    ("arguments", "holds"),
    [
        (("run", "show", "last"), {"state": "succeeded", "commit": COMMIT, "release": 1}),
        (("release", "show", "flight-delay"), {"model": "flight-delay", "number": 1, "commit": COMMIT}),
        (("trace", PREDICTION), {"endpoint": "dev/flight-delay"}),
        (("release", "verify", "flight-delay@1"), {"ok": False}),
        (
            ("platform", "gc"),
            {"blobs": 0, "bytes": 0},
        ),
        (("status",), {"server": "ok", "parts": {}}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_answer_is_a_json_object(falaj_served: Command, arguments: tuple[str, ...], holds: dict[str, Any]) -> None:
    answer = json.loads(falaj_served(*arguments, "--json").stdout)
    assert holds.items() <= answer.items()


def test_the_files_of_an_artifact(falaj_served: Command, served: Served) -> None:
    (file,) = json.loads(falaj_served("release", "artifact", "show", served.model, "--json").stdout)
    assert (file["path"], file["size"]) == ("MLmodel", 12)
    assert columns(falaj_served("release", "artifact", "show", served.model).stdout.splitlines()[1])[:2] == [
        "MLmodel",
        "12",
    ]


def test_what_doctor_finds_is_json(falaj: Command) -> None:
    ended = falaj("doctor", "--json")
    findings = json.loads(ended.stdout)
    assert {finding["state"] for finding in findings} <= {"ok", "warning", "failed"}
    assert (ended.returncode == 6) == any(finding["state"] == "failed" for finding in findings)


def test_an_empty_listing_is_a_sentence(falaj_served: Command) -> None:
    assert falaj_served("run", "list", "--project", "nobody").stdout.startswith("no runs yet")
    assert falaj_served("release", "list", "--model", "nobody").stdout == "no releases yet\n"
    assert falaj_served("run", "list", "--project", "nobody", "--json").stdout == "[]\n"


def test_status_without_a_server_says_so_and_succeeds(falaj: Command) -> None:
    ended = falaj("status", FALAJ_SERVER="http://127.0.0.1:9")
    assert ended.returncode == 0
    assert ended.stdout.startswith("server http://127.0.0.1:9: down\n")


def test_a_run_is_a_tree(falaj_served: Command, served: Served) -> None:
    lines = falaj_served("run", "show").stdout.splitlines()
    assert lines[0] == f"run {served.run_id} of flights: succeeded"
    assert [line.split()[1] for line in lines if "─" in line] == ["succeeded", "passed", "passed"]
    assert lines[-1].split()[-1] == "0.71"


def test_a_finished_run_is_watched_to_its_end(falaj_served: Command, served: Served) -> None:
    ended = falaj_served("run", "watch", served.run_id)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "fit" in ended.stdout and ended.stdout.splitlines()[-1].startswith("succeeded in")


def test_logs_of_one_step_and_of_all(falaj_served: Command) -> None:
    assert falaj_served("run", "logs", "last", "fit").stdout == "fitting\ndone\n"
    assert falaj_served("run", "logs").stdout == "--- fit\nfitting\ndone\n"


def test_a_release_and_the_way_to_a_prediction(falaj_served: Command, served: Served) -> None:
    release = falaj_served("release", "show", "flight-delay@1").stdout
    assert f"model    {served.model}" in release and "evidence train" in release
    trace = falaj_served("trace", PREDICTION).stdout
    assert f"{COMMIT} of flights" in trace and f"flight-delay@1  {served.model}" in trace

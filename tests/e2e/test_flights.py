"""The main job on real parts: a commit of `examples/flights` becomes predictions, and each claim of it is checked."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from falaj.core.home import Home
from falaj.sdk import Client, Endpoint, Label
from falaj.supply_chain.attestations import MLBOM
from tests.e2e.installation import ROOT, Installation, installed
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.e2e
CHECKS = "checks: [static, tests, secrets, dependencies, model-files]"

FLIGHT = {
    "hour": 8, "weekday": 3, "carrier": "UA", "origin": "EWR", "dest": "IAH", "distance": 1400.0, "temp": 40.0,
    "humid": 60.0, "wind_dir": 180.0, "wind_speed": 10.0, "precip": 0.0, "pressure": None, "visib": 10.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("flights") / "home") as instance:
        yield instance


@pytest.fixture(scope="module")
def project(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "flights"
    ignored = shutil.ignore_patterns(".venv", "__pycache__", "*.db", ".*_cache")
    shutil.copytree(ROOT / "examples" / "flights", folder, ignore=ignored)
    spec = folder / "falaj.yaml"
    spec.write_text(spec.read_text().replace("iterations: 150", "iterations: 60"))  # as good, in half of the time
    return installation.repository(folder, "flights")


@pytest.fixture(scope="module")
def first(installation: Installation, project: Path) -> dict[str, Any]:
    run = installation.ended(installation.push(project, "First"))
    assert run["state"] == "succeeded", run["reason"] + installation.logs()
    return run


def endpoint(installation: Installation, release: int) -> dict[str, Any]:
    def live() -> dict[str, Any] | None:
        endpoint_rows: list[dict[str, Any]] = installation.json("endpoint", "list")
        return next((e for e in endpoint_rows if e["release"] == release and e["state"] == "ready"), None)

    ready_endpoint: dict[str, Any] = until(live, installation.logs)
    return ready_endpoint


def test_the_first_push_becomes_release_1_behind_the_endpoint(
    installation: Installation, first: dict[str, Any]
) -> None:
    assert first["release"] == 1 and first["trigger"] == "push"
    states = {step["node"]: step["state"] for step in first["steps"]}
    assert {states[name] for name in ("prepare", "split", "fit", "evaluate")} == {"succeeded"}
    assert sum(step["kind"] == "gate" and step["state"] == "passed" for step in first["steps"]) == 4
    assert endpoint(installation, 1)["replicas_ready"] == 2


def test_a_prediction_is_traced_to_commit_and_data(installation: Installation, first: dict[str, Any]) -> None:
    with Endpoint(endpoint(installation, 1)["url"]) as opened:
        answer = opened.predict([FLIGHT])
    assert answer.release == "flight-delay@1" and len(answer.predictions) == 1
    trace = installation.json("trace", answer.id)
    assert trace["run"]["commit"] == first["commit"]
    assert set(trace["snapshots"]) == {"flights", "weather"}
    for digest in trace["snapshots"].values():
        assert installation.json("release", "artifact", "show", digest)


def test_a_file_is_scored_as_the_endpoint_answers_and_lineage_leads_to_it(
    installation: Installation, first: dict[str, Any], tmp_path: Path
) -> None:
    rows = [FLIGHT, FLIGHT | {"distance": 200.0, "hour": 21}, FLIGHT | {"carrier": "nobody", "temp": None}]
    columns = ["flight", *FLIGHT]
    lines = [[number, *("" if row[name] is None else row[name] for name in FLIGHT)] for number, row in enumerate(rows)]
    source, output = tmp_path / "today.csv", tmp_path / "scored.parquet"
    source.write_text("".join(",".join(map(str, line)) + "\n" for line in [columns, *lines]))
    with Endpoint(endpoint(installation, 1)["url"]) as opened:
        answers = [opened.predict([row]).predictions[0] for row in rows]
    command = ("score", "flight-delay", str(source), "--output", str(output), "--keep", "flight")
    refused = installation.falaj(*command)
    assert refused.returncode == 3 and "no endpoint prod/flight-delay" in refused.stderr and not output.exists()
    score_report = installation.json(*command, "--environment", "dev")
    assert (score_report["rows"], score_report["release"]) == (3, "flight-delay@1")
    scored = pl.read_parquet(output)
    assert scored["flight"].to_list() == ["0", "1", "2"] and scored["label"].to_list() == answers
    trace = installation.json("trace", scored["prediction_id"][2])
    assert trace["run"]["commit"] == first["commit"]
    walk = installation.json("lineage", f"artifact:{score_report['digest']}")
    assert f"release:{score_report['release']}" in json.dumps(walk)
    again = installation.falaj(*command, "--environment", "dev")
    assert again.returncode == 4 and "the output exists" in again.stderr
    health = ("--classification", "health", "--origin", "US", "--environment", "dev")
    abroad = installation.falaj(*command[:3], "--output", str(tmp_path / "no.parquet"), *health)
    assert abroad.returncode == 7 and "residency" in abroad.stderr and not (tmp_path / "no.parquet").exists()


def test_a_caller_is_let_in_until_it_is_revoked(
    installation: Installation, first: dict[str, Any], tmp_path: Path
) -> None:
    url, header = endpoint(installation, 1)["url"], tmp_path / "token"
    installation.ok("endpoint", "caller", "add", "dev/flight-delay", "billing", "--out", str(header))
    assert header.stat().st_mode & 0o077 == 0
    name, _, value = header.read_text().strip().partition(": ")

    def status(**shown: str) -> int:
        body = {"labels": [{"prediction_id": "nobody's", "label": 1}]}
        return httpx.post(f"{url}/feedback", json=body, headers=shown, trust_env=False, timeout=60).status_code

    assert status() == 401
    until(lambda: status(**{name: value}) == 202, installation.logs)
    installation.ok("endpoint", "caller", "revoke", "dev/flight-delay", "billing")
    assert status(**{name: value}) == 403  # it ended when the gateway had said so
    [caller_row] = installation.json("endpoint", "caller", "list", "dev/flight-delay")
    assert (caller_row["state"], caller_row["let_in_at"]) == ("revoked", [])


def test_labels_reach_their_predictions_and_leave_with_them(
    installation: Installation, first: dict[str, Any], tmp_path: Path
) -> None:
    with installation.opened(endpoint(installation, 1)["url"]) as opened:
        ids = [opened.predict([FLIGHT]).id for _ in range(4)]
        assert opened.feedback([Label(ids[0], 0, 1.0)]) == 1
    table = tmp_path / "labels.csv"
    table.write_text("prediction_id,label\n" + "".join(f"{name},1\n" for name in [*ids[:3], "unknown"]))
    report = installation.json("endpoint", "label-import", str(table), "--endpoint", "dev/flight-delay")
    assert (report["labels"], report["accepted"]) == (4, 4)
    report = installation.json("endpoint", "prediction-export", "dev/flight-delay", "--out", str(tmp_path / "out"))
    exported = pl.read_parquet(report["files"][0])
    labels = dict(zip(exported["prediction_id"], exported["label"], strict=True))
    assert [labels[name] for name in ids] == [1, 1, 1, None] and report["labelled"] == 3


def test_a_wrong_field_is_named_and_nothing_breaks(installation: Installation, first: dict[str, Any]) -> None:
    endpoint(installation, 1)
    refused = installation.falaj("predict", "dev/flight-delay", "--row", json.dumps(FLIGHT | {"distance": "far"}))
    assert refused.returncode == 2 and "distance" in refused.stderr and "row 0" in refused.stderr
    assert installation.falaj("predict", "dev/flight-delay", "--row", json.dumps(FLIGHT)).returncode == 0


def test_a_release_verifies_offline_and_a_changed_byte_does_not(
    installation: Installation, first: dict[str, Any], tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    installation.ok("release", "verify", "flight-delay@1")
    installation.ok("release", "export", "flight-delay@1", str(bundle))
    keys = installation.home / "keys" / "trusted.json"
    installation.ok("release", "verify", str(bundle), "--keys", str(keys))
    model = bundle / "model" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.chmod(0o644)
    model.write_bytes(content)
    refused = installation.falaj("release", "verify", str(bundle), "--keys", str(keys))
    assert refused.returncode == 5 and "a file was changed" in refused.stdout


def test_the_bill_of_materials_of_a_real_run_keeps_its_schema(
    installation: Installation, first: dict[str, Any]
) -> None:
    home = Home(installation.home, {})
    envelopes = Client(home.server_url, home.token).evidence("flight-delay@1")
    statements = [json.loads(base64.b64decode(each["payload"])) for each in envelopes]
    (bill,) = [each["predicate"] for each in statements if each["predicateType"] == MLBOM]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_mlflow_serves_the_release_by_alias_and_holds_the_run(
    installation: Installation, first: dict[str, Any]
) -> None:
    endpoint(installation, 1)
    python = next((installation.home / "envs").glob("*/bin/python"))
    script = (
        "import json, sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model('models:/flight-delay@dev')\n"
        "row = pd.DataFrame([json.loads(sys.argv[1])]).astype({'hour': 'int8', 'weekday': 'int8'})\n"
        "version = mlflow.MlflowClient().get_model_version_by_alias('flight-delay', 'dev')\n"
        "run = mlflow.get_run(version.run_id)\n"
        "print(json.dumps({'tags': version.tags, 'status': run.info.status, 'params': run.data.params,\n"
        "                  'metrics': run.data.metrics, 'run': version.run_id,\n"
        "                  'inputs': model.metadata.get_input_schema().input_names()}))\n"
    )
    uri = f"sqlite:///{installation.home / 'mlflow.db'}"
    environ = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [str(python), "-c", script, json.dumps(FLIGHT | {"pressure": 1012.0})]

    def mirrored() -> dict[str, Any] | None:
        process = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, timeout=HANGS_AFTER_S
        )
        return json.loads(process.stdout.splitlines()[-1]) if process.returncode == 0 else None

    model_version = until(mirrored, installation.logs)
    assert model_version["tags"]["falaj.commit"] == first["commit"] and model_version["tags"]["falaj.release"] == "1"
    assert model_version["run"] == first["mlflow_run"] and model_version["status"] == "FINISHED"
    assert model_version["params"]["iterations"] == "60", "what the step logged itself is in the same tracking run"
    assert any(name.startswith("gate.auc.") for name in model_version["metrics"])
    assert model_version["inputs"][0] == "hour"


def test_a_changed_parameter_repeats_only_what_it_touches(
    installation: Installation, project: Path, first: dict[str, Any]
) -> None:
    path = project / "falaj.yaml"
    text = path.read_text().replace("learning_rate: 0.1", "learning_rate: 0.08")
    path.write_text(text.replace(CHECKS, "checks: [model-files]"))  # the others say what they said of the first push
    second = installation.ended(installation.push(project, "Learn more slowly"))
    states = {step["node"]: step["state"] for step in second["steps"] if step["kind"] == "step"}
    assert states == {"prepare": "cached", "split": "cached", "fit": "succeeded", "evaluate": "succeeded"}
    assert second["release"] == 2
    assert endpoint(installation, 2)["previous"] == 1


def test_a_candidate_that_is_worse_is_rejected_and_releases_nothing(
    installation: Installation, project: Path, first: dict[str, Any]
) -> None:
    before = len(installation.json("release", "list"))
    path = project / "falaj.yaml"
    path.write_text(path.read_text().replace("iterations: 60", "iterations: 1"))
    third = installation.ended(installation.push(project, "Hardly learn"))
    assert third["state"] == "rejected"
    assert third["reason"].startswith("gate auc >= 0.62 on split.test: auc ") and " misses " in third["reason"]
    assert third["release"] is None and len(installation.json("release", "list")) == before


def test_the_same_project_runs_without_a_server(installation: Installation, project: Path) -> None:
    command = [sys.executable, "-m", "falaj.cli.main", "run", "--json", "--set", "fit.iterations=60"]
    alone = installation.environment | {"FALAJ_SERVER": "http://127.0.0.1:9"}
    process = subprocess.run(
        command, cwd=project, env=alone, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    outcome = json.loads(process.stdout)
    assert outcome["state"] == "succeeded" and outcome["digest"].startswith("sha256:")


PASSWORD = "correct horse battery"


def invite(installation: Installation, name: str, *roles: str) -> None:
    role_options = [word for role in roles for word in ("--role", role)]
    account_json = installation.ok(
        "--account", "root", "access", "account", "add", name, "--email", f"{name}@example.org", "--json", *role_options
    )
    installation.ok(
        "access", "account", "reset-password", json.loads(account_json)["link"], "--password-stdin", stdin_text=PASSWORD
    )
    installation.ok("--account", name, "login", "--password-stdin", stdin_text=PASSWORD)


def ask(installation: Installation, who: str, release: str, environment: str) -> str:
    change_json = installation.ok("--account", who, "promote", release, "--to", environment, "--json")
    change: str = json.loads(change_json)["id"]
    return change


def test_people_bring_a_release_to_prod_and_a_revoked_one_serves_nowhere(
    installation: Installation, first: dict[str, Any], tmp_path: Path
) -> None:
    link = (installation.home / "setup-link").read_text().strip()
    person = ("--name", "root", "--email", "root@example.org", "--password-stdin")
    installation.ok("access", "bootstrap", link, *person, stdin_text=PASSWORD)
    invite(installation, "omar", "ml-engineer")
    for name in ("rania", "rashid", "aisha"):  # Aisha wrote the commits
        invite(installation, name, "release-manager")
    invite(installation, "noor", "auditor")
    name = "flight-delay@1"
    assert "environment-skipped" in installation.falaj("--account", "omar", "promote", name, "--to", "prod").stderr
    installation.ok("--account", "omar", "promote", name, "--to", "test", "--wait")
    change = ask(installation, "omar", name, "pre-prod")
    assert "sod-author-approves" in installation.falaj("--account", "aisha", "approve", change, "--yes").stderr
    installation.ok("--account", "rania", "approve", change, "--yes", "--wait")
    change = ask(installation, "omar", name, "prod")
    installation.ok("--account", "rania", "approve", change, "--yes")
    assert "done" in installation.ok("--account", "rashid", "approve", change, "--yes", "--wait")
    live = {each["endpoint"]: each for each in installation.json("endpoint", "list")}["prod/flight-delay"]
    assert (live["release"], live["state"]) == (1, "ready")
    why = installation.ok("--account", "noor", "why", "prod/flight-delay")
    assert "user:rania" in why and "user:rashid" in why and first["commit"] in why
    log, key = tmp_path / "log", tmp_path / "log.pem"
    installation.ok("--account", "noor", "audit", "export", str(log), "--key", str(key))
    verifier = Path(__file__).parents[2] / "auditors" / "verify_log.py"
    checked = subprocess.run([sys.executable, "-I", verifier, log, key], capture_output=True, text=True, check=False)
    assert checked.stdout.startswith("ACCEPTED"), checked.stdout
    installation.ok("--account", "rania", "release", "revoke", name, "--reason", "leak")

    def gone() -> bool:
        request = urllib.request.Request(f"{live['url']}/v2/health/ready")
        try:
            with urllib.request.urlopen(request, timeout=HANGS_AFTER_S) as answer:
                return bool(answer.status != 200)
        except urllib.error.HTTPError as error:
            return error.code == 404

    until(gone, installation.logs)

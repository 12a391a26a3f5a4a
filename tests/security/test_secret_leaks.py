"""A secret that a step is given is in no log, event, message, result, name, argument, evidence or database row."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from falaj.build.pipeline.fingerprint_inputs import FingerprintInputs
from falaj.build.pipeline.graph import expand
from falaj.config import StepSpec
from falaj.control.runs.contract import RunResult
from falaj.control.runs.local import run_checkout
from falaj.core.home import Home
from falaj.supply_chain.artifacts import open_home_store
from tests.build.pipeline.conftest import Project

pytestmark = pytest.mark.integration

VALUE = "Zq7$pW/kk=9 \"q'é~long enough"
SECRETS = {"DB_PASSWORD": VALUE}
CLOTHES = [
    VALUE, json.dumps(VALUE)[1:-1], repr(VALUE)[1:-1], base64.b64encode(VALUE.encode()).decode(), VALUE.encode().hex()
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Project:
    sample_project = Project(tmp_path)
    sample_project.worktree.mkdir()
    return sample_project


def step(code: str, project: Project, **more: Any) -> StepSpec:
    project.write(
        "steps.py",
        f"import base64, json, os, sys, time\ndef go():\n    secret = os.environ['DB_PASSWORD']\n    {code}\n",
    )
    return StepSpec("go", run="steps:go", secrets=("DB_PASSWORD",), **more)


def leaks(folder: Path) -> list[str]:
    """Files below a folder that hold the value in any form; the project's own code does not."""
    leak_sites = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            leak_sites += [f"{path}: {form}" for form in CLOTHES if form.encode() in data or form in path.name]
    return leak_sites


def output_of(project: Project) -> str:
    return json.dumps([[event.kind, event.node, dict(event.data)] for event in project.events], ensure_ascii=False)


PRINTING = {
    "as it is": "print(secret)",
    "on the error stream": "print('x', secret, file=sys.stderr)",
    "in two writes": "os.write(1, secret.encode()[:9]); time.sleep(0.3); os.write(1, secret.encode()[9:])",
    "without an end of line": "sys.stdout.write(secret)",
    "as JSON": "print(json.dumps({'password': secret}))",
    "as a representation": "print(repr(secret))",
    "encoded": "print(base64.b64encode(secret.encode()).decode())",
    "within something encoded": "print(base64.b64encode(b'maryam:' + secret.encode() + b'@host').decode())",
    "in hex": "print(secret.encode().hex())",
    "by another process": "os.system('echo \"$DB_PASSWORD\"')",
    "with all variables": "print(dict(os.environ))",
}


@pytest.mark.parametrize("code", PRINTING.values(), ids=PRINTING)
def test_a_step_that_prints_it_prints_stars(project: Project, code: str) -> None:
    result = project.run(step(code, project), secrets=SECRETS)
    assert result.ok
    log = (project.home / "runs" / "r1" / "logs" / "go.log").read_text()
    assert "***" in log and "***" in output_of(project)
    assert not leaks(project.home) and not [form for form in CLOTHES if form in log + output_of(project)]


FAILING = {
    "in its exception": "raise RuntimeError(f'cannot log in with {secret}')",
    "in a file name": "open(f'/nowhere/{secret[:3]}{secret}')",
    "as its exit": "sys.exit(secret)",
}


@pytest.mark.parametrize("code", FAILING.values(), ids=FAILING)
def test_a_step_that_fails_with_it_says_stars(project: Project, code: str) -> None:
    result = project.run(step(code, project, retries=1, backoff_s=0.01), secrets=SECRETS)
    assert not result.ok
    assert not leaks(project.home)
    assert not [form for form in CLOTHES if form in output_of(project) + str(result.steps["go"].error)]


RETURNING = {
    "as it is": "return {'password': secret}",
    "as bytes": "return {'x': base64.b64encode(secret.encode()).decode()}",
}


@pytest.mark.parametrize("code", RETURNING.values(), ids=RETURNING)
def test_a_result_that_holds_it_is_not_kept(project: Project, code: str) -> None:
    result = project.run(step(code, project, retries=3), secrets=SECRETS)
    error = result.steps["go"].error
    assert error is not None and error.code == "step.secret-in-result"
    assert len([event for event in project.events if event.kind == "step.started"]) == 1, "trying again is no use"
    assert not leaks(project.home)


def test_the_name_of_a_result_does_not_depend_on_it(project: Project) -> None:
    node = expand({"go": step("return {'a': 1}", project)}, {})["go"]
    facts = FingerprintInputs(project.worktree, project.environment, "r1")
    bare = expand({"go": StepSpec("go", run="steps:go")}, {})["go"]
    assert facts.fingerprint(node, {}, ()) == facts.fingerprint(bare, {}, ())
    assert project.run(node.step, secrets=SECRETS).ok
    again = project.run(node.step, secrets={"DB_PASSWORD": "another value"}, run_id="r2")
    assert again.steps["go"].cached


def test_arguments_never_hold_it(project: Project) -> None:
    code = (
        "return {'seen': secret in open('/proc/self/cmdline').read() + open('/proc/%d/cmdline' % os.getppid()).read()}"
    )
    result = project.run(step(code, project), secrets=SECRETS)
    digest = next(iter(result.steps["go"].outputs.values()))
    assert json.loads(project.store.read_bytes(digest, "value.json")) == {"seen": False}


def test_a_step_that_does_not_declare_it_does_not_have_it(project: Project) -> None:
    project.write("steps.py", "import os\ndef go():\n    return {'has': 'DB_PASSWORD' in os.environ}\n")
    result = project.run(StepSpec("go", run="steps:go"), secrets=SECRETS)
    digest = next(iter(result.steps["go"].outputs.values()))
    assert json.loads(project.store.read_bytes(digest, "value.json")) == {"has": False}


# A whole run: evidence, release data, journal


@pytest.fixture
def outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunResult, Home, list[Any]]:
    folder, home = tmp_path / "checkout", Home(tmp_path / "home", {})
    folder.mkdir()
    (folder / "falaj.yaml").write_text(
        "model: m\nowner: a@b.example\npipeline:\n  go:\n    run: steps:go\n    secrets: [DB_PASSWORD]\n"
    )
    (folder / "steps.py").write_text(
        "import os\ndef go():\n    print(os.environ['DB_PASSWORD'])\n    return {'rows': 1}\n"
    )
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    monkeypatch.setenv("DB_PASSWORD", VALUE)
    monkeypatch.setenv("FALAJ_NO_TRACKING", "1")
    events: list[Any] = []
    return run_checkout(folder, home, {}, events.append), home, events


def test_a_whole_run_leaves_no_trace_of_it(outcome: tuple[RunResult, Home, list[Any]]) -> None:
    ended, home, events = outcome
    assert ended.state == "succeeded", ended.reason
    run_dump = json.dumps([ended.to_json(), list(ended.envelopes), [dict(event.data) for event in events]], default=str)
    assert "***" in run_dump and not [form for form in CLOTHES if form in run_dump]
    assert not leaks(home.root)
    store = open_home_store(home)
    for event in events:
        if "log" in event.data:
            assert b"***" in store.read_bytes(event.data["log"])


def test_a_run_without_its_secret_does_nothing_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    monkeypatch.setenv("FALAJ_NO_TRACKING", "1")
    (tmp_path / "falaj.yaml").write_text(
        "model: m\nowner: a@b.example\npipeline:\n  go:\n    run: steps:go\n    secrets: [DB_PASSWORD]\n"
    )
    (tmp_path / "steps.py").write_text("def go():\n    raise SystemExit('it ran')\n")
    ended = run_checkout(tmp_path, Home(tmp_path / "home", {}), {}, lambda _: None)
    assert ended.state == "failed" and "DB_PASSWORD" in ended.reason and "falaj project secret set" in ended.reason
    assert "DB_PASSWORD" not in os.environ

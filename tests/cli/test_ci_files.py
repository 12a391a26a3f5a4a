"""Files of CI systems: valid for those who read them, never over what is there, and their lines work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from falaj.config.ci_files import PATHS, ci_text
from falaj.control.runs import queue
from falaj.sdk import Client
from tests.cli.conftest import Command
from tests.platforms import COMMIT, Served
from tests.waiting import until

pytestmark = pytest.mark.integration


def shell_lines(system: str) -> list[str]:
    """The lines that start something, as the system gives them to a shell."""
    text = ci_text(system, "flights")
    if system == "jenkins":
        return re.findall(r"sh '(.*)'", text)
    jobs = yaml.safe_load(text).get("jobs") or yaml.safe_load(text)
    if system == "github":
        return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    return [line for job in jobs.values() for line in job.get("script", ())]


@pytest.mark.parametrize(("system", "schema"), [("github", "vendor.github-workflows"), ("gitlab", "vendor.gitlab-ci")])
def test_a_file_is_what_its_system_reads(tmp_path: Path, system: str, schema: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(ci_text(system, "flights"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    file.write_text(ci_text(system, "flights").replace("rules:", "rulez:").replace("runs-on:", "runz-on:"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1, "the schema finds what is wrong"


@pytest.mark.parametrize("system", PATHS)
def test_a_file_is_written_once(falaj: Command, tmp_path: Path, system: str) -> None:
    assert falaj("init", "tumours").returncode == 0
    ended = falaj("project", "ci", "init", system, "-C", "tumours")
    path = tmp_path / "tumours" / PATHS[system]
    assert (ended.returncode, ended.stderr) == (0, "") and "{{project" not in path.read_text()
    path.write_text("mine")
    again = falaj("project", "ci", "init", system, "-C", "tumours")
    assert again.returncode == 4 and "--print" in again.stderr and path.read_text() == "mine"
    printed = falaj("project", "ci", "init", system, "-C", "tumours", "--print").stdout
    assert printed == ci_text(system, "tumours")


def test_another_system_is_refused(falaj: Command) -> None:
    assert falaj("init", "tumours").returncode == 0
    ended = falaj("project", "ci", "init", "travis", "-C", "tumours")
    assert ended.returncode == 2 and "one of github, gitlab, jenkins" in ended.stderr


@pytest.mark.parametrize(
    ("system", "commit"), [("github", "GITHUB_SHA"), ("gitlab", "CI_COMMIT_SHA"), ("jenkins", "GIT_COMMIT")]
)
def test_the_line_that_starts_a_run_waits_for_it_and_writes_its_report(
    served: Served, tmp_path: Path, system: str, commit: str
) -> None:
    (line,) = [each for each in shell_lines(system) if "run start" in each]
    client, newest = Client.from_home(served.home), Client.from_home(served.home).runs(limit=1)[0].id
    own = Path(sys.executable).parent
    environ = {
        "PATH": f"{own}:{os.environ['PATH']}", "FALAJ_SERVER": served.home.server_url, "FALAJ_TOKEN": served.home.token,
        "FALAJ_HOME": str(tmp_path / "nowhere"), commit: COMMIT, "HOME": str(tmp_path),
    }  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        shell = ["bash", "-c", line.replace(".ci-venv/bin/", "")]
        job = pool.submit(subprocess.run, shell, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        until(lambda: job.done() or client.runs(limit=1)[0].id != newest)
        run_id = client.runs(limit=1)[0].id
        with served.platform.database.transaction() as session:
            queue.record(session, f"run/{run_id}", "run.ended", {"state": "rejected", "reason": "a gate"}, 1.0)
        ended = job.result()
    assert ended.returncode == 1, ended.stderr
    assert "rejected" in ended.stdout
    suite = ElementTree.fromstring((tmp_path / "falaj.xml").read_text()).find("testsuite")
    assert suite is not None and suite.get("failures") == "1"

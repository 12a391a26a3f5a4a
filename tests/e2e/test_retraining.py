"""Trainings on a real platform, by each kind of trigger; nothing new is no release, and a storm is one run."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from falaj.core.home import Home
from falaj.schemas.retraining import ModelTriggers
from falaj.sdk import Client, Endpoint, Label
from tests.e2e.installation import Installation, installed
from tests.servers import BUCKET, Bucket, S3Server, s3_server
from tests.waiting import until

__all__ = ["s3_server"]

pytestmark = [pytest.mark.lifecycle, pytest.mark.e2e, pytest.mark.timeout(600)]
SECRET = "a secret of both sides"
FOLDER, OBJECT = "clinic", "tumours.csv"
ENDED = ("won", "unchanged", "lost", "failed", "refused")
RETRAIN = """
retrain:
  - {on: event, source: tumours, cooldown: 1h, window: sliding 90d, budget: {runs_a_week: 20}}
  - {on: labels, every: 40, cooldown: 1s}
"""
BY_THE_CLOCK = """
retrain:
  - {on: schedule, cron: "* * * * *", cooldown: 1s, budget: {runs_a_week: 50}}
  - {on: event, source: tumours, poll: 1m, cooldown: 1s, budget: {runs_a_week: 50}}
"""
BY_OTHERS = """
retrain:
  - {on: event, upstream: scans, cooldown: 1s, budget: {runs_a_week: 50}}
  - {on: labels, loss_above: 0.5, cooldown: 1s, budget: {runs_a_week: 50}}
"""
SPLIT = "def split(tumours: pd.DataFrame, test_every: int)"
WINDOWED = SPLIT[:-1] + ", train_until: str | None = None, backtest_until: str | None = None)"
LEARN = "tumours[~is_test].reset_index(drop=True)"
RECENT = "tumours[~is_test & ~recent].reset_index(drop=True)"
IS_TEST = "    is_test = tumours.index % test_every == 0\n"
IS_RECENT = """    judges = bool(train_until and backtest_until and train_until < backtest_until)
    recent = (tumours.index % test_every == 1) & judges  # these have no dates: a share of them is the last days
"""


@dataclass
class Lab:
    """An installation whose project reads a table of a bucket."""

    platform: Installation
    project: Path
    bucket: Bucket

    @property
    def table(self) -> Path:
        """The rows with their right labels."""
        return self.project / "data" / "tumours.csv"

    @property
    def client(self) -> Client:
        home = Home(self.platform.home, {})
        return Client(home.server_url, home.token)

    def triggers_of(self) -> ModelTriggers:
        return self.client.trainings.triggers("tumours")[0]

    def ended(self, kind: str, reason: str = "") -> Any:
        """The first request of a kind with such a reason, once its training has ended."""

        def find_training() -> Any:
            mine = [
                each for each in self.triggers_of().requests if each.kind == kind and reason in each.cause["reason"]
            ]
            ended_attempts = [each for each in mine if each.state in ENDED]
            return ended_attempts[-1] if ended_attempts else None

        return until(find_training, lambda: str(self.triggers_of()) + self.platform.logs())

    def releases(self) -> list[int]:
        return sorted(each.number for each in self.client.releases("tumours"))

    def put(self, table: str) -> None:
        """Write the bucket's table anew."""
        self.bucket.put(OBJECT, table)

    def announce(self, session: httpx.Client, payload: dict[str, Any]) -> Any:
        body = json.dumps(payload).encode()
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        url = f"{Home(self.platform.home, {}).server_url}/api/v1/projects/tumours/events"
        answer = session.post(url, content=body, headers={"x-hub-signature-256": signature}).raise_for_status()
        return answer.json()["requests"][0]["state"]


def mislabelled(table: str) -> str:
    """The table with the wrong label for a fifth of the rows to learn from: what is trained on them can be beaten."""
    head, *rows = table.splitlines()
    wrong = [index % 4 != 0 and index % 5 == 1 for index in range(len(rows))]
    noisy_rows = [f"{row[:-1]}{1 - int(row[-1])}" if lies else row for row, lies in zip(rows, wrong, strict=True)]
    return "\n".join([head, *noisy_rows]) + "\n"


@pytest.fixture
def lab(tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    with installed(tmp_path / "home") as platform:
        folder = platform.plain_template(tmp_path / "tumours")
        retraining_lab = Lab(platform, platform.repository(folder, "tumours"), Bucket(s3_server, FOLDER))
        retraining_lab.put(mislabelled(retraining_lab.table.read_text()))
        read_from(folder, retraining_lab.bucket.url(OBJECT))
        origin = next(each.repository for each in retraining_lab.client.projects())
        retraining_lab.client.register_project("tumours", origin, branch="main", webhook_secret=SECRET)
        run = platform.ended(platform.push(folder))
        assert run["state"] == "succeeded", run["reason"] + platform.logs()
        yield retraining_lab


def read_from(folder: Path, url: str) -> None:
    """Let the template read its table from elsewhere and learn of the window of a training."""
    spec = folder / "falaj.yaml"
    text = spec.read_text().replace("file://data/tumours.csv", url)
    window = "{test_every: 4, train_until: null, backtest_until: null}"
    text = text.replace("{test_every: 4}", window).replace("auc >= 0.95", "auc >= 0.9")
    spec.write_text(text + RETRAIN)
    code = folder / "src" / "tumours" / "features.py"
    changed = code.read_text().replace(SPLIT, WINDOWED).replace(IS_TEST, IS_TEST + IS_RECENT).replace(LEARN, RECENT)
    code.write_text(changed)


def test_trainings(lab: Lab) -> None:
    a_storm_of_events_is_one_run_that_says_why(lab)
    nothing_new_is_no_release(lab)
    labels_start_a_training(lab)
    the_clock_and_a_look_at_the_data_start_one_too(lab)
    a_release_upstream_and_a_loss_start_one_too(lab)


def nothing_new_is_no_release(lab: Lab) -> None:
    output = lab.platform.ok("retrain", "tumours", "--reason", "a look at it")
    assert "a look at it" in output
    attempt = lab.ended("manual")
    assert attempt.state == "unchanged", attempt
    run = lab.client.run(attempt.run)
    assert (run.state, run.trigger, run.release) == ("succeeded", "manual", None)
    assert run.reason == "nothing new: the training gave the model of tumours@2 again"
    assert lab.releases() == [1, 2]


def a_storm_of_events_is_one_run_that_says_why(lab: Lab) -> None:
    lab.put(lab.table.read_text())
    written = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": f"{FOLDER}/{OBJECT}"}},
    }
    with httpx.Client() as session:
        states = [lab.announce(session, {"Records": [written]})]
        states += [lab.announce(session, {"source": "tumours", "id": str(index)}) for index in range(99)]
    assert (states[0], set(states[1:])) == ("started", {"waiting"})
    attempt = lab.ended("event")
    assert (attempt.state, attempt.release) == ("won", 2), attempt
    assert lab.releases() == [1, 2]
    assert [each.trigger for each in lab.client.runs()].count("event") == 1
    waiting = next(each for each in lab.triggers_of().requests if each.state == "waiting")
    assert waiting.times == 99
    evidence = dict(predicates(lab, "tumours@2"))
    what_wins_was_trained_again_on_all_rows(lab, evidence)
    external = evidence["provenance"]["buildDefinition"]["externalParameters"]
    assert external["cause"]["reason"] == "something new was announced for the data source tumours"
    assert external["parameters"]["split"]["train_until"].startswith("20")
    until(lambda: served(lab) == "tumours@2", lab.platform.logs)
    story = lab.platform.ok("why", "dev/tumours")
    assert "something new was announced" in story
    assert "trained again on all rows: it agrees on split.test" in story
    assert "of such comparisons" in story  # the verdict states its power


def what_wins_was_trained_again_on_all_rows(lab: Lab, evidence: dict[str, Any]) -> None:
    """The release is the refit; the win is evidence of its backtest model, which had not seen the judging rows."""
    comparison, train = evidence["comparison"], evidence["train"]
    assert comparison["verdict"]["wins"] and comparison["agreement"]["agrees"]
    assert comparison["verdict"]["power"]["probability"] > 0
    assert comparison["refit"] == lab.client.release("tumours@2").digest != train["refit_of"]
    backtest_model, refit = comparison["parameters"]["split"], train["parameters"]["split"]
    assert (
        backtest_model["train_until"]
        < backtest_model["backtest_until"]
        == refit["backtest_until"]
        == refit["train_until"]
    )
    assert comparison["parameters"]["fit"] == train["parameters"]["fit"]
    assert [gate["text"] for gate in evidence["eval"]["gates"]] and evidence["eval"]["champion"] is None
    run = lab.client.run(lab.ended("event").run)
    kinds = {step.kind for step in run.steps if step.node.startswith("refit.")}
    assert kinds == {"step", "check", "gate"}
    assert "refit.packaging" in {step.node for step in run.steps}
    assert "verified" in lab.platform.ok("release", "verify", "tumours@2").lower()


def labels_start_a_training(lab: Lab) -> None:
    answer_and_label(lab, right=True)
    attempt = lab.ended("feedback")
    assert attempt.run and "labels" in attempt.cause["reason"]
    assert lab.client.run(attempt.run).trigger == "feedback"
    assert attempt.state == "lost", attempt  # labels alone are no new rows: the same model again
    assert "feedback" in lab.platform.ok("monitor", "training", "list")


def the_clock_and_a_look_at_the_data_start_one_too(lab: Lab) -> None:
    spec = lab.project / "falaj.yaml"
    spec.write_text(spec.read_text().replace(RETRAIN, BY_THE_CLOCK))
    lab.put(lab.table.read_text().replace("\n", "\r\n"))  # the same rows: what looks at the bucket cannot know
    run = lab.platform.ended(lab.platform.push(lab.project, "Train by the clock"))
    assert run["state"] == "succeeded", run["reason"]
    for kind, reason in (("schedule", "* * * * *"), ("event", "tumours has something new")):
        attempt = lab.ended(kind, reason)
        assert attempt.state == "unchanged", f"{attempt.kind} {attempt.state}: {attempt.reason}"
        assert lab.client.run(attempt.run).trigger == kind


def a_release_upstream_and_a_loss_start_one_too(lab: Lab) -> None:
    spec = lab.project / "falaj.yaml"
    spec.write_text(spec.read_text().replace(BY_THE_CLOCK, BY_OTHERS))
    run = lab.platform.ended(lab.platform.push(lab.project, "Train by what others do"))
    assert run["state"] == "succeeded", run["reason"]
    until(lambda: served(lab) == f"tumours@{run['release']}", lab.platform.logs)
    answer_and_label(lab, right=False)
    attempt = lab.ended("feedback", "0.5 is the bound")
    assert attempt.state == "lost", attempt
    upstream = lab.project.with_name("scans")
    shutil.copytree(lab.project, upstream, ignore=shutil.ignore_patterns(".git"))
    (upstream / "falaj.yaml").write_text(
        spec.read_text().replace("model: tumours", "model: scans").replace(BY_OTHERS, "")
    )
    lab.platform.repository(upstream, "scans")
    above = lab.platform.ended(lab.platform.push(upstream))
    assert above["state"] == "succeeded", above["reason"]
    attempt = lab.ended("event", "scans@1 was released")
    assert attempt.state == "unchanged", attempt


def answer_and_label(lab: Lab, *, right: bool) -> None:
    """Ask the live release about 60 tumours and send their labels, or about all and send the opposite ones."""
    with lab.table.open() as table:
        labelled_rows = list(csv.DictReader(table))[: 60 if right else None]
    served_at = lab.client.endpoint("dev/tumours")
    assert served_at is not None and served_at.url
    with lab.platform.opened(served_at.url) as endpoint:
        labels = []
        for row in labelled_rows:
            truth = int(row.pop("malignant"))
            answer = endpoint.predict([{name: float(value) for name, value in row.items()}])
            labels.append(Label(answer.id, truth if right else 1 - truth))
        endpoint.feedback(labels)


def predicates(lab: Lab, release: str) -> Iterator[tuple[str, Any]]:
    import base64

    for envelope in lab.client.evidence(release):
        statement = json.loads(base64.b64decode(envelope["payload"]))
        yield statement["predicateType"].split("/")[-2], statement["predicate"]


def served(lab: Lab) -> str:
    with lab.table.open() as table:
        row = {name: float(value) for name, value in next(csv.DictReader(table)).items() if name != "malignant"}
    live_endpoint = lab.client.endpoint("dev/tumours")
    if live_endpoint is None or not live_endpoint.url:
        return ""
    with Endpoint(live_endpoint.url) as endpoint:
        return endpoint.predict([row]).release

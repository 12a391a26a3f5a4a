"""Every call of the SDK against a real server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from falaj import __version__
from falaj.core.home import Home
from falaj.sdk import Client, ProblemError, ServerUnreachableError
from falaj.supply_chain import attestations
from tests.platforms import COMMIT, PREDICTION, Served
from tests.servers import free_ports

pytestmark = pytest.mark.integration


def test_health(client: Client) -> None:
    health = client.health()
    assert (health.status, health.version, health.database) == ("ok", __version__, "sqlite")


def test_a_project_is_registered_with_its_settings(client: Client) -> None:
    new_project = client.register_project(
        "elsewhere", "https://git.example.org/e.git", branch="trunk", poll_every_s=60.0
    )
    assert (new_project.name, new_project.branch, new_project.last_commit) == ("elsewhere", "trunk", None)
    assert new_project in client.projects()


def test_a_push_starts_one_run_of_a_commit(client: Client) -> None:
    client.register_project("pushed", "/srv/pushed.git")
    first = client.push("pushed", "refs/heads/main", "3d" * 20)
    again = client.push("pushed", "refs/heads/main", "3d" * 20)
    assert (first.created, again.created) == (True, False)
    assert first.run_id == again.run_id
    assert not client.push("pushed", "refs/heads/other", "4e" * 20).created


def test_a_run_is_started_listed_and_cancelled(client: Client) -> None:
    client.register_project("manual", "/srv/manual.git")
    new_run = client.start_run("manual", "5f" * 20, {"fit": {"depth": [1, 2]}})
    assert (new_run.state, new_run.trigger, new_run.params) == ("queued", "manual", {"fit": {"depth": [1, 2]}})
    assert [run.id for run in client.runs("manual")] == [new_run.id]
    assert client.run("last").id == new_run.id
    assert client.cancel_run(new_run.id).state == "cancelling"


def test_runs_are_limited_and_of_one_project(client: Client, served: Served) -> None:
    assert len(client.runs(limit=1)) == 1
    assert [run.id for run in client.runs("flights")] == [served.run_id]
    assert client.runs("nobody") == []


def test_a_run_has_its_steps_in_order(client: Client, served: Served) -> None:
    run = client.run(served.run_id[:13])
    assert (run.id, run.commit, run.release) == (served.run_id, COMMIT, 1)
    assert [(step.node, step.kind) for step in run.steps] == [
        ("fit", "step"),
        ("tests", "check"),
        ("auc >= 0.6 on test", "gate"),
    ]


def test_the_log_of_a_step(client: Client, served: Served) -> None:
    assert client.log(served.run_id, "fit") == "fitting\ndone\n"


def test_the_log_of_a_node_with_a_name_full_of_signs(client: Client, served: Served) -> None:
    assert client.log(served.run_id, "auc >= 0.6 on test") == ""


def test_events_come_in_order_and_go_on_where_one_stopped(client: Client, served: Served) -> None:
    subject = f"run/{served.run_id}"
    first_events = list(islice(client.events(subject), 4))
    assert [event.kind for event in first_events] == ["run.queued", "step.started", "step.finished", "run.ended"]
    assert [event.subject for event in first_events] == [subject] * 4
    assert next(client.events(subject, after=first_events[2].id)) == first_events[3]


def test_releases_by_every_name(client: Client, served: Served) -> None:
    release = client.release("flight-delay@1")
    assert (release.digest, release.run_id, release.commit) == (served.model, served.run_id, COMMIT)
    assert client.release("flight-delay@latest") == client.release("flight-delay") == release
    assert client.releases() == client.releases("flight-delay") == [release]
    assert client.releases("nobody") == []


def test_evidence_comes_as_it_was_signed(client: Client, served: Served) -> None:
    (envelope,) = client.evidence("flight-delay@1")
    verified_statement = attestations.verify_envelope(envelope, attestations.open_keyring(served.home.keys).trusted())
    assert verified_statement.subjects[0].digest == served.model
    assert json.loads(base64.b64decode(envelope["payload"]))["predicate"] == {"run": served.run_id}


def test_endpoints(client: Client) -> None:
    (endpoint,) = client.endpoints()
    assert (endpoint.endpoint, endpoint.state, endpoint.replicas_ready) == ("dev/flight-delay", "ready", 2)
    assert client.endpoint("dev/flight-delay") == endpoint
    assert client.endpoint("prod/flight-delay") is None


def test_a_prediction_leads_back_to_its_commit(client: Client, served: Served) -> None:
    trace = client.trace(PREDICTION)
    assert trace.prediction["rows"] == [{"distance": 1400.0}]
    assert (trace.release.number, trace.run.id, trace.run.commit) == (1, served.run_id, COMMIT)
    assert trace.snapshots == {"flights": served.model}


def test_collecting_keeps_what_is_reached(client: Client, served: Served) -> None:
    lost = served.platform.store.put_bytes(b"nobody needs this").digest
    assert client.collect(3600.0).blobs == 0, "it is younger than the grace period"
    removed = client.collect(0.0)
    assert (removed.blobs, removed.bytes) == (1, 17)
    assert not served.platform.store.has(lost) and served.platform.store.has(served.log)


REFUSED: list[tuple[str, Callable[[Client], Any], int, int, str]] = [
    ("an unknown run", lambda c: c.run("zzz"), 404, 3, "run.unknown"),
    ("a run that is a path", lambda c: c.run("../projects?x=#"), 404, 3, "http.404"),
    ("an empty run", lambda c: c.log("", ""), 404, 3, "http.404"),
    ("a log of no step", lambda c: c.log("last", "nothing"), 404, 3, "not-found"),
    ("an unknown release", lambda c: c.release("flight-delay@9"), 404, 3, "release.unknown"),
    ("a release of a bad name", lambda c: c.release("flight-delay@x y"), 400, 2, "release.name"),
    ("evidence of none", lambda c: c.evidence("none"), 404, 3, "release.unknown"),
    ("an unknown prediction", lambda c: c.trace("nothing"), 404, 3, "prediction.unknown"),
    ("a run of no project", lambda c: c.start_run("none", COMMIT, {}), 404, 3, "project.unknown"),
    ("a push to no project", lambda c: c.push("none", "refs/heads/main", COMMIT), 404, 3, "project.unknown"),
    ("a wrong order", lambda c: c.runs(sort="colour"), 400, 2, "request.invalid"),
    ("a wrong setting", lambda c: c.register_project("p", "/r", colour="red"), 400, 2, "request.invalid"),
    ("another repository", lambda c: c.register_project("flights", "/other"), 409, 4, "conflict"),
    ("a wrong grace", lambda c: c.collect("soon"), 400, 2, "request.invalid"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(
    ("call", "status", "exit_code", "code"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_a_refusal_is_a_problem(
    client: Client, call: Callable[[Client], Any], status: int, exit_code: int, code: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        call(client)
    assert (caught.value.status, caught.value.exit_code, caught.value.code) == (status, exit_code, code)
    assert caught.value.message


def test_a_wrong_token_is_refused_and_says_where_the_right_one_is(served: Served) -> None:
    with pytest.raises(ProblemError, match="no valid token") as caught:
        Client(served.home.server_url, "guess").projects()
    assert (caught.value.status, caught.value.exit_code) == (401, 2)
    assert "token" in caught.value.hint


def test_a_stream_without_a_token_is_refused(served: Served) -> None:
    with pytest.raises(ProblemError, match="no valid token"):
        next(Client(served.home.server_url, "").events())


def test_no_server_is_unavailable() -> None:
    with pytest.raises(ServerUnreachableError, match="no server answers") as caught:
        Client(f"http://127.0.0.1:{free_ports(1)[0]}", "").health()
    assert (caught.value.exit_code, caught.value.code) == (6, "server.unreachable")
    assert "falaj up" in caught.value.hint


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(ServerUnreachableError):
        Client("http://nowhere.invalid:80", "").health()


def test_settings_name_another_server_and_token(served: Served, tmp_path: Path) -> None:
    settings = {"FALAJ_SERVER": served.home.server_url, "FALAJ_TOKEN": served.home.token}
    assert Client.from_home(Home(tmp_path, settings)).projects()
    with pytest.raises(ProblemError, match="no valid token"):
        Client.from_home(Home(tmp_path, {"FALAJ_SERVER": served.home.server_url})).projects()


def test_a_call_gives_its_connection_back(served: Served) -> None:
    program = "from falaj.sdk import Client; Client.from_home().health()"
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", program]
    environment = os.environ | {"FALAJ_HOME": str(served.home.root)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "unclosed" not in ended.stderr

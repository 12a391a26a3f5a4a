"""The page of a location: real model servers and a real Envoy tell, and the agent's thread answers."""

from __future__ import annotations

import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.core.home import Home
from falaj.dataplane.agent.metrics import SETTING, MetricsPortError, metrics_port, page, serve_metrics
from falaj.dataplane.desired_state import EndpointState
from falaj.dataplane.runtimes.process.envoy import stats
from falaj.dataplane.runtimes.process.replica import ReplicaRecords
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.integrations.prometheus import FamilyKind, parse
from tests.dataplane.agent_scene import Scene
from tests.dataplane.conftest import ask, free_port, servable
from tests.dataplane.constant_model import make_model
from tests.dataplane.test_traffic_of_model_servers import BODY
from tests.integrations.otlp.collector import collecting
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.integration

Series = dict[str, list[tuple[dict[str, str], float]]]


@pytest.fixture
def scrape_port(place: LocationFolders) -> Iterator[int]:
    """Port of the page of a place, served by a thread as an agent has it."""
    port, stopping = free_port(), threading.Event()
    thread = threading.Thread(target=serve_metrics(place, port), args=(stopping,))
    thread.start()
    until(lambda: _listens(port))
    yield port
    stopping.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.e2e
def test_replicas_and_the_gateway_are_on_one_page(place: LocationFolders, scrape_port: int, tmp_path: Path) -> None:
    runtime = ProcessRuntime(place, port=free_port())
    servables = [replace(servable(1, replicas=2), model_dir=make_model(tmp_path / "model", 1))]
    try:
        assert {each.state for each in runtime.settle(servables, timeout_s=HANGS_AFTER_S)} == {EndpointState.READY}
        for _ in range(20):
            assert ask(runtime.gateway.port, "/dev/m/v2/models/m/infer", "POST", BODY)[0] == 200
        samples_by_name = scrape(scrape_port)
        requests = samples_by_name["falaj_requests_total"]
        assert sum(value for _, value in requests) == 20
        assert {labels["release"] for labels, _ in requests} == {"m@1"}
        assert len({labels["replica"] for labels, _ in samples_by_name["falaj_ready"]}) == 2
        assert [value for _, value in samples_by_name["falaj_gateway_up"]] == [1]
        envoy = {
            labels["envoy_cluster_name"]: value
            for labels, value in samples_by_name["envoy_cluster_upstream_rq_completed"]
        }
        assert list(envoy.values()) == [20]
        assert next(iter(envoy)).startswith("dev/m@1.")
        assert {name for name in samples_by_name if name.startswith("envoy_")} <= stats.NAMES
        assert {"envoy_http_downstream_rq_xx", "envoy_server_live"} <= samples_by_name.keys()
        assert {labels["location"] for series in samples_by_name.values() for labels, _ in series} == {
            place.folder.name
        }
        assert sum(map(len, samples_by_name.values())) < 250
        victim = next(iter(ReplicaRecords(place.folder / "replicas")))
        assert victim.process is not None
        os.kill(victim.process.pid, signal.SIGKILL)
        until(lambda: sorted(value for _, value in scrape(scrape_port)["falaj_replica_up"]) == [0, 1])
    finally:
        runtime.stop()


@pytest.mark.e2e
def test_an_agent_tells_what_its_settings_ask_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with collecting() as collector:
        monkeypatch.setenv(SETTING, str(port))
        monkeypatch.setenv("FALAJ_OTLP_URL", collector.url)
        scene.start()
        scene.plane.want(scene.release(1))
        scene.until_serving(1)
        samples_by_name = scrape(port)
        assert [value for _, value in samples_by_name["falaj_gateway_up"]] == [1]
        assert [value for _, value in samples_by_name["falaj_replica_up"]] == [0], (
            "what stands in for a replica tells no counts"
        )
        until(lambda: bool(collector.spans) or not scene.answer())
        assert {span.name for span in collector.spans} == {"predict", "model server"}
        scene.kill()


def test_a_location_that_runs_nothing_says_so(scrape_port: int, place: LocationFolders) -> None:
    assert scrape(scrape_port) == {"falaj_gateway_up": [({"location": place.folder.name}, 0)]}


@pytest.mark.parametrize(("path", "host"), [("/", "127.0.0.1"), ("/stats", "localhost"), ("/metrics", "evil.example")])
def test_nothing_else_is_answered(scrape_port: int, path: str, host: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _read(scrape_port, path, host)


def test_a_port_that_is_held_is_waited_for(
    place: LocationFolders, scrape_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falaj.dataplane.agent.metrics._RETRY_S", 0.01)
    stopping = threading.Event()
    second = threading.Thread(target=serve_metrics(place, scrape_port), args=(stopping,))
    second.start()
    assert scrape(scrape_port)
    stopping.set()
    second.join(10)
    assert not second.is_alive()


@pytest.mark.parametrize(("setting_text", "port"), [("", None), ("0", None), ("9400", 9400), (" 9400 ", 9400)])
def test_the_setting_names_a_port(tmp_path: Path, setting_text: str, port: int | None) -> None:
    assert metrics_port(Home(tmp_path, {SETTING: setting_text})) == port


@pytest.mark.parametrize("setting_text", ["x", "-1", "65536", "9400.0"])
def test_a_setting_that_names_none_is_refused(tmp_path: Path, setting_text: str) -> None:
    with pytest.raises(MetricsPortError, match=SETTING):
        metrics_port(Home(tmp_path, {SETTING: setting_text}))


def test_the_page_of_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert "falaj_gateway_up" in page(LocationFolders(tmp_path / "none", tmp_path / "logs"))


def test_each_release_keeps_the_names_of_envoys_metrics() -> None:
    text = "".join(
        f'# TYPE envoy_cluster_{part} counter\nenvoy_cluster_{part}{{envoy_cluster_name="dev/m@{release}"}} {release}\n'
        for release, part in (
            (1, "88d2ee4b_upstream_rq_completed"),
            (2, "0000000a_mirror_upstream_rq_completed"),
            (2, "0000000a_mirror_external_upstream_rq_completed"),
            (2, "0000000a_something_new"),
        )
    )
    (family,) = stats.families(text)
    assert family.name == "envoy_cluster_upstream_rq_completed"
    assert [each.labels["envoy_cluster_name"] for each in family.samples] == [
        "dev/m@1.88d2ee4b",
        "dev/m@2.0000000a!mirror",
    ]


def test_times_that_envoy_tells_stay_a_histogram() -> None:
    labels = 'envoy_cluster_name="dev/m@1"'
    name = "envoy_cluster_88d2ee4b_upstream_rq_time"
    text = f'# TYPE {name} histogram\n{name}_bucket{{{labels},le="+Inf"}} 5\n{name}_sum{{{labels}}} 19.2\n'
    (family,) = stats.families(text)
    assert (family.name, family.kind) == ("envoy_cluster_upstream_rq_time", FamilyKind.HISTOGRAM)
    assert [each.suffix for each in family.samples] == ["_bucket", "_sum"]


def scrape(port: int) -> Series:
    families = parse(_read(port, "/metrics", "127.0.0.1"))
    return {family.name: [(dict(each.labels), each.value) for each in family.samples] for family in families}


def _read(port: int, path: str, host: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"host": f"{host}:{port}"})
    with urllib.request.urlopen(request, timeout=HANGS_AFTER_S) as answer:
        return str(answer.read().decode())


def _listens(port: int) -> bool:
    try:
        return bool(_read(port, "/metrics", "127.0.0.1"))
    except OSError:
        return False

"""A real Prometheus scrapes a real server with the token that the guide says, and a rule that ships fires."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from falaj.storage import EndpointRow
from tests.api.people import acting_as, grant, person
from tests.apps import app_of
from tests.integrations.prometheus.test_rules import RULES
from tests.platforms import Served
from tests.servers import free_ports
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.integration


def test_promtool_finds_no_fault_in_the_page(served: Served, promtool: str) -> None:
    page = ask(f"{served.home.server_url}/metrics", served.home.token)
    assert page.count(b"# TYPE") > 10
    promtool_result = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True)
    assert promtool_result.returncode == 0, (promtool_result.stdout + promtool_result.stderr).decode()


def test_prometheus_scrapes_the_server_and_a_rule_fires(served: Served, prometheus: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token_of_the_guide(served))
    with running(prometheus, served.home.server_url, tmp_path) as url:
        until_scraped(
            lambda: [each["health"] for each in ask_prometheus(url, "targets")["activeTargets"]] == ["up"], url
        )
        until_scraped(lambda: value(url, "falaj_endpoint_up") == 1, url)
        assert "FalajEndpointDown" not in firing(url)
        with served.platform.database.transaction() as session:
            row = session.get_one(EndpointRow, ("local", "dev", "flight-delay"))
            row.status = {"release": 1, "state": "failed", "serving": None}
        until_scraped(lambda: "FalajEndpointDown" in firing(url), url)
        firing_alert = firing(url)["FalajEndpointDown"]
        assert firing_alert["annotations"]["summary"] == "No release answers at dev/flight-delay in local"
        assert "FalajWorkerGone" in firing(url), "the run that waits since the year 1970"


def test_a_scrape_without_a_token_is_refused(served: Served) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(f"{served.home.server_url}/metrics", "")


def token_of_the_guide(served: Served) -> str:
    """As an administrator makes it: for a service that may read and nothing else."""
    grant(served.platform.database, "root", "admin")
    with acting_as(app_of(served.platform), person("root")) as admin:
        token_request = {"label": "scrapes", "actions": ["read"], "days": 365}
        response = admin.post("/api/v1/services/prometheus/tokens", json=token_request)
        assert response.status_code == 201, response.text
        roles = admin.put("/api/v1/accounts/service:prometheus/roles", json=[{"role": "auditor"}])
        assert roles.status_code == 200, roles.text
    return str(response.json()["secret"])


@contextmanager
def running(program: str, server: str, folder: Path) -> Iterator[str]:
    """A Prometheus with the rules that ship, which wait for nothing."""
    (folder / "alerts.yaml").write_text(re.sub(r"for: \w+", "for: 0s", RULES.read_text()))
    job = {
        "job_name": "falaj",
        "authorization": {"credentials_file": str(folder / "token")},
        "static_configs": [{"targets": [server.removeprefix("http://")]}],
    }
    often = {"scrape_interval": "300ms", "scrape_timeout": "300ms", "evaluation_interval": "300ms"}
    config = {"global": often, "rule_files": ["alerts.yaml"], "scrape_configs": [job]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_ports(1)[0]
    command = [
        program, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def until_scraped(holds: Callable[[], bool], url: str) -> None:
    def scraped() -> bool:
        try:
            return holds()
        except OSError:  # it does not listen yet
            return False

    until(scraped, lambda: f"targets {ask_prometheus(url, 'targets')}, alerts {ask_prometheus(url, 'alerts')}")


def firing(url: str) -> dict[str, Any]:
    alerts = ask_prometheus(url, "alerts")["alerts"]
    return {each["labels"]["alertname"]: each for each in alerts if each["state"] == "firing"}


def value(url: str, metric: str) -> float | None:
    query_result = ask_prometheus(url, f"query?query={metric}")["result"]
    return float(query_result[0]["value"][1]) if query_result else None


def ask_prometheus(url: str, what: str) -> Any:
    return json.loads(ask(f"{url}/api/v1/{what}", ""))["data"]


def ask(url: str, token: str) -> bytes:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=HANGS_AFTER_S) as answer:
        body: bytes = answer.read()
    return body

"""What `make release` builds, alone on a machine: from `pip install` and `falaj init` to a prediction."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv

from tests.e2e.installation import ROOT, Completed, Installation, free_port
from tests.waiting import HANGS_AFTER_S, until

pytestmark = [pytest.mark.models, pytest.mark.e2e]


@dataclass(frozen=True)
class FromWheel(Installation):
    """An installation whose commands are those of a wheel, run from elsewhere than the checkout."""

    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        hidden = ("PYTHONPATH", "VIRTUAL_ENV", "FALAJ_WHEEL")
        return {name: value for name, value in super().environment.items() if name not in hidden} | {"PATH": path}

    def falaj(self, *arguments: str, cwd: Path | None = None, stdin_text: str = "") -> Completed:
        return subprocess.run(
            [str(self.programs / "falaj"), *arguments], cwd=cwd or self.home.parent, env=self.environment,
            capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False, input=stdin_text,
        )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `make release` built, or one that is built here, from the sdist as there."""
    if built := os.environ.get("FALAJ_WHEEL"):
        return Path(built)
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--quiet", "--out-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


@pytest.fixture
def installation(wheel: Path, tmp_path: Path) -> Iterator[FromWheel]:
    """The extra `server` alone: nobody who follows README has more."""
    venv = tmp_path / "venv"
    _uv("venv", "--quiet", "--python", sys.executable, str(venv))
    _uv("pip", "install", "--quiet", "--python", str(venv), f"falaj[server] @ file://{wheel.resolve()}")
    instance = FromWheel(tmp_path / "home", (free_port(), free_port()), venv / "bin")
    instance.up()
    try:
        yield instance
    finally:
        instance.falaj("down")


def _uv(*arguments: str) -> None:
    cache = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(ROOT / ".cache" / "uv"))}
    subprocess.run([uv.find_uv_bin(), *arguments], env={**os.environ, **cache}, check=True)


def test_a_wheel_alone_goes_from_init_to_a_prediction(installation: FromWheel, tmp_path: Path) -> None:
    project = installation.template(tmp_path / "churn")
    run = installation.ended(installation.push(installation.repository(project, "churn")))
    assert run["state"] == "succeeded", run["reason"] + installation.logs()
    until(
        lambda: [each for each in installation.json("endpoint", "list") if each["state"] == "ready"], installation.logs
    )
    with (project / "data" / "tumours.csv").open() as table:
        row = {name: float(value) for name, value in next(csv.DictReader(table)).items() if name != "malignant"}
    assert installation.json("predict", "dev/churn", "--row", json.dumps(row))["release"] == "churn@1"
    shown = json.dumps(run)
    assert "pip install 'falaj[onnx]'" in shown
    assert "No module named" not in shown and "ModuleNotFoundError" not in shown + installation.logs()

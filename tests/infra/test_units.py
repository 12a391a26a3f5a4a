"""systemd units and the Compose file: read by the tools that they are for, and starting what there is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2] / "infra"
BIN = Path(sys.executable).parent
UNITS = sorted((ROOT / "systemd").iterdir())
COMPOSE = ROOT / "compose" / "compose.yaml"


def verified(folder: Path, change: tuple[str, str] = ("", "")) -> str:
    """What systemd says of the units, with the programs of this checkout in place."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not there: units are not checked")
    paths = []
    for unit in UNITS:
        text = unit.read_text().replace("/opt/falaj/bin", str(BIN))
        paths.append(folder / unit.name.replace("@", "@dubai"))
        paths[-1].write_text(text.replace(*change) if change[0] else text)
    ended = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    return ended.stderr


def test_units_are_what_systemd_takes(tmp_path: Path) -> None:
    assert verified(tmp_path) == ""


def test_a_wrong_line_of_a_unit_is_found(tmp_path: Path) -> None:
    assert "Restarts" in verified(tmp_path, ("Restart=", "Restarts="))


def commands() -> list[list[str]]:
    lines = [line for unit in UNITS for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    of_units = [line.removeprefix("ExecStart=/opt/falaj/bin/").split() for line in lines]
    services = yaml.safe_load(COMPOSE.read_text())["services"].values()
    return of_units + [each["command"] for each in services if each.get("command", [""])[0].startswith("falaj")]


def test_what_units_and_compose_start_is_there() -> None:
    assert len(commands()) == 6
    for program, *arguments in commands():
        parsed = subprocess.run([BIN / program, *arguments, "--help"], capture_output=True, text=True, check=False)
        assert parsed.returncode == 0 and "sage: " in parsed.stdout, parsed.stderr


def compose_problems(path: Path) -> int:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_the_compose_file_fits_its_schema_and_names_no_tag(tmp_path: Path) -> None:
    assert compose_problems(COMPOSE) == 0
    (tmp_path / "compose.yaml").write_text(COMPOSE.read_text().replace("read_only: true", "readonly: true"))
    assert compose_problems(tmp_path / "compose.yaml") != 0
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert all(each["image"].startswith("${") and "NAME@sha256:" in each["image"] for each in services.values())
    for name in ("server", "worker", "agent"):
        assert services[name]["read_only"] is True and services[name]["cap_drop"] == ["ALL"]

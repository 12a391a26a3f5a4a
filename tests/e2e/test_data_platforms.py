"""A model that learns from tables of other systems, on a real platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from falaj.supply_chain.attestations import DATASET
from falaj.supply_chain.attestations.envelope import decode
from tests.e2e.installation import Installation, installed
from tests.warehouses import PASSWORD, over_tcp, warehouse_server

__all__ = ["warehouse_server"]

pytestmark = [pytest.mark.integrations, pytest.mark.e2e, pytest.mark.timeout(900)]
ROOT_PASSWORD = "correct horse battery staple"
PLATFORM = """connections:
  dwh: {{kind: postgres, host: 127.0.0.1, port: {port}, database: dwh, user: reader, jurisdiction: AE,
         projects: [{project}], secrets: {{password: DWH_PASSWORD}}}}
"""
SOURCE = """{source: "sql://dwh", query: sql/tumours.sql, key: [radius, texture, area],
    watch: select count(*) from tumours, classification: internal, origin: AE}"""


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("FALAJ_JURISDICTION", "AE")
    with installed(tmp_path / "home") as installation:
        yield installation


@pytest.fixture
def port(warehouse_server: psycopg.Connection[Any]) -> Iterator[int]:
    with over_tcp(warehouse_server) as number:
        yield number


def test_a_model_learns_from_a_query_and_the_evidence_says_which(
    platform: Installation, warehouse_server: psycopg.Connection[Any], port: int, tmp_path: Path
) -> None:
    folder = platform.repository(platform.plain_template(tmp_path / "tumours"), "tumours")
    fill(warehouse_server, folder / "data" / "tumours.csv")
    read_from_query(folder)
    use(platform, tmp_path, port, "tumours")
    run = platform.ended(platform.push(folder))
    assert run["state"] == "succeeded", run["reason"] + platform.logs()

    platform.ok("release", "export", "tumours", str(tmp_path / "bundle"))
    table = next(
        each["predicate"]["table"] for each in statements(tmp_path / "bundle") if each["predicateType"] == DATASET
    )
    assert (table["kind"], table["rows"], table["columns"]["malignant"]) == ("postgres", 569, "int32")
    assert no_file_below(platform.home, PASSWORD)

    use(platform, tmp_path, port, "others")
    (folder / "sql" / "tumours.sql").write_text("select * from tumours where radius > 0\n")
    run = platform.ended(platform.push(folder, "Once more"))
    assert run["state"] == "rejected"
    assert "the connection `dwh` is not for the project `tumours`" in run["reason"]


def statements(bundle: Path) -> Iterator[dict[str, Any]]:
    """What was signed of a release."""
    for path in sorted(bundle.rglob("*.json")):
        document = json.loads(path.read_text())
        for envelope in document if isinstance(document, list) else [document]:
            if isinstance(envelope, dict) and "payloadType" in envelope:
                yield json.loads(decode(envelope)[1])


def fill(server: psycopg.Connection[Any], table: Path) -> None:
    names = table.read_text().partition("\n")[0].split(",")
    columns = ", ".join(f"{name} {'int' if name == 'malignant' else 'float8'}" for name in names)
    server.execute(f"drop table if exists tumours; create table tumours ({columns})")  # type: ignore[call-overload]
    with server.cursor() as cursor, cursor.copy("copy tumours from stdin with (format csv, header)") as copy:
        copy.write(table.read_bytes())


def read_from_query(folder: Path) -> None:
    (folder / "sql").mkdir()
    (folder / "sql" / "tumours.sql").write_text("select * from tumours\n")
    spec = folder / "falaj.yaml"
    before = '{source: "file://data/tumours.csv", classification: public, origin: US}'
    assert before in spec.read_text()
    spec.write_text(spec.read_text().replace(before, SOURCE))


def use(platform: Installation, tmp_path: Path, port: int, project: str) -> None:
    """Let one project read over the connection, as an administrator does."""
    link = platform.home / "setup-link"
    if link.exists():
        person = ("--name", "root", "--email", "root@example.org", "--password-stdin")
        platform.ok("access", "bootstrap", link.read_text().strip(), *person, stdin_text=ROOT_PASSWORD)
    else:
        platform.ok("login", "--account", "root", "--password-stdin", stdin_text=ROOT_PASSWORD)
    file = tmp_path / "platform.yaml"
    file.write_text(PLATFORM.format(port=port, project=project))
    platform.ok("platform", "secret", "set", "DWH_PASSWORD", stdin_text=PASSWORD)
    platform.ok("platform", "apply", "-f", str(file))
    platform.ok("logout")


def no_file_below(folder: Path, text: str) -> bool:
    """Whether a text is in no file of a folder, of those that may be read."""
    files = [path for path in folder.rglob("*") if path.is_file() and "envs" not in path.relative_to(folder).parts]
    return not [path for path in files if text.encode() in path.read_bytes()]

"""The model server is lean: it imports nothing of the control plane and no library that it does not serve with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

ENCRYPTION = {f"falaj.supply_chain.encryption{name}" for name in ("", ".derivation", ".errors", ".stream")}
AREAS = {"falaj", "falaj.core", "falaj.dataplane", "falaj.statistics", "falaj.supply_chain"}
CORE = {f"falaj.core.{name}" for name in ("errors", "file_identity", "ids", "lazy_exports")}
ALLOWED = AREAS | CORE | ENCRYPTION
ALLOWED_BELOW = (
    "falaj.core.sandbox",
    "falaj.models",
    "falaj.dataplane.model_server",
    "falaj.dataplane.prediction_log",
    "falaj.statistics.recalibration",
)
HEAVY = {"mlflow", "pandas", "polars", "sklearn", "fastapi", "sqlalchemy", "pydantic", "httpx", "starlette", "scipy"}

SCRIPT = """
import json, sys
import falaj.dataplane.model_server.__main__, falaj.dataplane.model_server.server
import falaj.models.backends.onnx, falaj.models.backends.native
import falaj.models.backends.pyfunc, granian.server.embed
print(json.dumps(sorted(sys.modules)))
"""


def test_the_import_set_is_the_servers_own() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    modules = json.loads(ended.stdout)
    ours = {name for name in modules if name.split(".")[0] == "falaj"}
    assert {name for name in ours if not name.startswith(ALLOWED_BELOW)} <= ALLOWED
    assert not HEAVY & set(modules)


def test_importing_the_room_costs_nothing_heavy() -> None:
    script = "import json, sys, falaj.dataplane; print(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"numpy", "msgspec", "granian", *HEAVY} & set(json.loads(ended.stdout))

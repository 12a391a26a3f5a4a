from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from falaj.config import ProjectSpec, load_spec


def test_json_and_back_is_the_same(project: Path) -> None:
    spec = load_spec(project)
    assert ProjectSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_another_version_is_refused(project: Path) -> None:
    value = load_spec(project).to_json() | {"version": 0}
    with pytest.raises(ValueError, match="version 0"):
        ProjectSpec.from_json(value)


def test_the_released_model_is_that_of_the_last_model_step(project: Path) -> None:
    assert load_spec(project).model_step == "fit"


@pytest.mark.integration
def test_the_room_imports_without_parsers() -> None:
    code = "import sys, falaj.config, falaj.config.loading; print({'yaml', 'pydantic'} & {*sys.modules})"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"

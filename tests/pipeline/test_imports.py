from __future__ import annotations

from pathlib import Path

import pytest

from falaj.pipeline.imports import Checkout, closure, script_closure


@pytest.fixture
def code(tmp_path: Path) -> Checkout:
    files = {
        "src/app/__init__.py": "",
        "src/app/steps.py": "import numpy\nfrom app import shapes\nfrom .deep import x\n",
        "src/app/shapes.py": "def f():\n    import app.late\n",
        "src/app/late.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import app.types_only\n",
        "src/app/types_only.py": "",
        "src/app/deep/__init__.py": "from ..up import y\n",
        "src/app/deep/x.py": "import app.steps\n",
        "src/app/up.py": "",
        "src/app/unrelated.py": "",
        "src/app/dynamic.py": "import importlib\ndef f(n):\n    return importlib.import_module(n)\n",
        "src/app/literal.py": "import importlib\nimportlib.import_module('app.unrelated')\n",
        "src/app/star.py": "from app.deep import *\n",
        "src/app/broken.py": "def (",
        "tools/run.py": "import beside\nimport app.up\n",
        "tools/beside.py": "",
        ".venv/lib/hidden.py": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Checkout(tmp_path, (tmp_path / "src", tmp_path))


def reached(code: Checkout, module: str) -> set[str]:
    return {path.removeprefix("src/app/").removesuffix(".py") for path in closure(module, code)}


def test_everything_that_imports_reach_and_nothing_else(code: Checkout) -> None:
    assert reached(code, "app.steps") == {
        "__init__", "steps", "shapes", "late", "types_only", "deep/__init__", "deep/x", "up",
    }  # fmt: skip


def test_a_literal_dynamic_import_is_followed(code: Checkout) -> None:
    assert "unrelated" in reached(code, "app.literal")


def test_an_unknowable_import_reaches_the_whole_project(code: Checkout) -> None:
    found = reached(code, "app.dynamic")
    assert {"unrelated", "broken", "tools/beside"} <= found
    assert not any("hidden" in path for path in found)


def test_a_star_import_takes_the_modules_of_the_package(code: Checkout) -> None:
    assert "deep/x" in reached(code, "app.star")


def test_a_module_with_a_syntax_error_counts_itself(code: Checkout) -> None:
    assert reached(code, "app.broken") == {"__init__", "broken"}


def test_an_installed_module_is_none_of_the_projects(code: Checkout) -> None:
    assert closure("json", code) == {}


def test_a_script_finds_modules_beside_it(code: Checkout, tmp_path: Path) -> None:
    assert {*script_closure(tmp_path, "tools/run.py", code)} == {
        "tools/run.py", "tools/beside.py", "src/app/__init__.py", "src/app/up.py",
    }  # fmt: skip

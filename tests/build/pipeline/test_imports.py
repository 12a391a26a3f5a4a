from __future__ import annotations

from pathlib import Path

import pytest

from falaj.build.pipeline.imports import ImportReach, ImportTree, closure, script_closure


@pytest.fixture
def code(tmp_path: Path) -> ImportTree:
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
    return ImportTree(tmp_path, (tmp_path / "src", tmp_path))


def reached(code: ImportTree, module: str) -> set[str]:
    return {path.removeprefix("src/app/").removesuffix(".py") for path in closure(module, code).files}


def test_everything_that_imports_reach_and_nothing_else(code: ImportTree) -> None:
    assert reached(code, "app.steps") == {
        "__init__", "steps", "shapes", "late", "types_only", "deep/__init__", "deep/x", "up",
    }  # fmt: skip


def test_a_literal_dynamic_import_is_followed(code: ImportTree) -> None:
    assert "unrelated" in reached(code, "app.literal")


def test_an_unknowable_import_reaches_the_whole_project(code: ImportTree) -> None:
    reached_paths = reached(code, "app.dynamic")
    assert {"unrelated", "broken", "tools/beside"} <= reached_paths
    assert not any("hidden" in path for path in reached_paths)


def test_a_star_import_takes_the_modules_of_the_package(code: ImportTree) -> None:
    assert "deep/x" in reached(code, "app.star")


def test_a_module_with_a_syntax_error_counts_itself(code: ImportTree) -> None:
    assert reached(code, "app.broken") == {"__init__", "broken"}


def test_an_installed_module_is_none_of_the_projects(code: ImportTree) -> None:
    assert closure("json", code) == ImportReach()


def test_a_script_finds_modules_beside_it(code: ImportTree) -> None:
    assert {*script_closure("tools/run.py", code).files} == {
        "tools/run.py", "tools/beside.py", "src/app/__init__.py", "src/app/up.py",
    }  # fmt: skip


HEAD = "from pathlib import Path\nimport sys\n"
FOLLOWED = {
    "an alias": ("from importlib import import_module as load\nload('proj.' + 'plug')", "src/proj/plug.py"),
    "a library's alias": ("import importlib as il\nil.import_module('proj.plug')", "src/proj/plug.py"),
    "a name for a name": ("import importlib\nload = importlib.import_module\nload('proj.plug')", "src/proj/plug.py"),
    "a constant": ("import importlib\nNAME = 'proj.plug'\nimportlib.import_module(NAME)", "src/proj/plug.py"),
    "dunder": ("__import__('proj.plug')", "src/proj/plug.py"),
    "a registry": ("KINDS = {'a': 'proj.plug:make'}", "src/proj/plug.py"),
    "sys.modules": ("x = sys.modules['proj.plug']", "src/proj/plug.py"),
    "runpy": ("import runpy\nrunpy.run_path('tools/calc.py')", "tools/calc.py"),
    "what a script imports": ("import runpy\nrunpy.run_path('tools/calc.py')", "src/proj/plug.py"),
    "what lies beside a script": ("import runpy\nrunpy.run_path('tools/calc.py')", "tools/shared.py"),
    "a module that is run": ("import runpy\nrunpy.run_module('proj.plug')", "src/proj/plug.py"),
    "a specification": (
        "import importlib.util as u\ns = u.spec_from_file_location('calc', 'tools/calc.py')", "tools/calc.py",
    ),
    "a place": (
        "from importlib.util import spec_from_file_location as s\n"
        "s('calc', Path(__file__).resolve().parents[2] / 'tools' / 'calc.py')",
        "tools/calc.py",
    ),
    "a program": ("import subprocess\nsubprocess.run([sys.executable, 'tools/calc.py', str(1)])", "tools/calc.py"),
    "a command": ("import os\nos.system('python tools/calc.py --fast')", "tools/calc.py"),
    "a module as a program": ("import subprocess\nsubprocess.run(['python3', '-m', 'proj.plug'])", "src/proj/plug.py"),
    "a file beside": ("Path(__file__).with_name('table.json').read_text()", "src/proj/table.json"),
    "any file beside": ("n = 1\nPath(__file__).parent.joinpath(f'table{n}.json')", "src/proj/table.json"),
    "a resource": ("from importlib.resources import files\nfiles('proj') / 'table.json'", "src/proj/table.json"),
    "a file": ("open('conf/settings.json')", "conf/settings.json"),
    "a path of parts": ("(Path('conf') / 'settings.json').read_text()", "conf/settings.json"),
    "a folder": ("def f(n):\n    return Path('conf', n)", "conf/settings.json"),
    "a pattern": ("import glob\nglob.glob('conf/*.json')", "conf/settings.json"),
    "a text that is run": ("exec('import proj.plug')", "src/proj/plug.py"),
}  # fmt: skip
UNKNOWN = {
    "a name that is made": "import importlib\ndef f(n):\n    importlib.import_module(n)",
    "a name among several": "import importlib\nfor n in ('a', 'b'):\n    importlib.import_module('proj.' + n)",
    "an alias handed on": "from importlib import import_module as load\nlist(map(load, NAMES))",
    "an attribute by name": "import importlib\ngetattr(importlib, 'import_module')",
    "any attribute": "import importlib\ngetattr(importlib, NAME)",
    "text from a file": "exec(compile(Path(__file__).with_name('snippet.txt').read_text(), 's', 'exec'), {})",
    "text from elsewhere": "def f(text):\n    return eval(text)",
    "a script by a made name": "import runpy\ndef f(n):\n    runpy.run_path(f'tools/{n}.py')",
    "a parameter like a constant": (
        "NAME = 'proj.plug'\nimport importlib\ndef f(NAME):\n    importlib.import_module(NAME)"
    ),
    "a command that is made": "import subprocess\ndef f(c):\n    subprocess.run(c)",
    "a shell": "import subprocess\nsubprocess.run(['bash', '-c', 'cat conf/*'])",
    "make": "import subprocess\nsubprocess.check_call(['make', 'data'])",
    "another folder of modules": "sys.path.insert(0, 'tools')",
    "names for each other": "import importlib\na = b\nb = a\nimportlib.import_module(a)",
}
PLAIN = {
    "a model": "def f(model):\n    model.eval()\n    return model.compile()",
    "a pattern of text": "import re\nfrom re import compile\ncompile('a')\nre.compile('conf/[a-z]')",
    "an own function": "def compile(x):\n    return x\ncompile(3)",
    "a harmless program": "import subprocess\nsubprocess.run(['git', 'log'])",
    "an installed module": "import importlib\nimportlib.import_module('numpy.linalg')",
    "a file that is written": "open('conf/settings.json', 'w')\nPath('conf/settings.json').write_text('{}')",
    "a word": "x = {'conf': 1, 'tools': 2}",
    "an absolute path": "open('/etc/passwd')",
}


@pytest.fixture
def plugged(tmp_path: Path) -> ImportTree:
    files = {
        "src/proj/__init__.py": "", "src/proj/plug.py": "", "src/proj/table.json": "1", "src/proj/snippet.txt": "V = 1",
        "tools/calc.py": "import shared\nimport proj.plug\n", "tools/shared.py": "", "conf/settings.json": "{}",
    }  # fmt: skip
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return ImportTree(tmp_path, (tmp_path / "src", tmp_path))


def reach_of(code: ImportTree, tmp_path: Path, text: str) -> ImportReach:
    (tmp_path / "src/proj/steps.py").write_text(HEAD + text)
    return closure("proj.steps", code)


@pytest.mark.parametrize("case", FOLLOWED)
def test_what_the_text_tells_is_followed(plugged: ImportTree, tmp_path: Path, case: str) -> None:
    text, expected = FOLLOWED[case]
    import_reach = reach_of(plugged, tmp_path, text)
    assert expected in import_reach.files
    assert import_reach.unknown == () or case == "a text that is run"


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_it_does_not_tell_is_said_with_its_line_and_takes_every_module(
    plugged: ImportTree, tmp_path: Path, case: str
) -> None:
    import_reach = reach_of(plugged, tmp_path, UNKNOWN[case])
    assert import_reach.unknown
    assert import_reach.unknown[0].startswith("src/proj/steps.py:")
    assert {"src/proj/plug.py", "tools/calc.py"} <= import_reach.files.keys()


@pytest.mark.parametrize("case", PLAIN)
def test_what_only_looks_like_it_reaches_nothing_more(plugged: ImportTree, tmp_path: Path, case: str) -> None:
    assert reach_of(plugged, tmp_path, PLAIN[case]) == reach_of(plugged, tmp_path, PLAIN[case])
    import_reach = reach_of(plugged, tmp_path, PLAIN[case])
    assert (import_reach.unknown, {*import_reach.files}) == ((), {"src/proj/__init__.py", "src/proj/steps.py"})

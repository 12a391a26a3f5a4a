"""The project's tests, run for real by pytest in another process."""

from __future__ import annotations

from pathlib import Path

import pytest

from falaj.build.checks import run_check
from falaj.build.checks.context import CheckError
from falaj.build.checks.project_tests import read_junit

pytestmark = pytest.mark.integration


@pytest.fixture
def bench(bench):
    """A project whose pytest loads no plugins: those of this environment take most of the time, and none is meant."""
    bench.write("pytest.ini", "[pytest]\naddopts = --disable-plugin-autoload\n")
    return bench


def outcome(bench):
    return run_check("tests", bench.context())


def test_counts_come_from_the_junit_report(bench):
    bench.write("src/flights/__init__.py", "ANSWER = 42\n")
    bench.write(
        "tests/test_model.py",
        "import pytest\nfrom flights import ANSWER\n\n"
        "def test_one():\n    assert ANSWER == 42\n\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_two(n):\n    assert n\n\n"
        "@pytest.mark.skip\ndef test_three():\n    assert False\n",
    )
    check_result = outcome(bench)
    assert check_result.passed
    assert (check_result.checked, check_result.summary) == (3, "3 of 3 tests passed, 1 skipped")
    assert check_result.tools == {"pytest": pytest.__version__}
    assert check_result.log


def test_failures_and_errors_are_named(bench):
    bench.write(
        "tests/test_model.py",
        "import pytest\n\n"
        "@pytest.fixture\ndef broken():\n    raise RuntimeError('no data')\n\n"
        "def test_good():\n    assert True\n\n"
        "def test_bad():\n    assert 1 == 2\n\n"
        "def test_error(broken):\n    pass\n",
    )
    check_result = outcome(bench)
    assert not check_result.passed
    assert check_result.summary == "1 of 3 tests passed, 0 skipped"
    assert [finding.rule for finding in check_result.findings] == ["failure", "error"]
    assert "test_bad" in check_result.findings[0].message
    assert "no data" in check_result.findings[1].message


def test_no_tests_is_a_failure(bench):
    bench.write("model.py", "x = 1\n")
    check_result = outcome(bench)
    assert (check_result.passed, check_result.checked) == (False, 0)
    assert "nothing was checked: there are no tests" in check_result.summary


def test_only_skipped_tests_are_a_failure(bench):
    bench.write("test_model.py", "import pytest\npytestmark = pytest.mark.skip\n\ndef test_one():\n    pass\n")
    check_result = outcome(bench)
    assert (check_result.passed, check_result.checked) == (False, 0)
    assert check_result.summary.startswith("nothing was checked")


def test_a_module_that_does_not_import_is_a_failure(bench):
    bench.write("test_good.py", "def test_one():\n    pass\n")
    bench.write("test_model.py", "import not_there\n")
    check_result = outcome(bench)
    assert not check_result.passed
    assert any("test_model" in finding.message for finding in check_result.findings)


def test_a_run_that_ends_early_is_a_failure_although_no_test_failed(bench):
    bench.write("conftest.py", "import os\n\ndef pytest_sessionfinish(session):\n    session.exitstatus = 3\n")
    bench.write("test_model.py", "def test_one():\n    pass\n")
    check_result = outcome(bench)
    assert not check_result.passed
    assert "pytest ended with 3" in check_result.summary


def test_a_process_that_dies_is_a_failure(bench):
    bench.write("test_model.py", "import os\n\ndef test_one():\n    os._exit(0)\n")
    check_result = outcome(bench)
    assert not check_result.passed
    assert "pytest did not run" in check_result.summary


def test_the_paths_option_chooses(bench):
    bench.write("tests/unit/test_a.py", "def test_a():\n    pass\n")
    bench.write("tests/slow/test_b.py", "def test_b():\n    assert False\n")
    bench.options(tests={"paths": ["tests/unit"]})
    assert outcome(bench).summary == "1 of 1 tests passed, 0 skipped"


def test_a_hanging_test_is_stopped_with_what_it_started(bench):
    mark = f"{bench.root}/child"
    bench.write(
        "test_model.py",
        "import subprocess, sys, time\n\ndef test_one():\n"
        f"    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}])\n"
        "    time.sleep(600)\n",
    )
    bench.options(tests={"timeout_s": 12})
    check_result = outcome(bench)
    assert not check_result.passed
    assert "pytest took longer than 12 s" in check_result.summary
    assert not running(mark)


def running(mark):
    arguments = {path: path.read_bytes().split(b"\0") for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()}
    return [path for path, each in arguments.items() if mark.encode() in each]


def test_a_report_that_is_not_xml_is_refused(tmp_path):
    (tmp_path / "junit.xml").write_text("<testsuites>")
    with pytest.raises(CheckError, match="not XML"):
        read_junit(tmp_path / "junit.xml")


def test_tests_write_nothing_but_what_is_theirs(bench):
    bench.write(
        "tests/test_place.py",
        "import pathlib, pytest\n\n"
        "def test_it(tmp_path):\n    (tmp_path / 'x').touch()\n"
        "    with pytest.raises(OSError):\n        pathlib.Path(__file__).with_name('x').touch()\n"
        "    with pytest.raises(OSError):\n"
        f"        next(pathlib.Path({str(bench.root / 'store')!r}, 'refs').iterdir())\n",
    )
    (bench.root / "store" / "refs").mkdir(parents=True, exist_ok=True)
    (bench.root / "store" / "refs" / "one").touch()
    assert outcome(bench).passed

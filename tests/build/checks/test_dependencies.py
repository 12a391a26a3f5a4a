"""The dependency audit: pins, hashes, sources, and advisories in the OSV format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from falaj.build.checks import run_check
from falaj.build.checks.advisories import parse_advisory
from falaj.build.checks.lockfiles import locked_packages, parse_requirements, parse_uv_lock

UV_LOCK = """
version = 1

[[package]]
name = "flights"
version = "0.1.0"
source = { virtual = "." }

[[package]]
name = "Jinja2"
version = "3.1.2"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://files/jinja2.tar.gz", hash = "sha256:aa", size = 1 }
wheels = [{ url = "https://files/jinja2.whl", hash = "sha256:bb", size = 1 }]
"""
GIT = """
[[package]]
name = "from-git"
version = "1"
source = { git = "https://example.org/x.git?rev=main#REVISION" }
"""
HASHED = "jinja2==3.1.2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via flights\n"
ADVISORY = {
    "id": "GHSA-h5c8-rqwp-cp95",
    "aliases": ["CVE-2024-22195"],
    "summary": "Jinja vulnerable to HTML attribute injection",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.3"}]}],
        }
    ],
}


def audit(bench, lock, **options):
    bench.write("uv.lock", lock)
    bench.options(dependencies=options)
    return run_check("dependencies", bench.context())


def advisories(bench, *documents):
    for document in documents:
        bench.write(f"advisories/{document['id']}.json", json.dumps(document))


def test_a_locked_project_passes_and_says_what_it_was_held_against(bench):
    check_result = audit(bench, UV_LOCK)
    assert check_result.passed
    assert check_result.checked == 1  # the project itself is not counted
    assert check_result.summary == (
        "1 packages of uv.lock, 0 not pinned, not held against advisories (option `advisories` is not set)"
    )


def test_this_repositorys_own_lock_is_read():
    packages = parse_uv_lock((Path(__file__).parents[3] / "uv.lock").read_text())
    assert len(packages) > 50
    assert [package.name for package in packages if not package.hashed] == ["falaj"]
    assert all(package.version and package.line for package in packages)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda lock: lock.replace(', hash = "sha256:bb"', ""), "no-hash"),
        (lambda lock: lock + GIT.replace("REVISION", "main"), "unpinned-git"),
        (
            lambda lock: lock + '[[package]]\nname = "x"\nversion = "1"\nsource = { url = "https://x/x.whl" }\n',
            "unpinned-url",
        ),
        (
            lambda lock: lock + '[[package]]\nname = "x"\nversion = "1"\nsource = { directory = "../x" }\n',
            "unpinned-path",
        ),
    ],
)
def test_what_can_change_without_a_trace_is_found(bench, change, rule):
    check_result = audit(bench, change(UV_LOCK))
    assert not check_result.passed
    assert [finding.rule for finding in check_result.findings] == [rule]


def test_a_full_commit_and_a_member_of_the_checkout_are_pinned(bench):
    member = '[[package]]\nname = "x"\nversion = "1"\nsource = { editable = "packages/x" }\n'
    assert audit(bench, UV_LOCK + GIT.replace("REVISION", "0" * 40) + member).passed


def test_requirements_need_versions_and_hashes():
    text = (
        "# comment\n--index-url https://pypi.org/simple\n" + HASHED + "numpy>=2\nscipy==1.*\n"
        "pandas==2.2.0 ; python_version > '3.8'\n"
        "lib @ git+https://example.org/lib.git@main\n"
        f"pinned @ git+https://example.org/p.git@{'a' * 40}\n"
        "wheel @ https://example.org/w.whl --hash=sha256:cc\n-e ../other\n"
    )
    packages_by_name = {
        package.name: (package.version, package.source, package.hashed) for package in parse_requirements(text)
    }
    assert packages_by_name["jinja2"] == ("3.1.2", "registry", True)
    assert packages_by_name["numpy"] == ("", "registry", False)
    assert packages_by_name["scipy"] == ("", "registry", False)
    assert packages_by_name["pandas"] == ("2.2.0", "registry", False)
    assert packages_by_name["lib"] == ("", "git", False)
    assert packages_by_name["pinned"] == ("", "git", True)
    assert packages_by_name["wheel"] == ("", "url", True)
    assert len(packages_by_name) == 8


def test_a_vulnerable_version_is_found_with_its_fix(bench):
    advisories(bench, ADVISORY)
    check_result = audit(bench, UV_LOCK, advisories="advisories")
    assert not check_result.passed
    assert check_result.findings[0].rule == "GHSA-h5c8-rqwp-cp95"
    assert check_result.findings[0].message == (
        "jinja2 3.1.2: Jinja vulnerable to HTML attribute injection (fixed in 3.1.3)"
    )
    assert "1 vulnerable by 1 advisories" in check_result.summary
    assert audit(bench, UV_LOCK.replace('"3.1.2"', '"3.1.3"'), advisories="advisories").passed


@pytest.mark.parametrize("identifier", ["GHSA-h5c8-rqwp-cp95", "CVE-2024-22195"])
def test_an_advisory_can_be_judged_not_to_matter(bench, identifier):
    advisories(bench, ADVISORY)
    assert audit(bench, UV_LOCK, advisories="advisories", ignore=[identifier]).passed


def test_withdrawn_advisories_and_other_ecosystems_do_not_count(bench):
    other = {"id": "X-1", "affected": [{"package": {"ecosystem": "npm", "name": "jinja2"}, "versions": ["3.1.2"]}]}
    unrelated = {"id": "X-2", "affected": [{"package": {"ecosystem": "PyPI", "name": "zzz"}, "versions": ["1"]}]}
    advisories(bench, ADVISORY | {"withdrawn": "2024-01-01T00:00:00Z"}, other, unrelated)
    assert audit(bench, UV_LOCK, advisories="advisories").passed


@pytest.mark.parametrize(
    ("document", "reason"),
    [(None, "does not exist"), ({}, "not an advisory in the OSV format|no advisory for PyPI"), ("text", "OSV format")],
)
def test_advisories_that_cannot_be_read_are_a_failure_not_a_pass(bench, document, reason):
    import re

    if document is not None:
        bench.write("advisories/a.json", json.dumps(document))
    check_result = audit(bench, UV_LOCK, advisories="advisories")
    assert (check_result.passed, check_result.checked) == (False, 0)
    assert re.search(reason, check_result.summary)


@pytest.mark.parametrize(
    ("events", "affected", "safe"),
    [
        ([{"introduced": "0"}, {"fixed": "2"}], ["1", "2rc1", "1.9.post1"], ["2", "10"]),
        ([{"introduced": "1.5"}, {"last_affected": "2.0"}], ["1.5", "2.0"], ["1.4", "2.0.1"]),
        ([{"fixed": "4"}, {"introduced": "3"}, {"introduced": "0"}, {"fixed": "2"}], ["1", "3.5"], ["2.5", "4"]),
        ([{"introduced": "1"}], ["1", "99", "not a version"], ["0.9"]),
    ],
)
def test_ranges_are_evaluated_as_the_osv_schema_says(events, affected, safe):
    document = {"id": "X", "affected": [{"package": {"ecosystem": "PyPI", "name": "A.b"}}]}
    document["affected"][0]["ranges"] = [{"type": "ECOSYSTEM", "events": events}]
    (advisory,) = parse_advisory(document)
    assert advisory.package == "a-b"
    assert [version for version in affected if not advisory.affects(version)] == []
    assert [version for version in safe if advisory.affects(version)] == []


def test_no_lockfile_and_an_empty_or_broken_one_are_failures(bench):
    assert "no lockfile" in run_check("dependencies", bench.context()).summary
    assert not audit(bench, "version = 1\n").passed
    assert "cannot be read" in audit(bench, "[[package]\n").summary


def test_packages_are_those_of_the_lockfile(tmp_path):
    assert locked_packages(tmp_path) == ()
    (tmp_path / "requirements.txt").write_text("NumPy==2.1.0 --hash=sha256:00\nscipy\n")
    assert locked_packages(tmp_path) == (("numpy", "2.1.0"),)

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.integrations.git.errors import GitInputError
from falaj.integrations.git.ref_validation import (
    branch_ref,
    is_zero,
    redact,
    require_commit,
    require_name,
    require_ref,
    require_url,
)

PIECES = [
    "main",
    "feature",
    "a",
    ".",
    "..",
    "/",
    "-",
    "@{",
    "@",
    ".lock",
    "~",
    "^",
    ":",
    "?",
    "*",
    "[",
    "\\",
    " ",
    "é",
    "\x7f",
    "\t",
]


def accepts(ref: str) -> bool:
    try:
        require_ref(ref)
    except GitInputError:
        return False
    return True


@pytest.mark.integration
@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5))
def test_refs_are_judged_as_git_judges_them(pieces: list[str]) -> None:
    ref = "refs/heads/" + "".join(pieces)
    git_accepts = subprocess.run(["git", "check-ref-format", ref], check=False).returncode == 0
    assert accepts(ref) == git_accepts


@pytest.mark.parametrize(
    "ref", ["", "main", "HEAD", "--upload-pack=x", "refs/heads/a\0b", "refs/heads/\ud800", "refs/" + "a" * 2000]
)
def test_what_is_no_full_ref_is_refused(ref: str) -> None:
    assert not accepts(ref)


def test_short_and_full_names_of_branches() -> None:
    assert branch_ref("main") == "refs/heads/main"
    assert branch_ref("refs/tags/v1") == "refs/tags/v1"
    with pytest.raises(GitInputError):
        branch_ref("a..b")


@pytest.mark.parametrize("text", ["", "abc", "HEAD", "A" * 40, "a" * 41, "a" * 40 + "\n", "--all"])
def test_what_is_no_full_commit_id_is_refused(text: str) -> None:
    with pytest.raises(GitInputError):
        require_commit(text)


def test_commit_ids_of_both_hashes() -> None:
    assert require_commit("a" * 40) and require_commit("0" * 64)
    assert is_zero("0" * 40) and not is_zero("0" * 39 + "1")


@pytest.mark.parametrize(
    "name", ["", "A", "../up", "a/b", "a..b", ".git", "-x", "a.git", "a.lock", "a" * 65, "a\n", "a."]
)
def test_names_that_would_make_odd_folders_are_refused(name: str) -> None:
    with pytest.raises(GitInputError):
        require_name(name)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a/b.git",
        "http://localhost:3000/a/b",
        "ssh://git@example.org:2222/a/b.git",
        "git@example.org:a/b.git",
        "file:///srv/git/a.git",
        "/srv/git/a b.git",
    ],
)
def test_urls_of_repositories(url: str) -> None:
    assert require_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c id",
        "/x::y",
        "--upload-pack=id",
        "ssh://-oProxyCommand=id/x",
        "ssh://-oProxyCommand=id@host/x",
        "git@host:-x",
        "-git@host:x",
        "fd::17",
        "git://example.org/a",
        "ftp://example.org/a",
        "https:///a",
        "file://host/a",
        "relative/path",
        "https://example.org/a\n",
        "https://[broken",
        "\ud800",
    ],
)
def test_urls_that_run_something_or_mean_nothing_are_refused(url: str) -> None:
    with pytest.raises(GitInputError) as caught:
        require_url(url)
    assert caught.value.code == "git.url"


def test_errors_never_show_a_password() -> None:
    assert redact("https://me:secret@example.org/a.git") == "https://example.org/a.git"
    with pytest.raises(GitInputError) as caught:
        require_url("ftp://me:secret@example.org/a")
    assert "secret" not in str(caught.value)

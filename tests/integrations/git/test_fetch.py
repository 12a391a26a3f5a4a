"""Mirrors and polling against real repositories."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from falaj.integrations.git import (
    GitInputError,
    GitMissingError,
    GitUnavailableError,
    author,
    mirror,
    pin,
    poll,
    resolve,
)
from falaj.integrations.git.command import environment, git

from .conftest import Checkout

pytestmark = pytest.mark.integration


def test_polling_tells_the_commit_of_a_branch(checkout: Checkout) -> None:
    first = checkout.commit("one")
    assert poll(str(checkout.path), "main") == first
    second = checkout.commit("two")
    assert poll(f"file://{checkout.path}", "refs/heads/main") == second


def test_polling_an_annotated_tag_tells_its_commit(checkout: Checkout) -> None:
    commit = checkout.commit("one")
    checkout.git("tag", "-a", "v1", "-m", "one")
    assert checkout.git("rev-parse", "refs/tags/v1") != commit
    assert poll(str(checkout.path), "refs/tags/v1") == commit


def test_a_branch_whose_name_only_ends_the_same_is_another(checkout: Checkout) -> None:
    checkout.commit("one")
    checkout.git("branch", "old/main2")
    checkout.git("branch", "refs/heads/main2")
    with pytest.raises(GitMissingError):
        poll(str(checkout.path), "main2")


def test_polling_a_missing_branch_names_the_nearest(checkout: Checkout) -> None:
    checkout.commit("one")
    with pytest.raises(GitMissingError) as caught:
        poll(str(checkout.path), "mian")
    assert (caught.value.code, caught.value.hint) == ("git.no-branch", "there is main")


def test_polling_an_empty_repository(checkout: Checkout) -> None:
    with pytest.raises(GitMissingError) as caught:
        poll(str(checkout.path), "main")
    assert caught.value.hint == "nothing was pushed yet"


def test_a_remote_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GitUnavailableError) as caught:
        poll(str(tmp_path / "nowhere"), "main")
    assert caught.value.code == "git.failed"
    assert "does not appear to be a git repository" in caught.value.message
    with pytest.raises(GitInputError):
        poll("ext::sh -c 'touch /tmp/never'", "main")


def test_a_remote_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://me:secret@127.0.0.1:{silent.getsockname()[1]}/a.git"
        with pytest.raises(GitUnavailableError) as caught:
            poll(url, "main", timeout_s=0.5)
    assert caught.value.code == "git.timeout"
    assert "secret" not in str(caught.value)


def test_a_refused_connection_does_not_show_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(GitUnavailableError) as caught:
        poll(f"http://me:secret@127.0.0.1:{port}/a.git", "main")
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_mirror_follows_its_remote(checkout: Checkout, tmp_path: Path) -> None:
    first = checkout.commit("one")
    checkout.git("branch", "side")
    repository = mirror(str(checkout.path), tmp_path / "mirrors")
    assert resolve(repository, "main") == resolve(repository, "side") == resolve(repository, first) == first
    second = checkout.commit("two")
    checkout.git("branch", "-D", "side")
    assert mirror(str(checkout.path), tmp_path / "mirrors") == repository
    assert resolve(repository, "main") == second
    with pytest.raises(GitMissingError) as caught:
        resolve(repository, "side")
    assert caught.value.code == "git.no-branch"


def test_a_pinned_commit_survives_a_force_push_and_garbage_collection(checkout: Checkout, tmp_path: Path) -> None:
    lost = checkout.commit("one")
    checkout.git("checkout", "--quiet", "--orphan", "fresh")
    pinned_commit = checkout.commit("two")
    checkout.git("branch", "--force", "main", pinned_commit)
    checkout.git("branch", "old", lost)
    repository = mirror(str(checkout.path), tmp_path / "mirrors")
    checkout.git("branch", "-D", "old")
    assert pin(repository, lost) == lost
    mirror(str(checkout.path), tmp_path / "mirrors")
    git("gc", "--quiet", "--prune=now", cwd=repository)
    assert resolve(repository, lost) == lost


def test_two_threads_mirror_the_same_remote(checkout: Checkout, tmp_path: Path) -> None:
    commit = checkout.commit("one")
    commits: list[str] = []
    threads = [
        threading.Thread(target=lambda: commits.append(resolve(mirror(str(checkout.path), tmp_path / "m"), "main")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert commits == [commit] * 4


@pytest.mark.parametrize("ref", ["deadbeef" * 5, "0" * 40])
def test_an_unknown_commit_and_a_deleted_branch(checkout: Checkout, ref: str) -> None:
    checkout.commit("one")
    with pytest.raises(GitMissingError) as caught:
        resolve(checkout.path, ref)
    assert caught.value.code == "git.no-commit"


def test_a_tree_is_no_commit(checkout: Checkout) -> None:
    checkout.commit("one")
    with pytest.raises(GitMissingError):
        resolve(checkout.path, checkout.git("rev-parse", "HEAD^{tree}"))


def test_the_author_of_a_commit(checkout: Checkout) -> None:
    commit_author = author(checkout.path, checkout.commit("one"))
    assert str(commit_author) == "Amal Saif <amal@example.org>"
    assert commit_author.at == 1767240000


def test_a_checkout_cannot_make_git_run_its_programs(checkout: Checkout, tmp_path: Path) -> None:
    commit = checkout.commit("one")
    proof = tmp_path / "ran"
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        path = checkout.path / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {proof}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    checkout.git("config", "core.fsmonitor", f"touch {proof}")
    pin(checkout.path, commit)
    git("status", cwd=checkout.path)
    assert not proof.exists()


def test_git_does_not_inherit_the_hook_that_it_is_called_from() -> None:
    git_environment = environment(
        {"GIT_DIR": "/elsewhere", "GIT_SSH_COMMAND": "ssh -i key", "PATH": "/bin", "GIT_ASKPASS": "gui"}
    )
    assert "GIT_DIR" not in git_environment
    assert (
        git_environment["GIT_SSH_COMMAND"],
        git_environment["GIT_TERMINAL_PROMPT"],
        git_environment["GIT_ASKPASS"],
    ) == ("ssh -i key", "0", "")


def test_no_git_at_all_and_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitUnavailableError, match="folder is gone"):
        git("status", cwd=tmp_path / "nowhere")
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(GitUnavailableError) as caught:
        git("status")
    assert caught.value.code == "git.not-installed"

"""Commits whose trees no `git add` makes: what is written of them stays inside the folder that it is for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from falaj.build.pipeline.errors import WorkspaceError
from falaj.build.pipeline.workspace import write_commit

pytestmark = pytest.mark.integration

Entry = tuple[bytes, bytes, str]
"""Mode, name and object id."""


class CraftedRepository:
    """A bare repository into which objects are written as they are, whatever git thinks of them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)

    def object(self, kind: str, content: bytes) -> str:
        return self._git("hash-object", "-t", kind, "-w", "--stdin", "--literally", stdin=content)

    def tree(self, *entries: Entry) -> str:
        content = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(item) for mode, name, item in entries)
        return self.object("tree", content)

    def commit(self, tree: str) -> str:
        author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        return self._git(*author, "commit-tree", tree, "-m", "x")

    def _git(self, *arguments: str, stdin: bytes = b"") -> str:
        command = ["git", "--git-dir", str(self.path), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout.decode().strip()


def roots(repository: CraftedRepository, outside: Path) -> dict[str, str]:
    """Trees that would write `evil` outside of where they are written to, by what they would do it with."""
    inner = repository.tree((b"100644", b"evil", repository.object("blob", b"evil\n")))
    link = repository.object("blob", str(outside).encode())
    return {
        "a link and then a folder of one name": repository.tree((b"120000", b"a", link), (b"40000", b"a", inner)),
        "a folder and then a link of one name": repository.tree((b"40000", b"a", inner), (b"120000", b"a", link)),
        "a folder named ..": repository.tree((b"40000", b"..", inner)),
        "a name with a slash": repository.tree((b"100644", b"../outside/evil", link)),
        "an absolute name": repository.tree((b"100644", str(outside / "evil").encode(), link)),
        "git's own folder": repository.tree((b"40000", b".git", inner)),
        "git's own folder in other letters": repository.tree((b"40000", b".GIT", inner)),
        "an empty name": repository.tree((b"40000", b"", inner)),
    }


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    repository = CraftedRepository(tmp_path / "crafted.git")
    for number, tree in enumerate(roots(repository, outside).values()):
        target = tmp_path / "worktrees" / str(number)
        try:
            write_commit(repository.path, repository.commit(tree), target)
        except WorkspaceError:
            continue
        assert all(path.resolve().is_relative_to(target) for path in target.rglob("*") if not path.is_symlink())
        assert not (target / ".git").exists()
    assert list(outside.iterdir()) == []
    assert not [path for path in tmp_path.rglob("evil") if not path.is_relative_to(tmp_path / "worktrees")]


@pytest.mark.parametrize("name", ["--upload-pack=touch evil", "-x", "--help", "HEAD^{/x}", "a..b", ""])
def test_a_commit_is_named_by_no_option(tmp_path: Path, name: str) -> None:
    repository = CraftedRepository(tmp_path / "crafted.git")
    with pytest.raises(WorkspaceError):
        write_commit(repository.path, name, tmp_path / "worktree")
    assert not list(tmp_path.rglob("evil"))

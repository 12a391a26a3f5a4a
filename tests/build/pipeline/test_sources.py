from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from falaj.build.pipeline import resolve, sources
from falaj.build.pipeline.errors import SourceError
from falaj.config import SourceSpec, StepSpec
from falaj.core.errors import MissingExtraError
from falaj.core.venv.environment import Environment
from tests.build.pipeline.conftest import Project


def snapshot(project: Project, url: str) -> object:
    return resolve(SourceSpec("raw", url, "public", "AE"), project.environment, project.worktree, project.store)


def test_a_file_inside_an_installed_package(project: Project, tmp_path: Path) -> None:
    site = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    (site / "somedata" / "data").mkdir(parents=True)
    (site / "somedata" / "data" / "a.csv").write_text("x\n1\n")
    project.environment = Environment(tmp_path / "env" / "bin" / "python", "e", reproducible=True)
    data_snapshot = snapshot(project, "package://somedata/data/a.csv")
    assert (data_snapshot.filename, data_snapshot.kind) == ("a.csv", "file")  # type: ignore[attr-defined]
    assert project.store.read_bytes(data_snapshot.digest) == b"x\n1\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "words", "hint"),
    [
        ("package://no_such_package/a.csv", "`no_such_package` is not installed", "dependencies"),
        ("package://pytest/no-such-file.csv", "installed but has no such file", "path"),
        ("file://nothing.csv", "No such file", ""),
        ("file:///proc/self/mem/x", "Not a directory", ""),
        ("ftp://host/a.csv", "no reader for `ftp://`", "package, file"),
    ],
)
def test_what_cannot_be_read_says_so(project: Project, url: str, words: str, hint: str) -> None:
    with pytest.raises(SourceError) as caught:
        snapshot(project, url)
    assert words in caught.value.message
    assert "raw" in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.integration
def test_an_unreadable_source_fails_its_reader(project: Project) -> None:
    project.write("steps.py", "def f(raw):\n    pass\n")
    result = project.run(StepSpec("f", run="steps:f", inputs=("raw",)), data={"raw": "file://nothing.csv"})
    assert result.failed == "f"
    assert result.steps["f"].error.code == "source.unreadable"  # type: ignore[union-attr]


@pytest.mark.integration
def test_a_socket_is_not_data(project: Project) -> None:
    import socket

    server = socket.socket(socket.AF_UNIX)
    server.bind(str(project.worktree / "s"))
    server.close()
    with pytest.raises(SourceError):
        snapshot(project, "file://s")


@pytest.mark.parametrize(("url", "verb"), [("file://data/b.csv", "is"), ("file://data", "holds")])
def test_a_pointer_of_lfs_is_no_data_and_says_what_to_do(project: Project, url: str, verb: str) -> None:
    project.write("data/a.csv", "x\n1\n")
    pointer = project.write("data/b.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 12\n")
    with pytest.raises(SourceError, match=f"`raw` {verb} a pointer of Git LFS whose content is not fetched") as caught:
        snapshot(project, url)
    assert caught.value.where == str(pointer) and "git lfs pull" in caught.value.hint


def test_a_changed_file_is_another_snapshot(project: Project) -> None:
    path = project.write("a.csv", "x\n1\n")
    first = snapshot(project, "file://a.csv")
    assert snapshot(project, "file://a.csv") == first
    path.write_text("x\n2\n")
    assert snapshot(project, "a.csv") != first


def test_an_unchanged_file_is_not_read_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("a.csv", "x\n1\n")
    first = snapshot(project, "file://a.csv")
    store = project.store
    monkeypatch.setattr(type(store), "put", lambda *_: pytest.fail("read again"))
    assert snapshot(project, "file://a.csv") == first


@pytest.mark.integration
def test_a_folder(project: Project) -> None:
    project.write("data/one.txt", "1")
    project.write("data/deep/two.txt", "2")
    project.write(
        "steps.py",
        "from pathlib import Path\ndef f(raw: Path):\n    return sorted(p.name for p in raw.rglob('*.txt'))\n",
    )
    result = project.run(StepSpec("f", run="steps:f", inputs=("raw",)), data={"raw": "file://data"})
    assert project.value(result, "f") == ["one.txt", "two.txt"]


def test_s3_without_the_extra(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(MissingExtraError):
        snapshot(project, "s3://bucket/prefix")


def test_s3_that_nobody_serves(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError) as caught:
        snapshot(project, "s3://bucket/prefix")
    assert "raw" in caught.value.message


def test_a_file_that_changes_while_it_is_read_is_read_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project.worktree / "a.csv"
    path.write_text("x\n1\n")
    put, changes = sources._put, iter([b"x\n22\n"])

    def put_and_change(*how: Any) -> Any:
        put_result = put(*how)
        path.write_bytes(next(changes, path.read_bytes()))
        return put_result

    monkeypatch.setattr(sources, "_put", put_and_change)
    monkeypatch.setattr(sources, "_states", lambda file: iter([file.read_text()]))
    data_snapshot = snapshot(project, "file://a.csv")
    assert project.store.read_bytes(data_snapshot.digest) == b"x\n22\n"  # type: ignore[attr-defined]


@pytest.mark.integration
@pytest.mark.parametrize("name", ["with space/naïve file.csv", "50%20off.csv", 'o\'brien "q".v1.csv', "سرعة#1?.csv"])
@pytest.mark.parametrize("encoded", [False, True])
def test_any_name_of_a_file_is_found_plain_and_percent_encoded(project: Project, name: str, encoded: bool) -> None:
    project.write(f"data/{name}", "x\n1\n")
    project.write("steps.py", "import polars as pl\n\ndef f(raw: pl.DataFrame) -> int:\n    return raw.height\n")
    url = f"file://data/{quote(name) if encoded else name}"
    result = project.run(StepSpec("f", run="steps:f", inputs=("raw",)), data={"raw": url})
    assert result.ok, result.steps["f"].error
    assert project.value(result, "f") == 1
    absolute = url.replace("file://", f"file://{project.worktree}/")
    plain = f"file://{project.worktree}/data/{name}"
    states = [sources.fingerprint(SourceSpec("raw", each, "public", "AE")) for each in (absolute, plain)]
    assert states[0] == states[1]

"""Figures of runs: which outputs have some, and what the tracker is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from falaj.build.pipeline.mlflow_files import Recorded
from falaj.control.runs import figures
from falaj.control.runs.figures import figures_of, track_figures
from falaj.supply_chain.artifacts import ArtifactStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(str(tmp_path / "store"))


def put(store: ArtifactStore, folder: Path, **files: str) -> str:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(store.put(folder).digest)


def test_figures_are_known_by_their_endings(store: ArtifactStore, tmp_path: Path) -> None:
    report = put(store, tmp_path / "a", value_json="{}", roc_SVG="<svg/>", notes_txt="x")
    curves = put(store, tmp_path / "b", deep__lift_html="<script>alert(1)</script>", deep__data_parquet="x")
    model = put(store, tmp_path / "c", MLmodel="{}", tree_png="x")
    listed = figures_of(store, {"output": report, "curves": curves, "model": model, "gone": f"sha256:{'0' * 64}"})
    assert [(each["output"], each["path"], each["bytes"]) for each in listed] == [
        ("output", "roc.SVG", 6), ("curves", "deep/lift.html", 25),
    ]  # fmt: skip


def test_few_of_many_are_listed(store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MAX_FIGURES", 2)
    many = put(store, tmp_path / "a", a_png="1", b_png="2", c_png="3")
    assert [each["path"] for each in figures_of(store, {"output": many})] == ["a.png", "b.png"]


def test_the_tracker_is_given_copies_below_the_step(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MAX_TRACKED_BYTES", 10)
    report = put(store, tmp_path / "a", roc_svg="<svg/>", large_png="x" * 11)
    copies: dict[str, str] = {}

    def record(node: str, recorded: Recorded) -> None:
        assert recorded.artifacts is not None and node == "fit[kind=a/b]"
        for file in recorded.artifacts.rglob("*.*"):
            copies[file.relative_to(recorded.artifacts).parts[-1]] = file.read_text()
            assert file.is_relative_to(recorded.artifacts / "figures")

    track_figures(store, "fit[kind=a/b]", {"output": report}, record)
    assert copies == {"roc.svg": "<svg/>"}
    track_figures(store, "fit", {"output": put(store, tmp_path / "b", value_json="1")}, record)

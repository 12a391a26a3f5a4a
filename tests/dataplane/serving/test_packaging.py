"""Conversion in the project's environment, kept only when it answers like the original."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.build.packaging import PackagingError, PackagingResult, package_model

pytestmark = pytest.mark.integration

Packaged = Callable[[str], tuple[Path, PackagingResult]]


@pytest.mark.parametrize("name", ["flights", "three-classes", "poisson", "linear", "tensor"])
def test_a_conversion_that_agrees_on_real_rows_and_probes_is_kept(packaged: Packaged, name: str) -> None:
    folder, result = packaged(name)
    assert (result.flavor, result.reason) == ("onnx", ""), result.reason
    assert result.parity is not None and result.parity.passed
    assert result.parity.rows == (5 if name == "tensor" else 400)
    # An unknown text for each of 3 text columns and a missing value for each of 6 weather columns, 8 rows each.
    assert result.parity.probes == (72 if name in ("flights", "three-classes") else 0)
    assert set(result.versions) >= {"scikit-learn", "skl2onnx", "onnxruntime"}
    record = json.loads((folder / "serving.json").read_text())
    assert PackagingResult.from_json(record["packaging"]) == result
    assert (folder / "model.onnx").stat().st_size > 0


@pytest.mark.parametrize("seed", ["1", "2"])
def test_packaging_again_gives_the_same_bytes(
    packaged: Packaged, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: str
) -> None:
    """Whatever the order in which Python's sets give their members back."""
    folder, _ = packaged("flights")
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    package_model(
        models / "flights", tmp_path / "again", python=Path(sys.executable), table=models / "held-out.parquet"
    )
    for name in ("model.onnx", "serving.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_conversion_that_answers_differently_is_thrown_away(packaged: Packaged) -> None:
    folder, result = packaged("imprecise")
    assert result.flavor == "native" and "differently" in result.reason
    assert result.parity is not None and not result.parity.passed
    assert not (folder / "model.onnx").exists() and not (folder / "serving.json").exists()


def package(models: Path, tmp_path: Path, **options: object) -> PackagingResult:
    package_options = {"python": Path(sys.executable), "table": None} | options
    return package_model(models / "flights", tmp_path / "target", **package_options)  # type: ignore[arg-type]


def test_a_crash_leaves_the_native_flavor_and_says_why(models: Path, tmp_path: Path) -> None:
    result = package(models, tmp_path, python=Path("/bin/false"))
    assert result.flavor == "native" and "status 1" in result.reason
    assert (tmp_path / "target" / "MLmodel").exists()


def test_a_conversion_that_takes_too_long_is_ended(models: Path, tmp_path: Path) -> None:
    result = package(models, tmp_path, timeout_s=0.05)
    assert result.flavor == "native" and "longer than 0.05 s" in result.reason


def test_a_table_without_the_models_columns_leaves_the_native_flavor(models: Path, tmp_path: Path) -> None:
    import polars as pl

    pl.DataFrame({"hour": [1]}).write_parquet(tmp_path / "other.parquet")
    assert package(models, tmp_path, table=tmp_path / "other.parquet").flavor == "native"


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PackagingError, match="no MLmodel"):
        package_model(tmp_path / "empty", tmp_path / "target", python=Path(sys.executable), table=None)


@pytest.mark.parametrize("name", ["flights", "poisson", "linear"])
def test_gates_score_what_serves_and_score_it_alike(packaged: Packaged, models: Path, name: str) -> None:
    import pandas as pd
    import polars as pl

    from falaj.build.checks.runner.models import LoadedModel

    table = pl.read_parquet(models / "held-out.parquet")
    missing = pd.DataFrame(table.to_dict(as_series=False))
    conversion, original = LoadedModel(packaged(name)[0]), LoadedModel(models / name)
    assert (conversion.flavor, original.flavor) == ("onnx", "sklearn")
    assert conversion.classes == original.classes
    expected = original.score(original.features(missing))
    for rows in (table, missing):
        assert conversion.score(conversion.features(rows)) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_conversion_of_a_tensor_scores_the_matrix_of_a_table(packaged: Packaged, models: Path) -> None:
    import pandas as pd
    import polars as pl

    from falaj.build.checks.runner.models import LoadedModel

    table = pl.read_parquet(models / "held-out.parquet", columns=["hour", "distance"]).cast(pl.Float64)
    conversion, original = LoadedModel(packaged("tensor")[0]), LoadedModel(models / "tensor")
    expected = original.score(pd.DataFrame(table.to_dict(as_series=False)).to_numpy())
    assert conversion.flavor == "onnx"
    assert conversion.score(conversion.features(table)) == pytest.approx(expected, abs=1e-4)


def test_a_conversion_without_its_classes_is_scored_by_the_original(packaged: Packaged, tmp_path: Path) -> None:
    from falaj.build.checks.runner.models import LoadedModel

    folder = shutil.copytree(packaged("linear")[0], tmp_path / "earlier")
    record = json.loads((folder / "serving.json").read_text())
    assert record.pop("classes") == [0, 1]
    (folder / "serving.json").write_text(json.dumps(record))
    assert LoadedModel(folder).flavor == "sklearn"


def test_a_project_without_the_runtime_scores_the_original(packaged: Packaged, monkeypatch: pytest.MonkeyPatch) -> None:
    from falaj.build.checks.runner.models import LoadedModel

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert LoadedModel(packaged("linear")[0]).flavor == "sklearn"


def test_a_broken_conversion_is_a_reason(packaged: Packaged, tmp_path: Path) -> None:
    from falaj.build.checks.runner.models import LoadedModel
    from falaj.build.checks.runner.problems import ProblemError

    folder = shutil.copytree(packaged("linear")[0], tmp_path / "broken")
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ProblemError, match="ONNX model cannot be loaded"):
        LoadedModel(folder)

"""The step contract: what functions get and what may be made of what they return."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from falaj.config import StepSpec
from falaj.core.errors import FalajError
from tests.build.pipeline.conftest import Project

pytestmark = pytest.mark.integration

TABLES = """
    from __future__ import annotations
    from pathlib import Path
    from typing import TYPE_CHECKING, Any
    import pandas as pd
    import polars as pl
    if TYPE_CHECKING:
        import pyarrow as pa

    def load(raw: {raw}) -> pl.DataFrame:
        if isinstance(raw, pl.DataFrame):
            return raw
        return pl.DataFrame(raw.astype(object).where(raw.notna(), None).to_dict("list"))

    def polars(load: pl.DataFrame) -> dict[str, Any]:
        return {{"rows": load.height, "missing": load["x"].null_count(), "type": type(load).__module__[:6]}}

    def lazy(load: pl.LazyFrame) -> pl.LazyFrame:
        return load.filter(pl.col("x") > 1)

    def pandas(lazy: pd.DataFrame | None) -> pd.DataFrame:
        return lazy.assign(y=2.5)

    def path(pandas: Path) -> list[str]:
        return pl.read_parquet(pandas).columns
"""


def run_one(project: Project, text: str, name: str = "f", **options: object) -> FalajError | None:
    project.write("steps.py", text)
    return project.run(StepSpec("f", run=f"steps:{name}", **options)).steps["f"].error  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", ["pl.DataFrame", "pd.DataFrame"])
@pytest.mark.parametrize("packing", ["csv", "csv.zip", "csv.gz", "parquet"])
def test_tables_in_every_library(project: Project, raw: str, packing: str) -> None:
    import polars as pl

    project.write("steps.py", TABLES.format(raw=raw))
    path = project.write("raw.csv", "x,name\n1,a\n2,NA\n,\n4,d\n")
    if packing == "parquet" and raw == "pd.DataFrame":
        pytest.importorskip("pyarrow")
    match packing:
        case "csv.zip":
            import zipfile

            with zipfile.ZipFile(project.worktree / "raw.csv.zip", "w") as archive:
                archive.write(path, "raw.csv")
        case "csv.gz":
            import gzip

            (project.worktree / "raw.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        case "parquet":
            pl.read_csv(path, null_values=["", "NA"]).write_parquet(project.worktree / "raw.parquet")
    result = project.run(
        StepSpec("load", run="steps:load", inputs=("raw",)),
        StepSpec("polars", run="steps:polars", inputs=("load",)),
        data={"raw": f"file://raw.{packing}"},
    )
    assert result.ok, result.steps
    table_facts = project.value(result, "polars")
    assert (table_facts["rows"], table_facts["type"]) == (4, "polars")
    assert table_facts["missing"] == 1


def test_tables_pass_from_library_to_library(project: Project) -> None:
    pytest.importorskip("pyarrow")
    project.write("steps.py", TABLES.format(raw="pl.DataFrame"))
    project.write("raw.csv", "x,name\n1,a\n2,NA\n,\n4,d\n")
    steps = [StepSpec("load", run="steps:load", inputs=("raw",))]
    steps += [
        StepSpec(b, run=f"steps:{b}", inputs=(a,))
        for a, b in [("load", "lazy"), ("lazy", "pandas"), ("pandas", "path")]
    ]
    result = project.run(*steps, data={"raw": "file://raw.csv"})
    assert project.value(result, "path") == ["x", "name", "y"]


def test_paths_files_and_folders(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import tempfile
        from pathlib import Path
        def file() -> Path:
            out = Path(tempfile.mkdtemp()) / "notes.txt"
            out.write_text("hello")
            return out
        def folder(file: Path) -> Path:
            out = Path(tempfile.mkdtemp())
            (out / "deep").mkdir()
            (out / "deep" / "a.txt").write_text(next(file.iterdir()).read_text() if file.is_dir() else file.read_text())
            return out
        def read(folder: Path) -> str:
            return (folder / "deep" / "a.txt").read_text()
        """,
    )
    result = project.run(
        StepSpec("file", run="steps:file"),
        StepSpec("folder", run="steps:folder", inputs=("file",)),
        StepSpec("read", run="steps:read", inputs=("folder",)),
    )
    assert project.value(result, "read") == "hello"


def test_a_file_is_given_as_the_file(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import tempfile
        from pathlib import Path
        def file() -> Path:
            notes = Path(tempfile.mkdtemp()) / "notes.txt"
            notes.write_text("hello")
            return notes
        def name(file: Path) -> str:
            return file.name + ":" + file.read_text()
        """,
    )
    result = project.run(StepSpec("file", run="steps:file"), StepSpec("name", run="steps:name", inputs=("file",)))
    assert project.value(result, "name") == "notes.txt:hello"


@pytest.mark.parametrize("returned", ["(1, 2)", "{'b': 2, 'a': 1}"])
def test_several_outputs(project: Project, returned: str) -> None:
    project.write("steps.py", f"def f():\n    return {returned}\ndef g(b: int) -> int:\n    return b\n")
    result = project.run(
        StepSpec("f", run="steps:f", outputs=("a", "b")), StepSpec("g", run="steps:g", inputs=("f.b",))
    )
    assert project.value(result, "g") == 2
    assert project.value(result, "f.a") == 1


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ("def f():\n    return (1, 2, 3)", {"outputs": ("a", "b")}, "step.wrong-output", "tuple of 3, not"),
        ("def f():\n    return {1, 2}", {}, "step.wrong-output", "not JSON"),
        ("def f():\n    return {'auc': float('nan')}", {"output": "report"}, "step.wrong-output", "JSON"),
        ("def f():\n    return 3", {"output": "report"}, "step.wrong-output", "a report is a dict, not a int"),
        ("def f():\n    return 3", {"output": "model"}, "step.wrong-output", "not a model"),
        ("import polars as pl\ndef f() -> pl.DataFrame: return 3", {}, "step.wrong-output", "says DataFrame"),
        ("import polars as pl\ndef f() -> pl.DataFrame:\n    pass", {}, "step.wrong-output", "NoneType"),
        ("from pathlib import Path\ndef f() -> Path:\n    return Path('nowhere')", {}, "step.wrong-output", "nothing"),
        ("def g():\n    pass\ndef ff():\n    pass", {}, "step.missing-function", "no function `f`"),
        ("def f(a):\n    pass", {}, "step.wrong-input", "nothing is given for the parameter `a`"),
        ("def f(a=1):\n    pass", {"params": {"b": 1}}, "step.wrong-input", "no parameter `b`"),
        ("import nonsense_module\ndef f():\n    pass", {}, "step.failed", "nonsense_module"),
        ("def f(:", {}, "step.failed", "SyntaxError"),
        ("import os\ndef f():\n    os._exit(0)", {}, "step.failed", "without returning"),
        ("import os\ndef f():\n    os.abort()", {}, "step.killed", "signal 6"),
    ],
)  # fmt: skip
def test_mistakes_have_their_own_words(
    project: Project, text: str, options: dict[str, object], code: str, words: str
) -> None:
    error = run_one(project, text, **options)
    assert error is not None
    assert error.code == code
    assert words in error.message


def test_a_missing_module(project: Project) -> None:
    result = project.run(StepSpec("f", run="nowhere.steps:f"))
    assert result.steps["f"].error.code == "step.missing-function"  # type: ignore[union-attr]


def test_a_function_near_by_is_suggested(project: Project) -> None:
    error = run_one(project, "def prepare():\n    pass", name="preparre")
    assert error is not None
    assert error.hint == "did you mean `prepare`?"


def test_an_input_without_a_parameter(project: Project) -> None:
    project.write("steps.py", "def a() -> int:\n    return 1\ndef b() -> int:\n    return 1\n")
    result = project.run(StepSpec("a", run="steps:a"), StepSpec("b", run="steps:b", inputs=("a",)))
    assert "no parameter for the input `a`" in result.steps["b"].error.message  # type: ignore[union-attr]


def test_reading_what_a_step_did_not_return(project: Project) -> None:
    project.write("steps.py", "def a():\n    pass\ndef b(a):\n    return 1\n")
    result = project.run(StepSpec("a", run="steps:a"), StepSpec("b", run="steps:b", inputs=("a",)))
    assert "returned nothing" in result.steps["b"].error.message  # type: ignore[union-attr]


def test_inputs_go_by_name_and_then_in_order(project: Project) -> None:
    project.write(
        "steps.py",
        "def n(k: int) -> int:\n    return k\n"
        "def f(model: int, test: int, n_b: int = 0, *, scale: int = 1):\n    return [model, test, n_b, scale]\n"
        "def s():\n    return 5, 6\n",
    )
    result = project.run(
        StepSpec("s", run="steps:s", outputs=("train", "test")),
        StepSpec("fit", run="steps:n", params={"k": 1}),
        StepSpec("f", run="steps:f", inputs=("s.test", "fit"), params={"scale": 3}),
    )
    assert project.value(result, "f") == [1, 6, 0, 3]


def test_decorated_functions_and_classes(project: Project) -> None:
    project.write(
        "steps.py",
        """
        import functools
        def deco(f):
            @functools.wraps(f)
            def inner(*args, **kwargs):
                return f(*args, **kwargs)
            return inner
        @deco
        def f(k: int) -> int:
            return k
        class Steps:
            @staticmethod
            def g(f: int) -> int:
                return f + 1
        """,
    )
    result = project.run(
        StepSpec("f", run="steps:f", params={"k": 4}), StepSpec("g", run="steps:Steps.g", inputs=("f",))
    )
    assert project.value(result, "g") == 5


def test_dates_and_numpy_numbers_become_json(project: Project) -> None:
    text = "import numpy as np, datetime\n"
    text += "def f():\n    return {'a': np.float64(1.5), 'b': np.arange(2), 'c': datetime.date(2026, 1, 2)}\n"
    project.write("steps.py", text)
    result = project.run(StepSpec("f", run="steps:f"))
    assert project.value(result, "f") == {"a": 1.5, "b": [0, 1], "c": "2026-01-02"}


def test_the_runner_needs_the_standard_library_alone(project: Project) -> None:
    from falaj.core.venv.environment import Environment

    bare = Path(getattr(sys, "_base_executable", sys.executable))
    check = subprocess.run([bare, "-c", "import falaj"], capture_output=True, check=False, cwd="/")
    assert check.returncode != 0
    project.environment = Environment(bare, "bare", reproducible=False)
    project.write("steps.py", "import sys\ndef f() -> list[str]:\n    return sorted(sys.modules)\n")
    result = project.run(StepSpec("f", run="steps:f"))
    loaded = project.value(result, "f")
    plain = subprocess.run([bare, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    heavy = {"json", "re", "pathlib", "inspect", "typing", "subprocess", "shutil"} - {*plain.stdout.split()}
    assert not heavy & {*loaded}


def test_models_have_a_signature_an_example_and_come_back(project: Project) -> None:
    project.write(
        "app/own.py",
        "from sklearn.base import BaseEstimator, TransformerMixin\n"
        "class Half(TransformerMixin, BaseEstimator):\n"
        "    def fit(self, X, y=None):\n        self.feature_names_in_ = X.columns.to_numpy()\n        return self\n"
        "    def transform(self, X):\n        return X / 2\n"
        "    def get_feature_names_out(self, names=None):\n        return names\n",
    )
    project.write("app/__init__.py", "")
    project.write(
        "steps.py",
        """
        import pandas as pd
        import polars as pl
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import Pipeline
        from app.own import Half
        def data() -> pl.DataFrame:
            return pl.DataFrame({"a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "b": [1.0] * 6, "late": [0, 0, 0, 1, 1, 1]})
        def fit(data: pl.DataFrame) -> Pipeline:
            model = Pipeline([("half", Half()), ("fit", LogisticRegression())])
            return model.fit(pd.DataFrame(data.select("a", "b").to_dict(as_series=False)), data["late"].to_numpy())
        def use(model, data: pl.DataFrame) -> dict[str, object]:
            rows = pd.DataFrame(data.select("a", "b").to_dict(as_series=False))
            return {"type": type(model).__name__, "first": int(model.predict(rows)[0])}
        """,
    )
    result = project.run(
        StepSpec("data", run="steps:data"),
        StepSpec("fit", run="steps:fit", inputs=("data",), output="model"),
        StepSpec("use", run="steps:use", inputs=("fit", "data")),
    )
    assert result.ok, [step.error for step in result.steps.values()]
    assert result.steps["fit"].kinds == {"output": "model"}
    assert project.value(result, "use") == {"type": "Pipeline", "first": 0}
    digest = result.outputs["fit"]
    files = {entry.path for entry in project.store.manifest(digest).files}
    assert {"MLmodel", "input_example.json", "code/app/own.py"} <= files
    described = project.store.read_bytes(digest, "MLmodel").decode()
    assert '"name": "a"' in described and '"name": "late"' not in described
    assert "predict_fn: predict\n" in described
    pins = project.store.read_bytes(digest, "requirements.txt").decode()
    assert f"scikit-learn=={version('scikit-learn')}\n" in f"{pins}\n"
    log = result.steps["fit"].log
    assert log is not None
    assert "pip version" not in log.read_text()


@pytest.mark.parametrize(
    ("fitted_on", "words"),
    [("rows.to_numpy()", "does not know the names"), ("other", "no table among the step's inputs")],
)
def test_a_model_without_names_or_rows(project: Project, fitted_on: str, words: str) -> None:
    project.write(
        "steps.py",
        f"""
        import pandas as pd
        from sklearn.linear_model import LogisticRegression
        def fit() -> LogisticRegression:
            rows = pd.DataFrame({{"a": [0.0, 1.0]}})
            other = rows.rename(columns={{"a": "z"}})
            return LogisticRegression().fit({fitted_on}, [0, 1])
        """,
    )
    error = project.run(StepSpec("fit", run="steps:fit", output="model")).steps["fit"].error
    assert error is not None
    assert error.code == "step.wrong-output"
    assert words in error.message


def test_a_module_is_compiled_by_its_text(project: Project) -> None:
    other = project.write("other.py", "X = 1\n")
    project.write("steps.py", "import other\ndef look() -> int:\n    return other.X\n")
    assert project.value(project.run(StepSpec("look", run="steps:look")), "look") == 1
    times = other.stat()
    other.write_text("X = 2\n")  # neither its size nor its times tell
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert project.value(project.run(StepSpec("look", run="steps:look"), run_id="r2"), "look") == 2
    assert not [*project.worktree.rglob("__pycache__")]

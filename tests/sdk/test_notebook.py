"""The SDK in a real notebook, executed by a real kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from falaj.schemas.api import Run, StepRun
from falaj.sdk import Listing, RunComparison
from tests.platforms import Served

CELLS = (
    "from falaj.sdk import Client\nclient = Client.from_home()",
    "client.runs()",
    "client.run('last')",
    "client.compare_runs(client.runs()[0].id, 'last')",
    "client.releases()",
)


@pytest.fixture
def executed(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NotebookNode:
    """The notebook after its cells ran, each with what it shows."""
    monkeypatch.setenv("FALAJ_HOME", str(served.home.root))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    NotebookClient(
        notebook, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    nbformat.validate(notebook)
    return notebook


@pytest.mark.integration
def test_a_notebook_shows_tables(executed: NotebookNode) -> None:
    pages = ["".join(output.get("data", {}).get("text/html", "") for output in cell.outputs) for cell in executed.cells]
    assert pages[0] == ""
    assert '<th style="text-align:left">state</th>' in pages[1] and "flight-delay" in pages[1]
    assert "auc &gt;= 0.6 on test" in pages[2] and "0.71" in pages[2]
    assert "What differs" in pages[3]
    assert '<td style="text-align:left">flight-delay</td>' in pages[4]


def run(**changes: object) -> Run:
    fit = StepRun("fit", "step", "succeeded", {"params": {"depth": changes.pop("depth", 3)}}, 1.0, 2.0)
    base = {"id": "r1", "project": "p", "model": "m", "commit": "c", "ref": None, "trigger": "push", "params": {}}
    times = {"created_at": 0.0, "started_at": 1.0, "ended_at": 2.0}
    ended = {"state": "succeeded", "reason": "", "release": None, "mlflow_run": None, "steps": [fit]}
    return Run(**{**base, **times, **ended, **changes})  # type: ignore[arg-type]


def test_what_a_run_says_starts_no_markup() -> None:
    page = run(reason="<script>alert(1)</script>", state="failed")._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page and "depth 3" in page
    assert "<b>" not in Listing([run(project="<b>")])._repr_html_()


def test_a_comparison_has_what_differs() -> None:
    comparison = RunComparison.of(run(), run(id="r2", depth=5))
    assert [(fact.name, fact.change) for fact in comparison.differing] == [("param.fit.depth", 2.0)]
    assert "+2" in comparison._repr_html_() and Listing([])._repr_html_() == "<p>none</p>"

"""`matrix` with `select`: what is read, and what is refused with a place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from falaj.config import ProjectSpec, load_spec
from falaj.config.gates import GateSyntaxError, parse_select

PARAMS = "    params: {learning_rate: 0.1, iterations: 60}\n"
MATRIX = "    params: {iterations: 60}\n    matrix: {learning_rate: [0.1, 0.2]}\n"
SELECT = MATRIX + "    select: brier on split.validation\n"
OUTPUTS = ("outputs: [train, test]", "outputs: [train, validation, test]")


def test_a_sweep_is_read_and_kept(project: Path) -> None:
    file = project / "falaj.yaml"
    declared = "metrics:\n  profit: {function: 'tumour_risk.evaluation:evaluate', better: less}\n"
    text = file.read_text().replace(PARAMS, SELECT).replace(*OUTPUTS)
    file.write_text(text.replace("brier on split.v", "profit on split.v") + declared)
    spec = load_spec(project)
    assert spec.sweep is not None and spec.sweep.select is not None
    assert (spec.sweep.name, spec.sweep.select.data) == ("fit", "split.validation")
    assert spec.sweep.select.own is not None and spec.sweep.select.own.higher_is_better is False
    assert ProjectSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("select: brier on split.test", "gates judge on 'split.test'"),
        ("select: brier on split.train", "'split.train' is what `fit` learns from"),
        ("select: brier on evaluate", "'evaluate' comes from `fit`"),
        ("select: brier on split.valdiation", "no source, step or output 'split.valdiation'"),
        ("select: breir on split.validation", "no metric 'breir'"),
        ("select: tumour_risk.evaluation:evaluate on split.validation", "whether more of it is better"),
        ("select: brier of malignant on split.validation", "there is one label"),
        ("select: ndcg@5 on split.validation", "ranks the rows of a group"),
        ("select: brier <= 0.2 on split.validation", "whatever its value is"),
        ("select: brier", "ends too early"),
        ("select: brier on split.validation by carrier", "one word too many"),
        ("select: [brier]", "a selection is text"),
    ],
)
def test_what_cannot_select_is_refused_where_it_stands(issues, select: str, message: str) -> None:
    (issue,) = issues(OUTPUTS, (PARAMS, f"{MATRIX}    {select}\n"))
    assert message in issue.message and issue.field == "pipeline.fit.select"


def test_select_and_matrix_need_each_other_and_models(issues) -> None:
    (issue,) = issues(OUTPUTS, (PARAMS, f"{PARAMS}    select: brier on split.validation\n"))
    assert "there is none" in issue.message
    (issue,) = issues((f"{PARAMS}    select: brier on split.validation\n", SELECT), ("    output: model\n", ""))
    assert "`select` scores models" in issue.message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (f"{{learning_rate: {[*range(257)]}}}", "257 combinations"),
        (f"{{learning_rate: {[*range(20)]}, iterations: {[*range(20)]}}}", "400 combinations"),
        ("{learning_rate: [1, '1']}", "`learning_rate` has the value '1' twice"),
        ("{learning_rate: ['', '']}", "twice"),
    ],
)
def test_a_matrix_is_small_and_its_cells_differ(issues, values: str, message: str) -> None:
    (issue,) = issues((PARAMS, f"    matrix: {values}\n    select: brier on split.test\n"))
    assert message in issue.message


def test_one_step_selects(issues) -> None:
    second = "  other:\n    run: tumour_risk.training:fit\n    inputs: [split.train]\n    output: model\n" + SELECT
    (issue,) = issues(OUTPUTS, (PARAMS, SELECT), ("  evaluate:\n", f"{second}  evaluate:\n"))
    assert "`fit` selects already" in issue.message and issue.field == "pipeline.other.select"


def test_an_exam_and_rows_of_other_combinations_select_nothing(issues) -> None:
    exam = '  exam: {source: "file:///data/exam.csv", classification: public, origin: US, exam: true}\n'
    on_exam = SELECT.replace("split.validation", "exam")
    (issue,) = issues(
        ("pipeline:\n", f"{exam}pipeline:\n"), (PARAMS, on_exam), ("gates:\n", "gates:\n  - auc >= 0.5 on exam\n")
    )
    assert "is an exam" in issue.message
    messages = issues(
        (f"{exam}pipeline:\n", "pipeline:\n"), ("  - auc >= 0.5 on exam\n", ""), (on_exam, SELECT), OUTPUTS,
        ("params: {test_every: 4}", "matrix: {test_every: [3, 4]}"), ("inputs: [fit, split.test]", "inputs: [fit]"),
    )  # fmt: skip
    assert any("for combinations that `fit` does not have" in issue.message for issue in messages)


def test_the_place_of_a_mistake_in_a_selection() -> None:
    with pytest.raises(GateSyntaxError) as caught:
        parse_select("brier split.validation")
    assert caught.value.offset == 6
    quoted = parse_select('rmse of "net load" on "two words"')
    assert (quoted.output, quoted.data) == ("net load", "two words")

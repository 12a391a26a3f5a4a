from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.config import Issue, ProjectError, load_project, load_project_cached, load_spec

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"

FULL = """
model: all-keys
owner: team
pipeline:
  work:
    command: [python, work.py]
    needs: [before]
    resources: {cpu: 0.5, memory: 2Gi}
    retries: {count: 2, backoff: 5s}
    timeout: 1h
    cache: false
    matrix: {size: [1, 2]}
  before: {command: ["true"], retries: 3}
checks: {tests: {paths: [tests]}, static: }
expect:
  work: {rows: {min: 1}, day: {freshness: 1d, min: 2013-01-01}, code: {values: [0, a], missing: 5%, unique: true}}
serving: {replicas: 2, latency_budget_ms: 50}
deploy:
  dev: recreate
  test: {blue_green: {}}
  pre-prod: {shadow: {for: 2h}}
  prod: {canary: {steps: [1%, 5%, 25%, 50%], metrics: [errors, latency, brier], holdback: 2% for 24h}}
monitoring: {label: late, label_delay: 1d}
retrain:
  - on: drift
  - {on: labels, every: 50000, window: sliding 90d, cooldown: 1d, budget: {runs_a_week: 2, compute: 4h}}
  - {on: schedule, cron: "0 3 1 * *", timezone: Asia/Dubai}
"""


def test_every_key_becomes_its_unit(tmp_path: Path) -> None:
    (tmp_path / "falaj.yaml").write_text(FULL)
    spec = load_spec(tmp_path)
    work = spec.steps["work"]
    assert (work.cpu, work.memory_bytes, work.timeout_s, work.cache) == (0.5, 2 * 1024**3, 3600.0, False)
    assert (work.retries, work.backoff_s, spec.steps["before"].retries) == (2, 5.0, 3)
    assert work.matrix == {"size": (1, 2)}
    assert spec.checks == {"tests": {"paths": ["tests"]}, "static": {}}
    assert spec.expect["work"] == {
        "rows": {"min": 1},
        "day": {"freshness_s": 86400.0, "min": "2013-01-01"},
        "code": {"values": [0, "a"], "missing": 0.05, "unique": True},
    }
    assert [strategy.kind for strategy in spec.deploy.values()] == ["recreate", "blue_green", "shadow", "canary"]
    assert spec.deploy["pre-prod"].options["for_s"] == 7200.0
    assert spec.deploy["prod"].options["steps"] == [0.01, 0.05, 0.25, 0.5]
    assert spec.deploy["prod"].options["holdback"] == {"share": 0.02, "for_s": 86400.0}
    assert spec.monitoring == {"label": "late", "label_delay_s": 86400.0}
    assert [trigger["on"] for trigger in spec.retrain] == ["drift", "labels", "schedule"]
    assert spec.retrain[1] == {
        "on": "labels",
        "every": 50000,
        "window": {"strategy": "sliding", "length_s": 90 * 86400.0},
        "cooldown_s": 86400.0,
        "budget": {"runs_a_week": 2, "compute_s": 4 * 3600.0},
    }


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the example is not in this checkout")
def test_the_example_is_valid() -> None:
    assert load_project(EXAMPLE).to_spec().model == "flight-delay"


def test_the_digest_is_of_the_meaning(project: Path) -> None:
    before, bytes_before = load_project(project).digest(), load_spec(project).text_sha256
    file = project / "falaj.yaml"
    file.write_text("# a comment\n" + file.read_text())
    assert load_project(project).digest() == before
    assert load_spec(project).text_sha256 != bytes_before
    file.write_text(file.read_text().replace("iterations: 60", "iterations: 61"))
    assert load_project(project).digest() != before


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="there is no such file") as raised:
        load_project(tmp_path)
    assert "falaj init" in raised.value.hint


CASES = [
    ("risk: low", "riks: low", "riks", "there is no key `riks`", "risk"),
    ("risk: low", "risk: lwo", "risk", "'lwo' is not known", "low"),
    ("owner: you@example.org\n", "", "owner", "`owner` is missing", None),
    ("model: tumour-risk", "model: Tumour Risk", "model", "not valid", None),
    ("origin: US", "orgin: US", "data.tumours.orgin", "no key", "origin"),
    ("classification: public", "classification: pubic", "data.tumours.classification", "not known", "public"),
    ("file://", "flie://", "data.tumours.source", "not valid", None),
    ("[static,", "[statc,", "checks[0]", "there is no check 'statc'", "static"),
    ("[static, tests, secrets, model-files]", "{tests: {pats: [a]}}", "checks.tests.pats", "no key", "paths"),
    ("[static, tests, secrets, model-files]", "{tets: {}}", "checks.tets", "no key", "tests"),
    ("[static, tests, secrets, model-files]", "{model: {}}", "checks.model.data", "is missing", None),
    (
        "[static, tests, secrets, model-files]",
        "{model: {data: split.tst}}",
        "checks.model.data",
        "no source",
        "split.test",
    ),
    ("[static, tests", "[tests, tests", "checks", "named twice", None),
    ("auc >=", "acu >=", "gates[0]", "no metric", "auc"),
    ("on split.test\n", "on split.tset\n", "gates[0]", "no source, step or output 'split.tset'", "split.test"),
    ("dev: recreate", "dev: recrate", "deploy.dev", "no strategy", "recreate"),
    ("dev: recreate", "dev: {canary: {steps: [5%, 1%]}}", "deploy.dev.canary", "do not grow", None),
    ("dev: recreate", "dev: {canary: {steps: [5%, 10]}}", "deploy.dev.canary.steps[1]", "no unit", None),
    (
        "dev: recreate",
        "dev: {canary: {steps: [5%], holdback: 2%}}",
        "deploy.dev.canary.holdback",
        "cannot be read",
        None,
    ),
    ("dev: recreate", "dev: {canary: {steps: [5%]}, shadow: {for: 1h}}", "deploy.dev", "one strategy", None),
    ("inputs: [tumours]", "inputs: [tumors]", "pipeline.split.inputs[0]", "no source, step or output", "tumours"),
    ("inputs: [split.train]", "inputs: [split]", "pipeline.fit.inputs[0]", "several outputs", None),
    ("inputs: [tumours]", "inputs: [tumours, fit]", "pipeline.split.inputs[1]", "no parameter for the input", None),
    ("inputs: [tumours]", "inputs: []", "pipeline.split", "nothing is given for the parameter 'tumours'", None),
    ("output: model", "output: modle", "pipeline.fit.output", "not known", "model"),
    ("output: model", "outputs: [model]", "gates", "no step makes one", None),
    ("output: model", "output: model\n    outputs: [a]", "pipeline.fit", "exclude each other", None),
    ("output: model", "output: model\n    needs: [splt]", "pipeline.fit.needs[0]", "no step", "split"),
    ("output: model", "output: model\n    timeout: 30", "pipeline.fit.timeout", "30 has no unit", None),
    ("output: model", "output: model\n    retries: many", "pipeline.fit.retries", "not valid", None),
    (
        "output: model",
        "output: model\n    resources: {memory: 2gi}",
        "pipeline.fit.resources.memory",
        "cannot be",
        None,
    ),
    ("output: model", "output: model\n    files: [data/tumors.csv]", "pipeline.fit.files[0]", "no file", "tumours.csv"),
    ("output: model", "output: model\n    files: [a/../../b]", "pipeline.fit.files[0]", "out of the project", None),
    ("output: model", "output: model\n    command: [x]", "pipeline.fit", "does one thing", None),
    ("output: model", "output: model\n    cache: no", "pipeline.fit.cache", "not valid", None),
    ("output: model", "output: model\n    matrix: {iterations: [1]}", "pipeline.fit", "`params` and in `matrix`", None),
    (
        "run: tumour_risk.training:fit",
        "run: tumour_risk.trainig:fit",
        "pipeline.fit.run",
        "no module",
        "tumour_risk.training",
    ),
    ("run: tumour_risk.training:fit", "run: tumour_risk.training:fti", "pipeline.fit.run", "no function", "fit"),
    ("run: tumour_risk.training:fit", "run: tumour_risk.training", "pipeline.fit.run", "not valid", None),
    ("learning_rate:", "learnin_rate:", "pipeline.fit.params.learnin_rate", "no parameter", "learning_rate"),
    ("  tumours:\n    rows", "  tumors:\n    rows", "expect.tumors", "no source", "tumours"),
    ("radius: {min: 0,", "radius: {mni: 0,", "expect.tumours.radius.mni", "no key", "min"),
    ("radius: {min: 0,", "radius: {min: 5, max: 1,", "expect.tumours.radius", "greater than", None),
    ("monitoring: {label: malignant}", "monitoring: {}", "gates", "label", None),
    ("monitoring:", "retrain: [{on: drift, every: 5}]\nmonitoring:", "retrain[0]", "does not belong", None),
    ("monitoring:", "retrain: [{on: event}]\nmonitoring:", "retrain[0]", "needs `source` or `upstream`", None),
    (
        "monitoring:",
        "retrain: [{on: event, source: tumors}]\nmonitoring:",
        "retrain[0].source",
        "no data source",
        "tumours",
    ),
    (
        "monitoring:",
        "retrain: [{on: event, source: tumours, upstream: m}]\nmonitoring:",
        "retrain[0]",
        "not of both",
        None,
    ),
    (
        "monitoring:",
        "retrain: [{on: drift, window: slding 9d}]\nmonitoring:",
        "retrain[0].window",
        "not a window",
        "sliding",
    ),
    (
        "monitoring:",
        "scoring: [{on: event, input: tumors, output: file:///o}]\nmonitoring:",
        "scoring[0].input",
        "no data source",
        "tumours",
    ),
    (
        "monitoring:",
        "scoring: [{on: event, input: tumours, output: file:///o}]\nmonitoring:",
        "scoring[0].input",
        "changes with commits only",
        None,
    ),
    (
        "monitoring:",
        "scoring: [{on: schedule, input: tumours, output: file:///o}]\nmonitoring:",
        "scoring[0]",
        "needs `cron`",
        None,
    ),
    (
        "monitoring:",
        "scoring: [{on: event, cron: 0 3 * * *, input: tumours, output: file:///o}]\nmonitoring:",
        "scoring[0]",
        "does not belong",
        None,
    ),
    (
        "monitoring:",
        "retrain: [{on: drift, window: sliding 9d}]\nmonitoring:",
        "retrain[0].window",
        "not a window",
        None,
    ),
    ("monitoring:", "retrain: [{on: drift, window: 3}]\nmonitoring:", "retrain[0].window", "is text", None),
    (
        "monitoring:",
        "retrain: [{on: event, source: tumours, poll: 1s}]\nmonitoring:",
        "retrain[0].poll",
        "shorter than a minute",
        None,
    ),
    ("monitoring:", "retrain: [{on: drift, budget: {runs: 1}}]\nmonitoring:", "retrain[0].budget.runs", "no key", None),
    ("monitoring:", "retrain: [{on: labels}]\nmonitoring:", "retrain[0]", "needs `every`", None),
    ("monitoring:", 'retrain: [{on: schedule, cron: "61 * * * *"}]\nmonitoring:', "retrain[0]", "cron", None),
    (
        "monitoring:",
        'retrain: [{on: schedule, cron: "1 * * * *", timezone: Asia/Dubia}]\nmonitoring:',
        "retrain[0]",
        "time zone",
        "Asia/Dubai",
    ),
]


@pytest.mark.parametrize(("old", "new", "field", "message", "suggestion"), CASES, ids=[case[1][:40] for case in CASES])
def test_a_mistake_is_named_with_field_place_and_nearest_name(
    issues: Callable[..., tuple[Issue, ...]], old: str, new: str, field: str, message: str, suggestion: str | None
) -> None:
    problems = [issue for issue in issues((old, new)) if issue.field == field]
    assert problems
    assert message in problems[0].message
    assert problems[0].suggestion == suggestion
    assert problems[0].line > 1 or field == "owner"


def test_the_place_is_that_of_the_mistake(issues: Callable[..., tuple[Issue, ...]], project: Path) -> None:
    problems = issues(("auc >= 0.95", "auc >= high"))
    line = (project / "falaj.yaml").read_text().splitlines()[problems[0].line - 1]
    assert line[problems[0].column - 1 :].startswith("high")


def test_all_mistakes_are_told_at_once(issues: Callable[..., tuple[Issue, ...]]) -> None:
    problems = issues(("risk: low", "riks: low"), ("origin: US", "origin: usa"), ("[0, 1]", "5"))
    assert [issue.line for issue in problems] == sorted(issue.line for issue in problems)
    assert len(problems) == 3


def test_a_cycle_is_printed(issues: Callable[..., tuple[Issue, ...]]) -> None:
    problems = issues(("inputs: [tumours]", "inputs: [tumours]\n    needs: [evaluate]"))
    assert [issue.message for issue in problems] == ["the steps wait for each other: split -> evaluate -> fit -> split"]


def test_an_issue_is_one_line(issues: Callable[..., tuple[Issue, ...]]) -> None:
    text = str(issues(("risk: low", "riks: low"))[0])
    assert text.startswith("falaj.yaml:4:1: riks: there is no key `riks` (expected one of model, owner, risk")
    assert text.endswith("did you mean 'risk'?)")


def test_code_that_does_not_parse(issues: Callable[..., tuple[Issue, ...]], project: Path) -> None:
    (project / "src/tumour_risk/training.py").write_text("x = 1\ndef fit(:\n")
    problems = issues(("risk: low", "risk: high"))
    assert problems[0].field == "pipeline.fit.run"
    assert "src/tumour_risk/training.py:2 is not valid Python" in problems[0].message


def test_modules_beside_the_project_file_are_found(project: Path) -> None:
    (project / "src/tumour_risk").rename(project / "tumour_risk")
    assert load_project(project).to_spec().model_step == "fit"


@pytest.mark.parametrize(
    "code",
    [
        "from somewhere import fit",
        "import functools\nfit = functools.partial(print, 1)",
        "try:\n    from a import fit\nexcept ImportError:\n    fit = None",
        "@decorated\ndef fit(anything): ...",
        "def fit(frame, *, learning_rate, iterations=1, **more): ...",
        "class fit: ...",
    ],
)
def test_functions_that_the_text_does_not_show_in_full_are_accepted(project: Path, code: str) -> None:
    (project / "src/tumour_risk/training.py").write_text(code)
    load_project(project)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("tumour_risk.training:profit", "no function 'profit'"),
        ("tumours.money:fit", "no module"),
        ("tumour_risk.training:fit", ""),
    ],
)
def test_a_metric_of_the_project_must_be_there(
    issues: Callable[..., tuple[Issue, ...]], project: Path, metric: str, reason: str
) -> None:
    gates = ("auc >= 0.95 on", f"{metric} >= 1 on")
    if not reason:
        spec = project / "falaj.yaml"
        spec.write_text(spec.read_text().replace(*gates))
        assert load_project(project).to_spec().gates[0].metric == metric
        return
    [problem] = issues(gates)
    assert problem.field == "gates[0]" and reason in problem.message


@pytest.mark.integration
def test_the_cache_answers_without_parsers(project: Path, tmp_path: Path) -> None:
    first = load_project_cached(project, tmp_path / "cache")
    code = (
        "import sys; from pathlib import Path; from falaj.config.loading import load_project_cached as load;"
        "print(load(Path(sys.argv[1]), Path(sys.argv[2])).text_sha256, *({'yaml', 'pydantic', 'ast'} & {*sys.modules}))"
    )
    arguments = [sys.executable, "-c", code, str(project), str(tmp_path / "cache")]
    process = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert process.stdout.split()[0] == first.text_sha256
    assert not {"yaml", "pydantic"} & {*process.stdout.split()}
    assert load_project_cached(project, tmp_path / "cache") == first


def test_the_cache_does_not_outlive_a_change(project: Path, tmp_path: Path) -> None:
    load_project_cached(project, tmp_path / "cache")
    training = project / "src/tumour_risk/training.py"
    text = training.read_text()
    training.write_text(text.replace("def fit", "def refit"))
    with pytest.raises(ProjectError, match="no function 'fit'"):
        load_project_cached(project, tmp_path / "cache")
    training.unlink()
    with pytest.raises(ProjectError, match="no module"):
        load_project_cached(project, tmp_path / "cache")
    training.write_text(text)
    file = project / "falaj.yaml"
    file.write_text(file.read_text().replace("iterations: 60", "iterations: 61"))
    assert load_project_cached(project, tmp_path / "cache").steps["fit"].params["iterations"] == 61


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"code": {}, "spec": {"version": 1}}', b"\xff", b'{"code": 1}']
)
def test_a_damaged_cache_entry_is_made_anew(project: Path, tmp_path: Path, content: bytes) -> None:
    first = load_project_cached(project, tmp_path / "cache")
    for entry in (tmp_path / "cache").iterdir():
        entry.write_bytes(content)
    assert load_project_cached(project, tmp_path / "cache") == first


def test_a_cache_that_cannot_be_written_is_not_needed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert load_project_cached(project, tmp_path / "file").model == "tumour-risk"

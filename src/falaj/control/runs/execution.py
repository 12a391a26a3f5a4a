"""One run, end to end: read the project, build its environment, execute, package, check, judge, attest."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from falaj.build.checks import CheckContext, LiveModel, against_champion, judge_all, judge_refit, run_check
from falaj.build.checks.lockfiles import locked_packages
from falaj.build.checks.model_files import own_modules, scan
from falaj.build.checks.selection import Selection, is_higher_better, scored, select_best
from falaj.build.pipeline import PipelineResult, execute
from falaj.build.pipeline.events import EventKind, RunEvent
from falaj.build.pipeline.mlflow_files import RUN_ID, Recorded
from falaj.build.pipeline.node_files import step_log
from falaj.build.pipeline.sources import SourceSnapshot, resolve
from falaj.build.pipeline.sweep import candidates_part, with_cell, with_overrides
from falaj.config import load_project_cached
from falaj.config.gates import gate_name
from falaj.config.spec import ProjectSpec
from falaj.control.notary import NotBelievableError
from falaj.control.runs.attestation import BacktestModel, Findings, attestation_of, tables_of
from falaj.control.runs.connections import watch_of
from falaj.control.runs.contract import CandidateTracking, LiveRelease, RunContext, RunResult, RunSpec
from falaj.control.runs.data_subjects import taken_of
from falaj.control.runs.figures import figures_of, track_figures
from falaj.control.runs.lineage import edges_of_run
from falaj.control.runs.packaging import package_model
from falaj.control.runs.reference import reference_of
from falaj.control.runs.refit import PART, NoRefit, Refit, acceptance_gates, judging_tables
from falaj.control.runs.sweep import NODE, Sweep, event_of, shown_selection, track_candidates, used_by_gates
from falaj.control.runs.training_rows import blocks_of, refit_window, with_other_window, with_window
from falaj.core.errors import FalajError
from falaj.core.venv.environment import Environment, build
from falaj.supply_chain.artifacts import Digest

Value = TypeVar("Value")

_BEFORE_TRAINING = ("static", "tests", "secrets", "dependencies")


def execute_run(order: RunSpec, worktree: Path, around: RunContext) -> RunResult:
    """Run an order in a clean worktree and say how it ended; raises only for defects of ours.

    A check or gate that does not pass rejects the candidate; a step or tool that breaks fails the run.
    """
    around.emit(RunEvent("run.started", time.time(), data={"commit": order.commit, "trigger": order.trigger}))
    for sentence in order.missing:
        around.emit(RunEvent("run.warning", time.time(), data={"message": sentence}))
    outcome = _conducted(order, worktree, around)
    if outcome.state == "failed" and order.missing:  # most likely the reason of the reason
        outcome = replace(outcome, reason=f"{order.missing[0]} ({outcome.reason})")
    return outcome


def _conducted(order: RunSpec, worktree: Path, around: RunContext) -> RunResult:
    try:
        spec = load_project_cached(worktree, around.home.plan_cache)
    except FalajError as error:
        return RunResult("failed", str(error))
    if reason := around.refusal(spec):
        return RunResult("rejected", reason, model=spec.model)
    if order.training:
        order = replace(order, params=with_window(order.params, order.training, spec))
    try:
        outcome = _Run(order, worktree, around, spec).outcome()
    except FalajError as error:
        outcome = RunResult("failed", str(error))
    return replace(outcome, model=spec.model)


@dataclass(frozen=True)
class _GateVerdict:
    """What the gates said, and by which answers and labels."""

    gates: tuple[Any, ...] = ()
    scoring: Any = None
    champion: Any = None
    blocks: str | None = None


@dataclass
class _Run:
    """The phases of one run; each uses what the ones before it found."""

    order: RunSpec
    worktree: Path
    around: RunContext
    spec: ProjectSpec
    part: str = ""
    regression: Mapping[str, Digest] = field(default_factory=dict)
    exams: Mapping[str, SourceSnapshot] = field(default_factory=dict)
    sweep: Sweep | None = None
    pinned: dict[str, SourceSnapshot] = field(default_factory=dict)
    """What was read of sources: all trainings of a run learn from the same rows."""

    def outcome(self) -> RunResult:
        started_at = time.time()
        environment = build(self.worktree, self.around.home, before_install=self._tell_of_install)
        self._warn_unlocked(environment)
        tracking = self._tracking(environment)
        with ThreadPoolExecutor(max_workers=2) as pool:
            early = self._start_checks(pool, self._selected(_BEFORE_TRAINING), environment, {})
            pipeline = self._trained(environment, tracking, early)
            if isinstance(pipeline, RunResult):
                return pipeline
            outputs = dict(pipeline.outputs)
            if refused := self._scan(environment, outputs):
                checks = (*(future.result() for future in early), refused)
                states = _states(pipeline)
                reason = _first_refusal(checks, ())
                return self._with_edges(RunResult("rejected", reason, steps=states), pipeline)
            packaged = self._package(environment, outputs)
            if packaged and (ended := self._needs_no_judge(packaged, pipeline)):
                return ended
            late = self._start_checks(pool, self._wanted_after(), environment, outputs)
            referenced = pool.submit(self._reference, environment, outputs, packaged) if packaged else None
            judged_on = outputs | self._regression_tables() | self._take_exams(environment)
            judgement = self._judge(environment, judged_on)
            gates, champion = judgement.gates, judgement.champion
            checks = tuple(future.result() for future in (*early, *late))
        states = _states(pipeline)
        if self.around.cancelled():
            return self._with_edges(RunResult("cancelled", "cancelled", steps=states), pipeline)
        metrics = _values(pipeline, gates) | (self.sweep.metrics() if self.sweep else {})
        if reason := _first_refusal(checks, gates):
            return self._with_edges(RunResult("rejected", reason, metrics=_named(metrics), steps=states), pipeline)
        if packaged is None:
            return self._with_edges(RunResult("succeeded", steps=states), pipeline)
        findings = self._findings(environment, pipeline, checks, gates, packaged, started_at, tracking)
        findings = replace(
            findings, champion=champion, scoring=judgement.scoring, blocks=judgement.blocks, outputs=judged_on,
            hope=self.order.training.hope if self.order.training else "",
        )  # fmt: skip
        run_result = RunResult("succeeded", metrics=_named(metrics), steps=states)
        if champion is None or not champion.wins:
            return self._attested(findings, packaged, referenced.result() if referenced else None, run_result)
        return self._won(findings, packaged, referenced.result() if referenced else None, run_result, tracking)

    def _trained(
        self, environment: Environment, tracking: Mapping[str, str], early: list[Future[Any]]
    ) -> PipelineResult | RunResult:
        """The pipeline with all its steps, or how the run ends before."""
        if ended := self._swept(environment, tracking, early):
            return ended
        pipeline = self._execute(environment, tracking, early)
        if not pipeline.ok:
            return self._with_edges(self._stopped(pipeline, early), pipeline)
        if self.sweep and not self.sweep.went_on(pipeline.outputs):
            reason = f"step {self.sweep.step}: the model that was selected is not the one that came out again"
            return self._with_edges(RunResult("failed", reason, steps=_states(pipeline)), pipeline)
        return self._used_twice(environment, pipeline) or pipeline

    def _swept(
        self, environment: Environment, tracking: Mapping[str, str], early: list[Future[Any]]
    ) -> RunResult | None:
        """Train the candidates of a sweep and go on with the best one; how the run ends where there is none."""
        self.spec = with_overrides(self.spec, self.order.params)
        if self.spec.sweep is None:
            return None
        track = self.around.candidates(tracking.get(RUN_ID))
        part = candidates_part(self.spec)
        pipeline = self._execute(environment, tracking, early, part, track)
        if pipeline.failed or pipeline.cancelled:
            return self._with_edges(self._stopped(pipeline, early), pipeline)
        sweep = Sweep(part, pipeline)
        selection = self._select(environment, sweep, early)
        if isinstance(selection, RunResult):
            return self._with_edges(replace(selection, steps=_states(pipeline)), pipeline)
        self.sweep = replace(sweep, selection=selection)
        track_candidates(track, self.sweep, selection)
        if selection.best is None:
            trained = any(each.model for each in selection.candidates)
            outcome = RunResult("rejected" if trained else "failed", f"selection: {selection.summary}")
            return self._with_edges(replace(outcome, steps=_states(pipeline)), pipeline)
        self.spec = with_cell(self.spec, sweep.step, selection.best.params)
        return None

    def _select(self, environment: Environment, sweep: Sweep, early: list[Future[Any]]) -> Selection | RunResult:
        """Score every candidate whose files may be loaded, and select the best one."""
        self._emit("check.started", NODE)
        started_at = time.time()
        context = self._context(environment, sweep.pipeline.outputs)
        candidates = []
        for candidate in sweep.candidates():
            if self.around.cancelled() or _refuses(early):
                return self._stopped(replace(sweep.pipeline, cancelled=True), early)
            if candidate.model and (reason := self._forbidden(context, candidate.model)):
                return RunResult("rejected", f"check model-files: {candidate.name}: {reason}")
            has_rows = candidate.model is not None and candidate.table is not None
            candidates.append(scored(context, sweep.select, candidate) if has_rows else candidate)
        direction = is_higher_better(sweep.select)
        selection = select_best(sweep.step, sweep.select, candidates, higher_is_better=direction)
        self._emit("check.finished", NODE, {**event_of(selection), "started_at": started_at})
        return selection

    def _forbidden(self, context: CheckContext, model: Digest) -> str:
        """What is found in the files of a candidate, before anything of them is loaded; empty where nothing is."""
        result = scan(context.fetch_digest(model), own_modules(self.spec, self.worktree))
        return "" if result.passed else result.summary

    def _used_twice(self, environment: Environment, pipeline: PipelineResult) -> RunResult | None:
        """Refuse gates on the rows that a candidate was selected by."""
        if self.sweep is None or self.sweep.selection is None:
            return None
        gate = used_by_gates(self.sweep.selection, self.spec, pipeline.outputs | self._take_exams(environment))
        if not gate:
            return None
        reason = f"gate {gate}: its rows are those that `select` has used, which cannot judge what it selected"
        return self._with_edges(RunResult("rejected", reason, steps=_states(pipeline)), pipeline)

    def _needs_no_judge(self, packaged: Any, pipeline: PipelineResult) -> RunResult | None:
        """What becomes of a model that must not be released, or is one already; None of others."""
        states = _states(pipeline)
        if packaged.result.refusal:
            reason = f"packaging: {packaged.result.refusal}"
            return self._with_edges(RunResult("rejected", reason, steps=states), pipeline)
        if skip_reason := self._nothing_new(packaged):
            return self._with_edges(RunResult("succeeded", skip_reason, steps=states), pipeline)
        return None

    def _won(
        self, findings: Findings, packaged: Any, referenced: Any, run_result: RunResult, tracking: Mapping[str, str]
    ) -> RunResult:
        """Train it again on all rows; that is what becomes a release where it holds."""
        refit = self._refit(findings, tracking)
        if self.around.cancelled():
            return self._with_edges(RunResult("cancelled", "cancelled", steps=run_result.steps), findings.pipeline)
        if isinstance(refit, Refit) and (skip_reason := self._nothing_new(refit.packaged)):
            return self._with_edges(RunResult("succeeded", skip_reason, steps=run_result.steps), findings.pipeline)
        if isinstance(refit, Refit):
            return self._attested_refit(findings, refit, run_result)
        return self._attested(findings, packaged, referenced, run_result, refit)

    def _refit(self, backtest: Findings, tracking: Mapping[str, str]) -> Refit | NoRefit:
        """Train what has won again on all rows; why there is none, where it breaks, fails a gate or does not agree."""
        assert self.order.training is not None
        window = refit_window(self.order.training, self.spec)
        if isinstance(window, str):
            return NoRefit(window)
        training = replace(self.order.training, window=window)
        params = with_other_window(self.order.params, self.order.training.window, window)
        again = replace(self, order=replace(self.order, params=params, training=training), part=PART)
        self._emit("refit.started", "", {"window": dict(window)})
        try:
            refit = again._refitted(backtest, {name: tracking[name] for name in tracking if name != "MLFLOW_RUN_ID"})
        except FalajError as error:
            refit = NoRefit(f"the training on all rows broke: {error}")
        self._emit("refit.ended", "", refit.shown())
        return refit

    def _refitted(self, backtest: Findings, tracking: Mapping[str, str]) -> Refit | NoRefit:
        """The second training, packaged, checked, judged on new rows, and compared with its backtest model."""
        environment, started_at = backtest.environment, time.time()
        pipeline = self._execute(environment, tracking, [])
        if not pipeline.ok:
            failed = (
                f"step {pipeline.failed}: {pipeline.steps[pipeline.failed].error}" if pipeline.failed else "stopped"
            )
            return NoRefit(f"the training on all rows did not end: {failed}")
        before, outputs = dict(backtest.pipeline.outputs), dict(pipeline.outputs)
        gates = acceptance_gates(self.spec.gates, before, outputs, {**self.regression, **self._exam_digests()})
        if not gates:
            return NoRefit("no gate has acceptance rows, which stay the same whatever is learned from")
        gate_tables = judging_tables(self.spec.gates, before, outputs)
        expected = {name: each for name, each in self.spec.expect.items() if name not in gate_tables}
        self.spec = replace(self.spec, gates=gates, expect=expected)
        if refused := self._scan(environment, outputs):
            return NoRefit(f"the model of all rows is refused: {_first_refusal((refused,), ())}")
        packaged = self._package(environment, outputs)
        if packaged.result.refusal:
            return NoRefit(f"the model of all rows is refused: {packaged.result.refusal}")
        if packaged.digest == backtest.model:
            return NoRefit("with the rows that judged it the same model comes out")
        with ThreadPoolExecutor(max_workers=2) as pool:
            late = self._start_checks(pool, self._wanted_after(), environment, outputs)
            referenced = self._reference(environment, outputs, packaged)
            judged_on = {**outputs, **self.regression, **self._exam_digests()}
            accepted, agreement = self._accept(environment, judged_on, backtest.model)
            verdicts = accepted.gates
            checks = tuple(future.result() for future in late)
        if reason := _first_refusal(checks, verdicts):
            return NoRefit(f"the model of all rows is refused: {reason}")
        if not agreement.agrees:
            return NoRefit(f"the model of all rows {agreement.reason}")
        early = tuple(check for check in backtest.checks if check.name in _BEFORE_TRAINING)
        findings = self._findings(environment, pipeline, (*early, *checks), verdicts, packaged, started_at, tracking)
        backtest_model = self._backtest_model(backtest, agreement)
        findings = replace(
            findings,
            mlflow_run=backtest.mlflow_run,
            backtest_model=backtest_model,
            scoring=accepted.scoring,
            outputs=judged_on,
        )
        acceptance = tuple(sorted({str(outputs[gate.data]) for gate in gates if gate.data in outputs}))
        return Refit(findings, packaged, referenced, agreement, backtest.model, acceptance)

    def _backtest_model(self, backtest: Findings, agreement: Any) -> Any:
        assert self.order.training is not None and backtest.champion is not None
        window = tuple(sorted(self.order.training.window))
        return BacktestModel(backtest.model, backtest.order.params, window, backtest.champion, agreement)

    def _accept(
        self, environment: Environment, outputs: Mapping[str, Digest], backtest: Digest
    ) -> tuple[_GateVerdict, Any]:
        """What the gates on acceptance rows say of the refit, and whether it agrees with its backtest model there."""
        assert self.order.training is not None
        started_at = time.time()
        context = self._context(environment, outputs)
        gates, scoring = judge_all(context)
        self._emit_gates(gates, started_at)
        blocks = blocks_of(self.order.training, self.spec)
        beside = replace(context, live=LiveModel(0, backtest), champion=True, blocks=blocks)
        return _GateVerdict(gates, scoring), judge_refit(beside, judge_all(beside)[1])

    def _attested_refit(self, backtest: Findings, refit: Refit, outcome: RunResult) -> RunResult:
        """Sign what is known of the refit; the backtest model stays as an artifact, for who wants to judge again."""
        again = replace(self, order=refit.findings.order, spec=refit.findings.spec, part=PART)
        findings = replace(refit.findings, spec=self.spec)
        run_result = again._attested(findings, refit.packaged, refit.referenced, outcome, refit, backtest.champion)
        edges = (*run_result.edges, *self._edges(backtest.pipeline), refit.edge())
        return replace(run_result, edges=tuple(dict.fromkeys(edges)))

    def _scan(self, environment: Environment, outputs: Mapping[str, Digest]) -> Any:
        """What is found in the files of the model ends the run before anything of them is loaded; None is nothing.

        The form in which it is packaged is scanned again, with the other checks.
        """
        step = self.spec.model_step
        if step is None or step not in outputs:
            return None
        result = run_check("model-files", self._context(environment, outputs))
        if result.passed:
            return None
        self._report("model-files", result, time.time())
        return result

    def _tell_of_install(self, lockfile: str) -> None:
        self.around.emit(RunEvent("run.installing", time.time(), data={"lockfile": lockfile}))

    def _warn_unlocked(self, environment: Environment) -> None:
        """Say at once what would be refused when the release is promoted."""
        if self.spec.model_step is not None and not environment.reproducible:
            message = (
                "the project has no lockfile, so nobody can make its model again and it is not promoted above the "
                "first environment; `uv lock` in the project writes one"
            )
            self.around.emit(RunEvent("run.warning", time.time(), data={"message": message}))

    def _nothing_new(self, packaged: Any) -> str:
        """That a training gave the bytes of a release or of its backtest model; empty when it did not."""
        existing_release = (
            self.around.existing_release(self.spec.model, str(packaged.digest)) if self.order.training else None
        )
        return f"nothing new: the training gave the model of {existing_release} again" if existing_release else ""

    def _regression_tables(self) -> dict[str, Digest]:
        """Hold the candidate against what earlier ones failed on, too; the rows by the names that those gates use."""
        gates = self.around.regression_gates(self.spec.model)
        self.spec = replace(self.spec, gates=(*self.spec.gates, *(gate.spec() for gate in gates)))
        self.regression = {gate.table: Digest(gate.digest) for gate in gates}
        return dict(self.regression)

    def _take_exams(self, environment: Environment) -> dict[str, Digest]:
        """Pin the tables that no step has read."""
        exams = [source for source in self.spec.data.values() if source.exam]
        store, connect = self.around.store, self.around.connect
        self.exams = {each.name: resolve(each, environment, self.worktree, store, connect) for each in exams}
        return self._exam_digests()

    def _exam_digests(self) -> dict[str, Digest]:
        return {name: snapshot.digest for name, snapshot in self.exams.items()}

    def _tracking(self, environment: Environment) -> Mapping[str, str]:
        return self.around.tracking(self.spec.model, environment.python)

    def _selected(self, names: Iterable[str]) -> list[str]:
        return [name for name in self.spec.checks if name in names]

    def _wanted_after(self) -> list[str]:
        late = [name for name in self.spec.checks if name not in _BEFORE_TRAINING]
        data = ["data"] if self.spec.expect and "data" not in late else []
        files = ["model-files"] if self.spec.model_step and "model-files" not in late else []
        return [*late, *data, *files]

    def _start_checks(
        self, pool: ThreadPoolExecutor, names: list[str], environment: Environment, outputs: Mapping[str, Digest]
    ) -> list[Future[Any]]:
        if not names:
            return []
        context = self._context(environment, outputs)
        return [pool.submit(self._check, name, context) for name in names]

    def _check(self, name: str, context: Any) -> Any:
        self._emit("check.started", name)
        started_at = time.time()
        result = run_check(name, context)
        self._report(name, result, started_at)
        return result

    def _report(self, name: str, result: Any, started_at: float) -> None:
        findings = [str(finding) for finding in result.findings[:20]]
        data = {"passed": result.passed, "summary": result.summary, "checked": result.checked, "findings": findings}
        data["found"] = len(result.findings)
        values = [asdict(value) for value in result.values]
        self._emit("check.finished", name, {**data, "values": values, "started_at": started_at})

    def _execute(
        self,
        environment: Environment,
        tracking: Mapping[str, str],
        early: list[Future[Any]],
        candidates: ProjectSpec | None = None,
        track: CandidateTracking | None = None,
    ) -> PipelineResult:
        """Run the pipeline, or the part of it that the candidates of a sweep come from."""
        swept = candidates.sweep.name if candidates and candidates.sweep else ""
        before = None if self.part else self.sweep

        def record(node: str, recorded: Recorded) -> None:
            if track is not None and node.startswith(f"{swept}["):
                track.record(node, recorded)
            else:
                self.around.record(recorded)

        pipeline = execute(
            candidates or self.spec,
            worktree=self.worktree,
            environment=environment,
            store=self.around.store,
            run_dir=self._folder,
            params=self.order.params,
            emit=self._emit_step,
            cancelled=lambda: self.around.cancelled() or _refuses(early),
            step_environment=tracking,
            record=record,
            secrets=self.around.secrets({name for step in self.spec.steps.values() for name in step.secrets}),
            may_fail=swept,
            log_path=self._log_path,
            snapshots=self.pinned,
            connect=self.around.connect,
            placement=self.around.placement(record, self.spec),
        )
        self.pinned.update(pipeline.snapshots)
        for name, result in pipeline.steps.items() if RUN_ID in tracking else ():
            if not (before and before.has_shown(name)):
                track_figures(self.around.store, name, result.outputs, record)
        return before.with_results_of(pipeline) if before else pipeline

    def _stopped(self, pipeline: PipelineResult, early: list[Future[Any]]) -> RunResult:
        states = _states(pipeline)
        checks = tuple(future.result() for future in early)
        if pipeline.failed:
            error = pipeline.steps[pipeline.failed].error
            return RunResult("failed", f"step {pipeline.failed}: {error}", steps=states)
        if (reason := _first_refusal(checks, ())) and not self.around.cancelled():
            return RunResult("rejected", reason, steps=states)
        return RunResult("cancelled", "cancelled", steps=states)

    def _package(self, environment: Environment, outputs: dict[str, Digest]) -> Any:
        """Make the model servable; from here on its packaged form is what is checked, judged and released."""
        step = self.spec.model_step
        if step is None:
            return None
        self._emit("check.started", "packaging")
        started_at = time.time()
        rows = next((outputs[gate.data] for gate in self.spec.gates if gate.data in outputs), None)
        folder = self._folder / "packaging"
        packaged = package_model(
            self.around.store, outputs[step], rows, environment, folder, answer=self.spec.serving.answer
        )
        outputs[step] = packaged.digest
        data = {"passed": not packaged.result.refusal, "summary": packaged.summary, "started_at": started_at}
        self._emit("check.finished", "packaging", data)
        return packaged

    def _reference(self, environment: Environment, outputs: Mapping[str, Digest], packaged: Any) -> Any:
        """What monitors of the release will compare with; a run goes without it rather than fail."""
        self._emit("check.started", "reference")
        started_at = time.time()
        reference = reference_of(self._context(environment, outputs), packaged.features)
        data = {"passed": True, "summary": reference.summary, "started_at": started_at}
        self._emit("check.finished", "reference", data)
        return reference

    def _judge(self, environment: Environment, outputs: Mapping[str, Digest]) -> _GateVerdict:
        """What the gates say and, of a training, whether the candidate wins against the release that is live."""
        training = self.order.training
        if not self.spec.gates and training is None:
            return _GateVerdict()
        names = [gate.text for gate in self.spec.gates]
        started_at = time.time()
        for name in names:
            self._emit("gate.started", name)
        context = self._context(environment, outputs)
        if training:
            context = replace(context, champion=True, blocks=blocks_of(training, self.spec))
        gates, scoring = judge_all(context)
        self._emit_gates(gates, started_at)
        champion = against_champion(context, scoring, training.hope) if training else None
        return _GateVerdict(gates, scoring, champion, context.blocks)

    def _emit_gates(self, gates: Iterable[Any], started_at: float) -> None:
        for gate in gates:
            shown = ("passed", "value", "limit", "rows", "slice", "reason", "interval")
            data = {field: getattr(gate, field) for field in shown} | {"started_at": started_at}
            data["name"] = gate_name(gate.gate)
            self._emit("gate.finished", gate.gate.text, data)

    @property
    def _folder(self) -> Path:
        """Of the run; the second training of a run has its own in it, which bears the run's id as well."""
        run_dir = self.around.home.run_dir(self.order.run_id)
        return run_dir / "refit" / self.order.run_id if self.part else run_dir

    def _log_path(self, node: str) -> Path:
        """In the folder of the run, also of its second training: that is where one looks, and all that stays of it."""
        return step_log(self.around.home.run_dir(self.order.run_id), f"{self.part}{node}")

    def _context(self, environment: Environment, outputs: Mapping[str, Digest]) -> Any:
        live = self.around.live(self.spec.model)
        return CheckContext(
            spec=self.spec,
            worktree=self.worktree,
            environment=environment,
            store=self.around.store,
            workdir=self._folder / "checks",
            outputs=outputs,
            live=self._live_model(live) if live else None,
            home=self.around.home.root,
        )

    def _live_model(self, live: LiveRelease) -> LiveModel:
        """The live release as gates compare with it: whatever their dates are, it has not learned from exams."""
        exams = frozenset(map(str, self._exam_digests().values()))
        return LiveModel(live.number, Digest(live.digest), live.learned_until, live.acceptance | exams)

    def _findings(self, environment: Environment, pipeline: PipelineResult, checks: Any, gates: Any,
                  packaged: Any, started_at: float, tracking: Mapping[str, str]) -> Any:  # fmt: skip
        return Findings(
            order=self.order,
            spec=self.spec,
            environment=environment,
            pipeline=pipeline,
            checks=checks,
            gates=gates,
            model=packaged.digest,
            features=packaged.features,
            flavor=packaged.result.flavor,
            packages=locked_packages(self.worktree) if environment.reproducible else (),
            live=self.around.live(self.spec.model),
            mlflow_run=tracking.get("MLFLOW_RUN_ID"),
            started_at=started_at,
            ended_at=time.time(),
            labels=self.around.labels(
                self.spec, {name: str(each.digest) for name, each in {**pipeline.snapshots, **self.exams}.items()}
            ),
            exams=self.exams,
            selection=self.sweep.selection if self.sweep else None,
        )

    def _attested(
        self, findings: Any, packaged: Any, referenced: Any, outcome: RunResult, refit: Refit | NoRefit | None = None,
        champion: Any = None,
    ) -> RunResult:  # fmt: skip
        lock = self._keep_lock(findings.environment)
        claims = attestation_of(findings, self.around.store, lock, own_modules(self.spec, self.worktree))
        try:
            envelopes = self.around.notary.attest(claims, tables_of(findings))
        except NotBelievableError as error:
            refused = replace(outcome, state="rejected", reason=error.message)
            return self._with_edges(refused, findings.pipeline)
        reference = referenced.digest if referenced else None
        data = {
            "snapshots": {name: item.digest for name, item in findings.pipeline.snapshots.items()},
            "exams": {name: item.digest for name, item in self.exams.items()},
            "gates": [_shown(gate) for gate in findings.gates],
            "checks": [{"name": check.name, "summary": check.summary} for check in findings.checks],
            "deploy": sorted(self.spec.deploy or ("dev",)),
            "strategies": {name: asdict(strategy) for name, strategy in self.spec.deploy.items()},
            "label": dict(self.spec.monitoring),
            "risk": self.spec.risk,
            "owner": self.spec.owner,
            "sources": {name: source.source for name, source in self.spec.data.items()},
            "watches": {name: watch_of(source) for name, source in self.spec.data.items()},
            "retrain": [dict(settings) for settings in self.spec.retrain],
            "scoring": [self._scoring(entry) for entry in self.spec.scoring],
            "packaged_from": str(findings.pipeline.outputs.get(self.spec.model_step or "", "")) or None,
            "serving": {
                "replicas": self.spec.serving.replicas,
                "scale": self.spec.serving.scale.to_json() if self.spec.serving.scale else None,
                "latency_budget_ms": self.spec.serving.latency_budget_ms,
                "callers": self.spec.serving.callers,
                "per_caller": self.spec.serving.per_caller,
                "environment_lock": lock,
                "backend": packaged.result.flavor,
                "code": "own" if packaged.result.own_code else "libraries",
                "reference": reference,
            },
            "reference": reference,
            "selection": shown_selection(findings.selection) if findings.selection else None,
            "learned_rows": referenced.learned_rows if referenced else 0,
            "monitoring": {"watched": bool(reference), "notes": list(referenced.notes if referenced else ())},
            "packaging": packaged.summary,
            "model_signature": self.around.notary.sign_model(self.spec.model, packaged.digest),
            "artifacts": [
                each
                for each in (lock, reference, findings.backtest_model and str(findings.backtest_model.digest))
                if each
            ],
            "retraining": self._retraining(champion or findings.champion, refit),
            "locked": findings.environment.reproducible,
            "reproducible": findings.environment.reproducible and not self.order.commit.endswith("-dirty"),
        }
        run_result = replace(outcome, digest=packaged.digest, envelopes=envelopes, data=data)
        linked_result = self._with_edges(run_result, findings.pipeline, lock)
        return replace(linked_result, edges=(*linked_result.edges, *(referenced.edges() if referenced else ())))

    def _scoring(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of `scoring` with what the file says of its source."""
        source = self.spec.data[entry["input"]]
        data_labels = {"classification": source.classification, "origin": source.origin, "sector": source.sector}
        return {**entry, "url": source.source, **data_labels}

    def _retraining(self, champion: Any, refit: Refit | NoRefit | None) -> dict[str, Any] | None:
        """Why the release was trained, on which rows, and how it did beside the one that was live."""
        training = self.order.training
        if training is None:
            return None
        shown = {"kind": training.kind, "because": training.evidence(), "window": training.window}
        return {**asdict(champion), **shown, "refit": refit.shown() if refit else None}

    def _with_edges(self, outcome: RunResult, pipeline: PipelineResult, lock: str | None = None) -> RunResult:
        """What came from what is told of every run whose steps read data, released or not."""
        edges = self._edges(pipeline, lock)
        outcome = replace(outcome, params=_params(pipeline))
        return replace(outcome, edges=edges, readings=tuple(taken_of(self.spec, {**pipeline.snapshots, **self.exams})))

    def _edges(self, pipeline: PipelineResult, lock: str | None = None) -> tuple[Any, ...]:
        own = edges_of_run(self.order, self.spec, pipeline, lock, self.part)
        swept = self.sweep.edges(self.order) if self.sweep and not self.part else ()
        return tuple(dict.fromkeys((*own, *swept)))

    def _keep_lock(self, environment: Environment) -> str | None:
        """Keep the lockfile beside the release, so that a location can build the same environment."""
        if environment.lockfile is None:
            return None
        folder = self._folder / "lock"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in (environment.lockfile, "pyproject.toml", ".python-version"):
            if (self.worktree / name).is_file():
                shutil.copyfile(self.worktree / name, folder / name)
        return self.around.store.put(folder).digest

    def _emit(self, kind: EventKind, node: str, data: Mapping[str, Any] | None = None) -> None:
        self.around.emit(RunEvent(kind, time.time(), f"{self.part}{node}" if node else "", data or {}))

    def _emit_step(self, event: RunEvent) -> None:
        """Pass on what the engine says, with its figures; the log of a step that ended becomes an artifact."""
        if event.node and self.sweep and not self.part and self.sweep.has_shown(event.node):
            return
        log = self._log_path(event.node)
        if event.kind in ("step.finished", "step.failed") and log.is_file():
            event = self._with_log(event, log)
        if figures := figures_of(self.around.store, event.data.get("outputs") or {}):
            event = replace(event, data={**event.data, "figures": figures})
        self.around.emit(replace(event, node=f"{self.part}{event.node}") if event.node else event)

    def _with_log(self, event: RunEvent, log: Path) -> RunEvent:
        try:
            return replace(event, data={**event.data, "log": self.around.store.put(log).digest})
        except FalajError:
            if event.kind == "step.failed":  # by a full disk, say: why the step failed is what must be told
                return event
            raise


def _refuses(checks: Iterable[Future[Any]]) -> bool:
    """Whether a check has ended and does not pass."""
    return any(check.done() and not check.result().passed for check in checks)


def _states(pipeline: PipelineResult) -> dict[str, str]:
    """The state of each step, by name."""
    return {name: str(step.state) for name, step in pipeline.steps.items()}


def _first_refusal(checks: Iterable[Any], gates: Iterable[Any]) -> str:
    """Why the candidate is refused, in one line; empty when it is not."""
    refused = [f"check {check.name}: {check.summary}" for check in checks if not check.passed]
    refused += [f"gate {gate.gate.text}: {gate.reason}" for gate in gates if not gate.passed]
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return refused[0] + more if refused else ""


def _shown(gate: Any) -> dict[str, Any]:
    return {"text": gate.gate.text, "value": gate.value, "limit": gate.limit, "reason": gate.reason, "rows": gate.rows}


def _values(pipeline: PipelineResult, gates: Iterable[Any]) -> dict[str, float]:
    """Numbers of the reports and values of the gates, by names that another limit does not change."""
    reports = {
        f"metric.{step.node}.{name}": value for step in pipeline.steps.values() for name, value in step.metrics.items()
    }
    return reports | {f"gate.{gate_name(gate.gate)}": gate.value for gate in gates if gate.value is not None}


def _params(pipeline: PipelineResult) -> dict[str, str]:
    """What steps were given, by names as MLflow allows them."""
    values = {
        f"param.{step.node}.{name}": value for step in pipeline.steps.values() for name, value in step.params.items()
    }
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return _named(texts)


def _named(values: Mapping[str, Value]) -> dict[str, Value]:
    """Names of metrics and parameters as MLflow allows them."""
    return {"".join(c if c.isalnum() or c in "_-. /" else "-" for c in name): value for name, value in values.items()}

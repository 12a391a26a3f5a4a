"""MLflow as tracker and registry: runs, registered versions that mirror releases, aliases that mirror environments.

MLflow takes seconds to import, so only a worker that has something to do and a run that trains do.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from falaj.build.pipeline.mlflow_files import RUN_ID, Recorded
from falaj.build.pipeline.step_env import TELEMETRY_OFF
from falaj.control.runs.contract import CandidateTracking, Untracked
from falaj.core.errors import UnavailableError
from falaj.core.home import Home

MLFLOW_PARENT = "mlflow.parentRunId"
_NO_SPACE = "database or disk is full"
_MOST_METRICS, _MOST_NAMES = 1000, 100  # that MLflow takes at once
_MOST_CHARACTERS = 6000  # of a parameter

logger = logging.getLogger(__name__)


class TrackingUnavailableError(UnavailableError):
    """MLflow's database cannot be written."""

    code = "tracking.unavailable"


class Tracking:
    """The tracker of one installation.

    Args:
        home: Its settings say where MLflow is.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._opening = threading.Lock()
        self._client: Any = None

    @property
    def client(self) -> Any:
        """MLflow's client; the first use imports it and creates the embedded database."""
        with self._opening:
            self._client = self._client or self._open()
            return self._client

    def _open(self) -> Any:
        os.environ.update(TELEMETRY_OFF)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # importing it sets the level anew
        return MlflowClient(self._home.mlflow_uri, self._home.mlflow_uri)

    def warm_up(self) -> None:
        """Let the first use happen while a run still prepares; what fails here fails again when it is needed."""
        with suppress(Exception):
            self.client  # noqa: B018

    def open_run(self, project: str, run_id: str, commit: str, previous_run: str | None = None) -> str:
        """Start the tracking run of a run, or go on with the one it has; return its MLflow id.

        Raises:
            TrackingUnavailableError: There is no space left for it.
        """
        try:
            return self._opened(project, run_id, commit, previous_run)
        except Exception as error:
            if _NO_SPACE in str(error):  # MLflow wraps the error of SQLite; its words remain
                raise TrackingUnavailableError("no space left for MLflow's run", where=self._home.mlflow_uri) from error
            raise

    def _opened(self, project: str, run_id: str, commit: str, previous_run: str | None) -> str:
        if previous_run:
            self.client.update_run(previous_run, status="RUNNING")
            return previous_run
        tags = {"falaj.run": run_id, "falaj.commit": commit, "mlflow.source.git.commit": commit}
        return str(self.client.create_run(self._experiment(project), run_name=run_id, tags=tags).info.run_id)

    def environment(self, mlflow_run: str) -> dict[str, str]:
        """Variables that name the run to steps, which write to a folder of theirs (see `pipeline.mlflow_files`)."""
        return {RUN_ID: mlflow_run, **TELEMETRY_OFF}

    def record(self, mlflow_run: str, recorded: Recorded) -> None:
        """Put what a step recorded into the run; a tracker that is away costs the run nothing."""
        try:
            self._record(mlflow_run, recorded)
        except Exception as error:
            logger.warning("what a step recorded with MLflow was not kept: %s", error)

    def _record(self, mlflow_run: str, recorded: Recorded) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(each.name, each.value, each.at_ms, each.step) for each in recorded.metrics]
        for some in _batches(metrics, _MOST_METRICS):
            self.client.log_batch(mlflow_run, metrics=some)
        for names in _batches([*recorded.params], _MOST_NAMES):
            params = [Param(name, recorded.params[name]) for name in names]
            self.client.log_batch(mlflow_run, params=params)
        for names in _batches([*recorded.tags], _MOST_NAMES):
            self.client.log_batch(mlflow_run, tags=[RunTag(name, recorded.tags[name]) for name in names])
        if recorded.artifacts:
            self.client.log_artifacts(mlflow_run, str(recorded.artifacts))

    def close_run(
        self,
        mlflow_run: str,
        state: str,
        metrics: Mapping[str, float],
        params: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Record what steps were given and the values of the gates, and end the tracking run.

        A run that a worker took over has its parameters already; MLflow refuses others of the same name.
        """
        for name, value in metrics.items():
            self.client.log_metric(mlflow_run, name, value)
        existing = self.client.get_run(mlflow_run).data.params if params else {}
        missing = {name: value[:_MOST_CHARACTERS] for name, value in params.items() if name not in existing}
        self._record(mlflow_run, Recorded(missing, {}, (), None))
        self.client.set_terminated(mlflow_run, "FINISHED" if state == "succeeded" else "FAILED")

    def candidate(self, mlflow_run: str, name: str) -> str:
        """The tracking run of a candidate of a sweep, below that of its run; made where there is none yet."""
        experiment = self.client.get_run(mlflow_run).info.experiment_id
        tags = {MLFLOW_PARENT: mlflow_run, "falaj.candidate": name}
        query = f"tags.`{MLFLOW_PARENT}` = '{mlflow_run}'"
        below = self.client.search_runs([experiment], query, max_results=_MOST_METRICS)
        existing = next((run for run in below if run.data.tags.get("falaj.candidate") == name), None)
        run = existing or self.client.create_run(experiment, run_name=name, tags=tags)
        return str(run.info.run_id)

    def register(self, release: Mapping[str, Any], mlflow_run: str, model_dir: Path) -> str:
        """Mirror a release as a version of the registered model; again for the same release changes nothing.

        Args:
            release: `model`, `number`, `commit`, `run_id`, `digest`.
            mlflow_run: The run that trained it.
            model_dir: The MLflow model folder.

        Returns:
            The registered version.
        """
        name, number = release["model"], str(release["number"])
        if existing := self._version(name, number):
            return existing
        if not self.client.search_registered_models(f"name='{name}'"):
            self.client.create_registered_model(name)
        self.client.log_artifacts(mlflow_run, str(model_dir), "model")
        source = f"{self.client.get_run(mlflow_run).info.artifact_uri}/model"
        tags = {"falaj.release": number} | {f"falaj.{key}": release[key] for key in ("commit", "run_id", "digest")}
        return str(self.client.create_model_version(name, source, mlflow_run, tags=tags).version)

    def alias(self, model: str, number: int, alias: str) -> None:
        """Point an alias such as `dev` at the version that mirrors a release.

        Raises:
            LookupError: The release is not mirrored yet; trying again later may help.
        """
        version = self._version(model, str(number))
        if version is None:
            raise LookupError(f"{model}@{number} is not registered in MLflow yet")
        self.client.set_registered_model_alias(model, alias, version)

    def _version(self, model: str, number: str) -> str | None:
        versions = self.client.search_model_versions(f"name='{model}'")
        return next((str(v.version) for v in versions if v.tags.get("falaj.release") == number), None)

    def _experiment(self, project: str) -> str:
        experiment = self.client.get_experiment_by_name(project)
        if experiment is not None:
            return str(experiment.experiment_id)
        embedded = self._home.mlflow_uri.startswith("sqlite:")
        location = str(self._home.mlflow_artifacts) if embedded else None
        return str(self.client.create_experiment(project, artifact_location=location))


def tracked_candidates(tracking: Tracking, mlflow_run: str | None) -> CandidateTracking:
    """Where the candidates of a run are tracked."""
    return TrackedCandidates(tracking, mlflow_run) if mlflow_run else Untracked()


class TrackedCandidates:
    """The candidates of a sweep, each a run below the run; a tracker that is away costs the run nothing.

    Args:
        tracking: The tracker.
        mlflow_run: The tracking run of the run.
    """

    def __init__(self, tracking: Tracking, mlflow_run: str) -> None:
        self._tracking, self._mlflow_run = tracking, mlflow_run
        self._opening = threading.Lock()
        self._runs: dict[str, str] = {}

    def record(self, candidate: str, recorded: Recorded) -> None:
        """See `CandidateTracking.record`."""
        with suppress(Exception):
            self._tracking.record(self._run(candidate), recorded)

    def close(self, candidate: str, params: Mapping[str, str], metrics: Mapping[str, float], *, ok: bool) -> None:
        """See `CandidateTracking.close`."""
        try:
            self._tracking.close_run(self._run(candidate), "succeeded" if ok else "failed", metrics, params)
        except Exception as error:
            logger.warning("the candidate %s was not tracked: %s", candidate, error)

    def _run(self, candidate: str) -> str:
        with self._opening:  # steps record in threads of their own
            if candidate not in self._runs:
                self._runs[candidate] = self._tracking.candidate(self._mlflow_run, candidate)
            return self._runs[candidate]


def _batches(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """The values in parts of at most so many."""
    return [values[start : start + size] for start in range(0, len(values), size)]

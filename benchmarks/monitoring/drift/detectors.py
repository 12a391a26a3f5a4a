# ruff: noqa: ARG002 (detectors share one form)
"""Each detector with its defaults: what it finds in a window, as names of columns. Imports are of its environment."""

from __future__ import annotations

import os
import warnings

import numpy as np
from scenarios import Table, is_category

warnings.filterwarnings("ignore")
os.environ.setdefault("NML_DISABLE_USAGE_LOGGING", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Detector:
    """What is made from a reference and says what a window holds that has drifted."""

    def prepare(self, window: Table, blocks: np.ndarray):
        """The window in the form that the detector takes; not timed, for nobody's rows come as this script's do."""
        return window

    def drifted(self, window) -> list[str]:
        raise NotImplementedError


class Falaj(Detector):
    """Cells of the reference, calibrated by its blocks; `rows` takes rows, all in one block, as independent."""

    def __init__(self, reference: Table, blocks: np.ndarray, *, by_rows: bool = False) -> None:
        from falaj.statistics.profiles import ReferenceProfile

        self.by_rows = by_rows
        self.reference = ReferenceProfile.build(self.columns(reference), block_of_row=blocks)

    @staticmethod
    def columns(table: Table) -> dict:
        from falaj.statistics.profiles import Categorical

        return {
            name: Categorical(column, tuple(map(str, range(int(column.max()) + 1)))) if is_category(name) else column
            for name, column in table.items()
        }

    def prepare(self, window: Table, blocks: np.ndarray):
        # an agent has the rows of a block together: cutting them apart is no part of its work
        if self.by_rows:
            return [self.columns(window)]
        order = np.argsort(blocks, kind="stable")
        cuts = np.flatnonzero(np.diff(blocks[order])) + 1
        return [self.columns({name: column[part] for name, column in window.items()}) for part in np.split(order, cuts)]

    def report(self, parts):
        from falaj.statistics.drift import judge_window

        profiles = [self.reference.schema.profile(part, place, place + 1) for place, part in enumerate(parts)]
        return judge_window(self.reference, profiles, by_rows=self.by_rows)

    def drifted(self, window) -> list[str]:
        return list(self.report(window).drifted)


class FalajMonitor(Falaj):
    """The alarms over time, promised at most once in 100 windows."""

    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        from falaj.statistics.drift import DriftMonitor

        super().__init__(reference, blocks)
        self.monitor = DriftMonitor(run_length=100)

    def drifted(self, window) -> list[str]:
        self.monitor, alarm = self.monitor.step(self.report(window))
        return list(alarm.features) if alarm else []


class NumpyLimit(Detector):
    """Only counting over fixed cells, nothing judged: what no detector that reads the rows can beat by much."""

    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        self.ranges = {name: np.nanquantile(column, (0.001, 0.999)) for name, column in reference.items()}

    def drifted(self, window: Table) -> list[str]:
        for name, column in window.items():
            counts = np.zeros(1026, np.int64)
            low, high = self.ranges[name]
            for start in range(0, len(column), 1 << 14):
                part = column[start : start + (1 << 14)]
                if is_category(name):
                    counts[:501] += np.bincount(part, minlength=501)
                    continue
                place = np.subtract(part, low)
                np.multiply(place, 1024 / (high - low), out=place)
                np.fmax(place, 0, out=place)
                np.minimum(place, 1025, out=place)
                counts += np.bincount(place.astype(np.intp), minlength=1026)
        return []


def frame(table: Table):
    """A data frame whose categories are categories of pandas and whose missing category is one of its own."""
    import pandas

    columns = {
        name: pandas.Categorical(np.where(column < 0, "", column.astype(str))) if is_category(name) else column
        for name, column in table.items()
    }
    return pandas.DataFrame(columns)


class Evidently(Detector):
    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        from evidently import DataDefinition

        self.definition = DataDefinition(
            numerical_columns=[name for name in reference if not is_category(name)],
            categorical_columns=[name for name in reference if is_category(name)],
        )
        self.reference = self.prepare(reference, blocks)

    def prepare(self, window: Table, blocks: np.ndarray):
        from evidently import Dataset

        return Dataset.from_pandas(frame(window), data_definition=self.definition)

    def drifted(self, window) -> list[str]:
        from evidently import Report
        from evidently.presets import DataDriftPreset

        result = Report([DataDriftPreset()]).run(window, self.reference).dict()
        drifted_columns = []
        for metric in result["metrics"]:
            config = metric.get("config", {})
            if "column" not in config:
                continue
            distance = "distance" in str(config.get("method")).lower()
            value, threshold = float(metric["value"]), float(config["threshold"])
            if value >= threshold if distance else value < threshold:
                drifted_columns.append(config["column"])
        return drifted_columns


class EvidentlyTests(Detector):
    """The tests of its report as the report chooses and calls them, without its histograms and pictures."""

    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        self.reference = frame(reference)

    def prepare(self, window: Table, blocks: np.ndarray):
        return frame(window)

    def drifted(self, window) -> list[str]:
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

        drifted_columns = []
        for name in window.columns:
            kind = ColumnType.Categorical if is_category(name) else ColumnType.Numerical
            before, after = (
                table[name].replace([-np.inf, np.inf], np.nan).dropna() for table in (self.reference, window)
            )
            if get_stattest(before, after, kind, None)(before, after, kind, None).drifted:
                drifted_columns.append(name)
        return drifted_columns


class Nannyml(Detector):
    """One chunk, so that it too says one thing of a window, and chunks of the same size in the reference."""

    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        self.rows, self.reference, self.names = 0, frame(reference), list(reference)

    def chunker(self, rows: int):
        from nannyml.chunk import SizeBasedChunker

        # what is left of the reference is no chunk: one of a few rows would widen what counts as usual
        return SizeBasedChunker(rows, incomplete="keep" if rows > len(self.reference) else "drop")

    def prepare(self, window: Table, blocks: np.ndarray):
        import nannyml

        rows = len(blocks)
        if rows != self.rows:
            self.rows = rows
            self.calculator = nannyml.UnivariateDriftCalculator(column_names=self.names, chunker=self.chunker(rows))
            self.calculator.fit(self.reference)
        return frame(window)

    def drifted(self, window) -> list[str]:
        result = self.calculator.calculate(window).filter(period="analysis").to_df()
        return [name for name in self.names for column in result.columns if column[0] == name and column[-1] == "alert"
                and bool(result[column].any())]  # fmt: skip


class NannymlChunks(Nannyml):
    """Its own default of ten chunks, in the reference and in the window."""

    def chunker(self, rows: int) -> None:
        return None


class Alibi(Detector):
    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        from alibi_detect.cd import TabularDrift

        self.names = list(reference)
        self.middles = {name: np.nanmedian(column) for name, column in reference.items()}
        levels = {place: None for place, name in enumerate(self.names) if is_category(name)}
        self.detector = TabularDrift(self.prepare(reference, blocks), p_val=0.05, categories_per_feature=levels or None)

    def prepare(self, window: Table, blocks: np.ndarray):
        # it has no missing values: the middle of the reference's column stands for them
        filled = [np.where(np.isnan(column), self.middles[name], column) for name, column in window.items()]
        return np.stack(filled, axis=1).astype(np.float64)

    def drifted(self, window) -> list[str]:
        result = self.detector.predict(window, drift_type="batch")["data"]
        if not result["is_drift"]:
            return []
        return [self.names[int(np.argmin(result["p_val"]))]]


class Whylogs(Detector):
    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        import whylogs

        self.whylogs = whylogs
        self.reference = whylogs.log(frame(reference)).view()

    def prepare(self, window: Table, blocks: np.ndarray):
        return frame(window)

    def drifted(self, window) -> list[str]:
        from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

        target = self.whylogs.log(window).view()
        scores = calculate_drift_scores(target_view=target, reference_view=self.reference, with_thresholds=True)
        return [name for name, score in scores.items() if score and score["drift_category"] == "DRIFT"]


DETECTORS = {
    "falaj": Falaj,
    "falaj rows": lambda reference, blocks: Falaj(reference, blocks, by_rows=True),
    "falaj over time": FalajMonitor,
    "numpy limit": NumpyLimit,
    "evidently": Evidently,
    "evidently tests": EvidentlyTests,
    "nannyml": Nannyml,
    "nannyml chunks": NannymlChunks,
    "alibi-detect": Alibi,
    "whylogs": Whylogs,
}

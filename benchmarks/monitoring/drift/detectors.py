# ruff: noqa: ARG002 (detectors share one form)
"""Each detector with its defaults: what it finds in a window, as names of columns. Imports are of its environment."""

from __future__ import annotations

import os
import warnings
from itertools import pairwise

import numpy as np
from scenarios import Table, is_category

warnings.filterwarnings("ignore")
os.environ.setdefault("NML_DISABLE_USAGE_LOGGING", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Falaj:
    """Cells of the reference, calibrated by its blocks; `rows` takes rows as independent."""

    def __init__(self, reference: Table, blocks: np.ndarray, *, by_rows: bool = False) -> None:
        from falaj.monitoring.profiles import ReferenceProfile

        self.by_rows = by_rows
        self.reference = ReferenceProfile.build(self.columns(reference), block_of_row=blocks)

    @staticmethod
    def columns(table: Table) -> dict:
        from falaj.monitoring.profiles import Coded

        return {
            name: Coded(column, tuple(map(str, range(int(column.max()) + 1)))) if is_category(name) else column
            for name, column in table.items()
        }

    def report(self, window: Table, blocks: np.ndarray):
        from falaj.monitoring.drift import judge_window

        # an agent has the rows of a block together, as these are: cutting them apart is no part of its work
        order = np.flatnonzero(np.diff(blocks, prepend=blocks[0])) if (np.diff(blocks) >= 0).all() else None
        if order is None:
            place = np.argsort(blocks, kind="stable")
            return self.report({name: column[place] for name, column in window.items()}, blocks[place])
        ends = [0, *order.tolist(), len(blocks)]
        profiles = [
            self.reference.schema.profile(
                self.columns({name: column[low:high] for name, column in window.items()}), low, high
            )
            for low, high in pairwise(ends)
        ]
        return judge_window(self.reference, profiles, by_rows=self.by_rows)

    def found(self, window: Table, blocks: np.ndarray) -> list[str]:
        return list(self.report(window, blocks).drifted)


class FalajMonitor(Falaj):
    """The alarms over time, promised at most once in 100 windows."""

    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        super().__init__(reference, blocks)
        self.restart()

    def restart(self) -> None:
        from falaj.monitoring.drift import DriftMonitor

        self.monitor = DriftMonitor(run_length=100)

    def found(self, window: Table, blocks: np.ndarray) -> list[str]:
        self.monitor, alarm = self.monitor.step(self.report(window, blocks))
        return list(alarm.features) if alarm else []


class NumpyLimit:
    """Only counting over fixed cells, nothing judged: what no detector that reads the rows can beat by much."""

    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        self.ranges = {name: np.nanquantile(column, (0.001, 0.999)) for name, column in reference.items()}

    def found(self, window: Table, blocks: np.ndarray) -> list[str]:
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
    import pandas

    columns = {
        name: pandas.Categorical(np.where(column < 0, "", column.astype(str))) if is_category(name) else column
        for name, column in table.items()
    }
    return pandas.DataFrame(columns)


class Evidently:
    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        from evidently import DataDefinition, Dataset

        self.definition = DataDefinition(
            numerical_columns=[name for name in reference if not is_category(name)],
            categorical_columns=[name for name in reference if is_category(name)],
        )
        self.reference = Dataset.from_pandas(frame(reference), data_definition=self.definition)

    def prepare(self, window: Table):
        return frame(window)

    def found(self, window, blocks: np.ndarray) -> list[str]:
        from evidently import Dataset, Report
        from evidently.presets import DataDriftPreset

        current = Dataset.from_pandas(window, data_definition=self.definition)
        result = Report([DataDriftPreset()]).run(current, self.reference).dict()
        found = []
        for metric in result["metrics"]:
            config = metric.get("config", {})
            if "column" not in config:
                continue
            distance = "distance" in str(config.get("method")).lower()
            value, threshold = float(metric["value"]), float(config["threshold"])
            if value >= threshold if distance else value < threshold:
                found.append(config["column"])
        return found


class Nannyml:
    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        import nannyml

        self.size = None
        self.nannyml, self.reference, self.names = nannyml, frame(reference), list(reference)

    def prepare(self, window: Table):
        rows = len(next(iter(window.values())))
        if self.size is None or abs(rows - self.size) > 0.5 * self.size:
            self.size = rows
            chunk = max(1, min(rows, len(self.reference) // 5))
            self.calculator = self.nannyml.UnivariateDriftCalculator(column_names=self.names, chunk_size=chunk)
            self.calculator.fit(self.reference)
        return frame(window)

    def found(self, window, blocks: np.ndarray) -> list[str]:
        result = self.calculator.calculate(window).filter(period="analysis").to_df()
        return [name for name in self.names for column in result.columns if column[0] == name and column[-1] == "alert"
                and bool(result[column].any())]  # fmt: skip


class Alibi:
    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        from alibi_detect.cd import TabularDrift

        self.names = list(reference)
        self.middles = {name: np.nanmedian(column) for name, column in reference.items()}
        levels = {place: None for place, name in enumerate(self.names) if is_category(name)}
        self.detector = TabularDrift(self.prepare(reference), p_val=0.05, categories_per_feature=levels or None)

    def prepare(self, window: Table):
        # it has no missing values: the middle of the reference's column stands for them
        filled = [np.where(np.isnan(column), self.middles[name], column) for name, column in window.items()]
        return np.stack(filled, axis=1).astype(np.float64)

    def found(self, window, blocks: np.ndarray) -> list[str]:
        result = self.detector.predict(window, drift_type="batch")["data"]
        if not result["is_drift"]:
            return []
        return [self.names[int(np.argmin(result["p_val"]))]]


class Whylogs:
    def __init__(self, reference: Table, blocks: np.ndarray) -> None:
        import whylogs

        self.whylogs = whylogs
        self.reference = whylogs.log(frame(reference)).view()

    def prepare(self, window: Table):
        return frame(window)

    def found(self, window, blocks: np.ndarray) -> list[str]:
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
    "nannyml": Nannyml,
    "alibi-detect": Alibi,
    "whylogs": Whylogs,
}

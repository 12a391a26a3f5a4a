"""What `falaj project data profile` shows: a table of columns, and features by windows as a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from falaj.cli.output import emit, emit_table, shortened
from falaj.cli.tables import Table
from falaj.core.errors import UsageError
from falaj.statistics.drift import DriftAlarm, DriftMonitor, DriftReport, DriftVerdict, FeatureDrift, judge_window
from falaj.statistics.profiles import (
    NumberCells,
    Profile,
    ProfileSchema,
    ReferenceProfile,
    block_profiles,
    digits,
    quantile,
)

BLOCKS_A_WINDOW = 7  # where no times say what a block is
SHADES = " ░▒▓█"
QUANTILES = {"5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95}
STEPS = (0.05, 0.15, 0.3, 0.6)  # effects at which the shade grows


@dataclass(frozen=True)
class Described:
    """A table by its profile."""

    table: Table
    schema: ProfileSchema
    profile: Profile

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON document, with its schema."""
        left_out = self.table.left_out
        return {"schema": self.schema.to_json(), "profile": self.profile.to_json(), "left_out": left_out}


@dataclass(frozen=True)
class Compared:
    """A table's windows beside a reference."""

    reference: Table
    table: Table
    whole: DriftReport
    windows: tuple[DriftReport, ...]
    alarms: tuple[tuple[int, DriftAlarm], ...]
    guarantee: str

    def to_json(self) -> dict[str, Any]:
        """The reports as a JSON document."""
        return {
            "whole": self.whole.to_json(),
            "windows": [report.to_json() for report in self.windows],
            "alarms": [{"window": number, **asdict(alarm)} for number, alarm in self.alarms],
            "guarantee": self.guarantee,
        }


def described(table: Table) -> Described:
    """Profile a table over cells of its own."""
    schema = ProfileSchema.from_reference(table.columns)
    return Described(table, schema, schema.profile(table.columns, *_span(table)))


def _span(table: Table) -> tuple[float, float]:
    return (0.0, 0.0) if table.times is None else (float(table.times[0]), float(table.times[-1]))


def compared(reference: Table, table: Table, windows: int) -> Compared:
    """Judge a table as a whole, and window by window.

    Raises:
        ProfileError: The reference has no rows.
        UsageError: The table has no column of the reference.
    """
    reference, table = _common(reference, table)
    base = ReferenceProfile.build(reference.columns, block_of_row=reference.days)
    even = np.arange(table.rows) * windows * BLOCKS_A_WINDOW // max(1, table.rows)
    blocks = block_profiles(base.schema, table.columns, even if table.days is None else table.days)
    if not blocks:
        blocks = [base.schema.profile(table.columns, 0.0, 0.0)]
    cut = np.array_split(np.arange(len(blocks)), min(windows, len(blocks)))
    reports = tuple(judge_window(base, [blocks[place] for place in part]) for part in cut)
    alarms, monitor = [], DriftMonitor()
    for number, report in enumerate(reports, 1):
        monitor, alarm = monitor.step(report)
        alarms += [(number, alarm)] if alarm else []
    return Compared(reference, table, judge_window(base, blocks), reports, tuple(alarms), monitor.guarantee)


def _common(reference: Table, table: Table) -> tuple[Table, Table]:
    """Both tables with the columns that both have."""
    names = [name for name in reference.columns if name in table.columns]
    if not names:
        raise UsageError("the tables have no column in common", where=table.name, code="profile.nothing-common")
    alone = (reference.columns.keys() ^ table.columns.keys()) - reference.left_out.keys() - table.left_out.keys()
    left_out = {**reference.left_out, **table.left_out, **dict.fromkeys(sorted(alone), "in one table only")}
    first, second = (
        replace(each, columns={name: each.columns[name] for name in names}, left_out=left_out)
        for each in (reference, table)
    )
    return first, second


def show_profile(description: Described) -> None:
    """Print one line a column."""
    emit(f"{description.table.name}: {description.table.rows} rows")
    rows = [_described(description, name) for name in description.schema.names]
    emit_table(("column", "kind", "missing", "values"), rows, empty="no columns")
    _show_left_out(description.table)


def _described(description: Described, name: str) -> tuple[str, str, str, str]:
    cells, counts = description.schema[name], description.profile.features[name]
    place = cells.labels.index("missing", cells.valued)
    missing = f"{counts.counts[place] / max(1, description.table.rows):.1%}"
    if isinstance(cells, NumberCells):
        points = [quantile(cells, counts, share) for share in QUANTILES.values()]
        if math.isnan(points[0]):
            return name, "number", missing, "no values"
        shown = (f"{share} {value:.{digits(points)}g}" for share, value in zip(QUANTILES, points, strict=True))
        return name, "number", missing, "  ".join(shown)
    top = [
        f"{level} {counts.counts[rank] / max(1, description.table.rows):.0%}"
        for rank, level in enumerate(cells.levels[:4])
    ]
    about = f"about {counts.distinct.estimate:.0f} different" if counts.distinct else ""
    return name, "category", missing, shortened(", ".join([about, *top]), 80)


def _show_left_out(table: Table) -> None:
    if table.left_out:
        emit("left out: " + ", ".join(f"{name} ({reason})" for name, reason in table.left_out.items()))


def show_comparison(comparison: Compared) -> None:
    """Print the whole table's report, then features by windows."""
    whole = comparison.whole
    emit(
        f"{comparison.table.name}: {whole.rows} rows beside {comparison.reference.rows} of {comparison.reference.name}"
    )
    order = sorted(whole.all_features, key=lambda each: (each.beyond, each.p_value))
    emit_table(("feature", "verdict", "effect", "p", "leading"), map(_line, order), empty="no columns")
    emit()
    _show_heat_map(comparison, [each.feature for each in order])
    for number, alarm in comparison.alarms:
        emit(f"alarm in window {number}: {', '.join(alarm.features) or 'many features together'}")
    if not comparison.alarms:
        emit("no alarm over the windows")
    emit(f"promise: {comparison.guarantee}")
    by = (
        "differences between blocks are allowed for"
        if whole.calibration == "blocks"
        else "rows are taken as independent"
    )
    emit(f"effects below {whole.minimum:.3f} are ignored; {by}")
    _show_left_out(comparison.table)


def _line(feature_drift: FeatureDrift) -> tuple[str, ...]:
    p_value = f"{feature_drift.p_value:.2g}" if feature_drift.p_value >= 1e-12 else "<1e-12"
    if feature_drift.verdict is DriftVerdict.NOT_TESTED:
        return feature_drift.feature, "not tested", "-", "-", feature_drift.reason
    return (
        feature_drift.feature,
        feature_drift.verdict.value,
        f"{feature_drift.effect:.2f}",
        p_value,
        feature_drift.leading or "-",
    )


def _show_heat_map(comparison: Compared, order: Sequence[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(map(len, order))
    console.print(Text(f"{'effect by window'.ljust(width)}  1 to {len(comparison.windows)}", style="dim"))
    by_name = [{each.feature: each for each in report.all_features} for report in comparison.windows]
    for name in order:
        line = Text(f"{name.ljust(width)}  ")
        for window_features in by_name:
            line.append_text(_cell(window_features[name]))
        console.print(line)
    steps = "  ".join(f"{shade}{shade} from {step}" for shade, step in zip(SHADES[1:], STEPS, strict=True))
    console.print(Text(f"{steps}  ! drifted  ?? not tested", style="dim"))


def _cell(feature_drift: FeatureDrift) -> Text:
    if feature_drift.verdict is DriftVerdict.NOT_TESTED:
        return Text("??", style="dim")
    drifted = feature_drift.verdict is DriftVerdict.DRIFTED
    shade = SHADES[sum(feature_drift.effect >= step for step in STEPS)]
    return Text(shade + ("!" if drifted else shade), style="bold red" if drifted else "yellow")

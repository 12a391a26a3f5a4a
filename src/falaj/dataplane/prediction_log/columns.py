"""Predictions of one release as arrays, for those who compute with many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from falaj.core.errors import UsageError
from falaj.dataplane.prediction_log.format import PredictionRecord

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PredictionColumns:
    """n requests with m rows in all.

    Args:
        release: `name@version`.
        endpoint: `environment/model`.
        request_ids: n ids.
        at: n Unix times in seconds, float64.
        weights: n canary weights as a share of one, float64; NaN where there was none.
        latencies_s: n latencies in seconds, float64; NaN where none was logged.
        candidate: n truth values.
        forced: n truth values.
        shadow: n truth values.
        units: n numbers of sticky units, uint64; 0 where there was none.
        request: For each of m rows, the index of its request.
        features: By name, m values: numbers as int64 or float64 (NaN is a missing one), else objects.
        outputs: By name, m values, or m lists of equal length as a matrix.
    """

    release: str
    endpoint: str
    request_ids: Array
    at: Array
    weights: Array
    latencies_s: Array
    candidate: Array
    forced: Array
    shadow: Array
    units: Array
    request: Array
    features: Mapping[str, Array]
    outputs: Mapping[str, Array]


def columns_of(records: Sequence[PredictionRecord], *, bare: bool = False) -> PredictionColumns:
    """Put predictions into arrays.

    Args:
        records: At least one, all of the same release and endpoint.
        bare: Outputs as the model gave them, and not as they were answered.

    Raises:
        UsageError: They are of several releases, or there are none.
    """
    import numpy as np

    if len({(record.header.release, record.header.endpoint) for record in records}) != 1:
        raise UsageError("columns are made of predictions of one release of one endpoint", hint="group them first")
    header, routings = records[0].header, [record.routing for record in records]
    rows = zip(*chain.from_iterable(record.rows for record in records), strict=True)
    return PredictionColumns(
        release=header.release,
        endpoint=header.endpoint,
        request_ids=np.array([record.request_id for record in records], dtype=object),
        at=np.array([record.at for record in records]),
        weights=np.array([r.weight for r in routings], dtype=np.float64) / 10_000,  # None becomes NaN
        latencies_s=np.array([r.latency_s for r in routings], dtype=np.float64),
        candidate=np.array([r.arm == "candidate" for r in routings]),
        forced=np.array([r.forced for r in routings]),
        shadow=np.array([r.shadow for r in routings]),
        units=np.array([r.unit or 0 for r in routings], dtype=np.uint64),
        request=np.repeat(np.arange(len(records)), [len(record.rows) for record in records]),
        features={name: _array(values) for name, values in zip(header.features, rows, strict=False)},
        outputs=_outputs([record.bare_outputs if bare else record.outputs for record in records]),
    )


def _outputs(outputs: Sequence[Mapping[str, Sequence[Any]]]) -> dict[str, Array]:
    return {name: _array(tuple(chain.from_iterable(each[name] for each in outputs))) for name in outputs[0]}


def _array(values: Sequence[Any]) -> Array:
    """Numbers as numbers, with NaN for missing ones; whatever is none as objects."""
    import numpy as np

    kinds = {type(value) for value in values}
    if kinds <= {bool}:
        return np.array(values, dtype=bool)
    if kinds <= {int}:
        return np.array(values, dtype=np.int64)
    if kinds <= {int, float, bool, type(None)}:
        return np.array(values, dtype=np.float64)
    if kinds == {list} and len({len(value) for value in values}) == 1:
        return np.array(values)
    object_array = np.empty(len(values), dtype=object)
    object_array[:] = values
    return object_array

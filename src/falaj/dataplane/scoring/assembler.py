"""The process that plans a scoring and puts its answers together, part by part, in the order of the rows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from falaj.dataplane.prediction_log.columnar import arrow_and_parquet
from falaj.dataplane.scoring.planning import make_plan
from falaj.dataplane.scoring.prediction_ids import id_bytes, id_prefix
from falaj.dataplane.scoring.reading import PURPOSE
from falaj.dataplane.scoring.records import OUTPUT, PARTS, PLAN, Plan, RowBatch, ScoringJob, part_name

_LOOK_S = 0.02
_GROUP_PARTS = 4
"""Parts of one row group of the output."""
PREDICTION_ID = "prediction_id"


def plan_and_assemble(job: ScoringJob, folder: Path, processes: int) -> None:
    """Write the plan for those who score, and the output as their answers come.

    Args:
        job: What is scored by what.
        folder: Of the scoring.
        processes: How many score.
    """
    plan = make_plan(job, processes)
    _drop_broken(folder / PARTS)
    unready = folder / f".{PLAN}"
    unready.write_bytes(msgspec.json.encode(plan))
    unready.replace(folder / PLAN)
    _assemble(job, folder, plan)


def _drop_broken(parts: Path) -> None:
    """Remove what a loss of power left; a file that ends as it should is whole."""
    for path in parts.iterdir():
        if path.name.startswith(".") or (path.suffix == ".arrow" and not _is_whole(path)):
            path.unlink()


def _is_whole(path: Path) -> bool:
    from pyarrow import ArrowInvalid, ipc

    try:
        return bool(ipc.open_file(str(path)).num_record_batches)
    except (ArrowInvalid, OSError):
        return False


def _assemble(job: ScoringJob, folder: Path, plan: Plan) -> None:
    arrow, parquet = arrow_and_parquet(PURPOSE)
    unready, prefix = folder / f".{OUTPUT}", id_prefix(job.digest, job.release)
    writer: Any = None
    try:
        for tables in _groups(folder / PARTS, plan, prefix):
            table = arrow.concat_tables(tables)
            if writer is None:
                schema = table.schema.with_metadata({f"falaj.{name}": text for name, text in job.metadata.items()})
                texts = [field.name for field in schema if arrow.types.is_string(field.type)]
                writer = parquet.ParquetWriter(
                    unready, schema, compression="zstd", compression_level=1, write_statistics=False,
                    use_dictionary=[name for name in texts if name != PREDICTION_ID],
                )  # fmt: skip
            writer.write_table(table, row_group_size=table.num_rows)
    finally:
        if writer is not None:
            writer.close()
    with unready.open("rb") as file:
        os.fsync(file.fileno())
    unready.replace(folder / OUTPUT)


def _groups(parts: Path, plan: Plan, prefix: str) -> Iterator[list[Any]]:
    waiting: list[Any] = []
    for part in plan.parts:
        waiting.append(_with_ids(_wait_for(parts / part_name(part.number)), part, prefix))
        if len(waiting) == _GROUP_PARTS:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _wait_for(path: Path) -> Any:
    from pyarrow import ipc

    while not path.exists():
        time.sleep(_LOOK_S)
    return ipc.open_file(str(path)).read_all()


def _with_ids(table: Any, part: RowBatch, prefix: str) -> Any:
    arrow, _ = arrow_and_parquet(PURPOSE)
    ids = id_bytes(prefix, part.first_row, part.rows)
    width = arrow.FixedSizeBinaryArray.from_buffers(
        arrow.binary(ids.shape[1]), part.rows, [None, arrow.py_buffer(ids.reshape(-1))]
    )
    return table.add_column(0, PREDICTION_ID, width.cast(arrow.binary()).cast(arrow.string()))

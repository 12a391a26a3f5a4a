"""A bare loop of the library: bare.py MODEL INPUT OUTPUT. No ids, no sandbox, nothing that could go on after a kill."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow.sklearn
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

BATCH_ROWS = 131_072


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet or CSV file."""
    if path.suffix == ".csv":
        yield from pa.csv.open_csv(path, read_options=pa.csv.ReadOptions(block_size=16 << 20))
    else:
        yield from pq.ParquetFile(path).iter_batches(BATCH_ROWS)


def main(model: Path, source: Path, target: Path) -> None:
    """Score a file."""
    estimator, writer = mlflow.sklearn.load_model(str(model)), None
    for batch in batches(source):
        frame = batch.to_pandas()
        probability = estimator.predict_proba(frame)
        answers = pa.table(
            {
                "label": estimator.classes_[probability.argmax(axis=1)],
                "probability": pa.FixedSizeListArray.from_arrays(pa.array(probability.ravel()), probability.shape[1]),
            }
        )
        writer = writer or pq.ParquetWriter(target, answers.schema, compression="zstd", compression_level=1)
        writer.write_table(answers)
    if writer is not None:
        writer.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

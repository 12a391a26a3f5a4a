"""Segments in columns: Parquet files from which every record is read back as it was written.

`pyarrow` is imported by what writes and what reads them, and by nobody who only logs.
"""

from falaj.dataplane.prediction_log.columnar.layout import Layout, arrow_and_parquet
from falaj.dataplane.prediction_log.columnar.schema_inference import Flat, SchemaSurvey, batches, flat
from falaj.dataplane.prediction_log.columnar.segment import ColumnarSegment, sealed_name
from falaj.dataplane.prediction_log.columnar.writing import pieces_of

__all__ = [
    "ColumnarSegment",
    "Flat",
    "Layout",
    "SchemaSurvey",
    "arrow_and_parquet",
    "batches",
    "flat",
    "pieces_of",
    "sealed_name",
]

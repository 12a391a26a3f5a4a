"""Predictions with their labels as Parquet, for analysis where the log lies: one file a release."""

from falaj.dataplane.prediction_log.export.export import (
    Exported,
    ExportFolderError,
    ExportSelection,
    export_predictions,
)

__all__ = ["ExportFolderError", "ExportSelection", "Exported", "export_predictions"]

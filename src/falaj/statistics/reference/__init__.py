"""The reference of a release: what its monitors compare with. A run builds it, and it travels with the release."""

from falaj.statistics.reference.building import ReferenceRows, build_reference
from falaj.statistics.reference.bundle import (
    ERROR_RATE,
    FILE,
    FORM,
    PREDICTION,
    ExpectedLoss,
    ReferenceFormatError,
    ReleaseReference,
)
from falaj.statistics.reference.settings import MonitoringSettings

__all__ = [
    "ERROR_RATE",
    "FILE",
    "FORM",
    "PREDICTION",
    "ExpectedLoss",
    "MonitoringSettings",
    "ReferenceFormatError",
    "ReferenceRows",
    "ReleaseReference",
    "build_reference",
]

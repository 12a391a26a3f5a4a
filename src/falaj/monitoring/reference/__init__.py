"""The reference of a release: what its monitors compare with. A run builds it, and it travels with the release."""

from falaj.monitoring.reference.building import ReferenceRows, build_reference
from falaj.monitoring.reference.bundle import (
    ERROR_RATE,
    FILE,
    FORM,
    PREDICTION,
    ExpectedLoss,
    ReferenceFormatError,
    ReleaseReference,
)
from falaj.monitoring.reference.settings import MonitoringSettings

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

"""What can be wrong with metrics."""

from __future__ import annotations

from falaj.core.errors import IntegrityError


class ExpositionError(IntegrityError):
    """Metrics are not what the text format allows."""

    code = "metrics.format"

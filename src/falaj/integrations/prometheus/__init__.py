"""Prometheus: metrics as families of samples, kept to a bounded number of series, written and read as text.

Pure: what is counted, and when, is the caller's. The text is Prometheus' exposition format 0.0.4, which every scraper
reads; a client library would bring a registry of its own, and what is told here lives in tables.
"""

from falaj.integrations.prometheus.bounding import OTHER, bounded
from falaj.integrations.prometheus.errors import ExpositionError
from falaj.integrations.prometheus.families import Family, FamilyKind, Sample
from falaj.integrations.prometheus.parsing import labelled, merged, parse
from falaj.integrations.prometheus.text import CONTENT_TYPE, render

__all__ = [
    "CONTENT_TYPE",
    "OTHER",
    "ExpositionError",
    "Family",
    "FamilyKind",
    "Sample",
    "bounded",
    "labelled",
    "merged",
    "parse",
    "render",
]

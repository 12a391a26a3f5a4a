"""Fixtures for every room."""

from hypothesis import settings

from tests.databases import database, postgres

__all__ = ["database", "postgres"]

settings.register_profile("busy-machine", deadline=None)  # an import in the first example takes longer than any test
settings.load_profile("busy-machine")

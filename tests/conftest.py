"""Fixtures for every room."""

from hypothesis import settings

from tests.databases import database, migrated_postgres, postgres
from tests.tracing import pytest_runtest_call

__all__ = ["database", "migrated_postgres", "postgres", "pytest_runtest_call"]

settings.register_profile("falaj", deadline=None)  # one slow example on a busy machine is no defect
settings.load_profile("falaj")

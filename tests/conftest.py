"""Fixtures for every room."""

from tests.databases import database, migrated_postgres, postgres
from tests.tracing import pytest_runtest_call

__all__ = ["database", "migrated_postgres", "postgres", "pytest_runtest_call"]

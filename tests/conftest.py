"""Fixtures for every room."""

from tests.databases import database, postgres
from tests.tracing import pytest_runtest_call

__all__ = ["database", "postgres", "pytest_runtest_call"]

"""Replicas, as the tests of serving start them."""

from tests.serving.conftest import serve

__all__ = ["serve"]

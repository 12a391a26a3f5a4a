"""Replicas, as the tests of serving start them."""

from tests.dataplane.serving.conftest import serve

__all__ = ["serve"]

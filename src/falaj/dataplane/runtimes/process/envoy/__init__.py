"""Envoy: its configuration, its process, and what it counts."""

"""Falaj: one system for the whole lifecycle of models, from a git commit to governed production and back.

The rooms below this package are described in `docs/explanation/architecture.md`; this module exports nothing but
the version so that importing a room never pays for another.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]

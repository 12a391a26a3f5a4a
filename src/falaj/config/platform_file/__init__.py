"""`platform.yaml`: reading, checking and describing it.

`load_platform` reads the file strictly, as `falaj.config` reads falaj.yaml: every mistake with its place, what was
expected and which name was probably meant. The result is a `PlatformFile`, whose `spec` the other rooms consume.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from falaj.config.platform_file.loading import PlatformFile, PlatformFileError, load_platform, parse_platform

if TYPE_CHECKING:
    from falaj.config.platform_file.schema import platform_json_schema
    from falaj.config.platform_file.schema_reference import platform_reference_page

__all__ = [
    "PlatformFile",
    "PlatformFileError",
    "load_platform",
    "parse_platform",
    "platform_json_schema",
    "platform_reference_page",
]

_HOMES = {"platform_json_schema": "schema", "platform_reference_page": "schema_reference"}


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""`platform.yaml`: reading, checking and describing it.

`load_platform` reads the file strictly, as `falaj.config` reads falaj.yaml: every mistake with its place, what was
expected and which name was probably meant. The result is a `PlatformFile`, whose `spec` the other rooms consume.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.config.platform_file.loading import PlatformFile, PlatformFileError, load_platform, parse_platform
from falaj.core.lazy_exports import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "schema": "platform_json_schema",
        "schema_reference": "platform_reference_page",
    },
)

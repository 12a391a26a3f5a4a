"""Loads platform.yaml with the policies that it names, from a folder or from what a client sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from falaj.config.errors import Issue, ProjectError
from falaj.config.files import read, shown
from falaj.config.platform_spec import PlatformSpec

if TYPE_CHECKING:
    from falaj.config.platform_file.schema import PlatformDocument
    from falaj.config.yaml_reader import Document

FILE_NAME = "platform.yaml"
MAX_POLICY_BYTES = 256 * 1024


class PlatformFileError(ProjectError):
    """platform.yaml is wrong; carries one issue for each mistake."""

    code = "platform.invalid"
    file = "platform file"


@dataclass(frozen=True)
class PlatformFile:
    """A platform file, checked, with all that a server needs to check it again.

    Attributes:
        name: The file as the user named it.
        text: Its content.
        policies: The Cedar texts that it names, by the paths that it names them by.
        spec: What it says.
    """

    name: str
    text: str
    policies: Mapping[str, str]
    spec: PlatformSpec


def load_platform(path: Path) -> PlatformFile:
    """Read and check a platform file and its policies.

    Args:
        path: The file, or the folder that holds a platform.yaml.

    Raises:
        PlatformFileError: With every mistake that was found.
    """
    file = path / FILE_NAME if path.is_dir() else path
    root = file.parent.resolve()
    return parse_platform(
        read(file, "a platform file", PlatformFileError), shown(file), lambda name: _policy(root, name)
    )


def parse_platform(data: bytes, name: str, read_policy: Callable[[str], str]) -> PlatformFile:
    """Check the content of a platform file.

    Args:
        data: The file's bytes.
        name: The file's name, for messages.
        read_policy: Gives the text of a policy by the path that the file names; raises ValueError with the reason
            when there is none.

    Raises:
        PlatformFileError: With every mistake that was found.
    """
    from falaj.config.yaml_reader import read_document

    try:
        document = read_document(data, name)
        platform = _validated(document)
        policies = _policies(platform, document, read_policy)
        spec = platform.to_spec({each: policies[path] for each, path in platform.policies.items()})
        _check_names(spec, document)
    except ProjectError as error:
        raise PlatformFileError(error.issues) from None
    return PlatformFile(name, data.decode("utf-8-sig"), policies, spec)


def _validated(document: Document) -> PlatformDocument:
    from pydantic import ValidationError

    from falaj.config.platform_file.schema import PlatformDocument, platform_json_schema
    from falaj.config.schema_issues import issues_of

    try:
        return PlatformDocument.model_validate(document.value)
    except ValidationError as error:
        raise ProjectError(issues_of(error, document, platform_json_schema())) from None


def _check_names(spec: PlatformSpec, document: Document) -> None:
    from falaj.config.platform_file.cross_references import reference_issues

    issues = reference_issues(spec, document)
    if issues:
        raise ProjectError(issues)


def _policies(platform: PlatformDocument, document: Document, read: Callable[[str], str]) -> dict[str, str]:
    """The texts by path."""
    texts: dict[str, str] = {}
    issues: list[Issue] = []
    for name, path in platform.policies.items():
        try:
            texts[path] = read(path)
        except ValueError as error:
            issues.append(document.issue(("policies", name), f"{path} cannot be read: {error}", "a Cedar file"))
    if issues:
        raise ProjectError(issues)
    return texts


def _policy(root: Path, name: str) -> str:
    """The text of a policy below the folder of the platform file."""
    try:
        path = (root / name).resolve(strict=True)
        if not path.is_relative_to(root):
            raise ValueError("it is outside the folder of the platform file")
        if path.stat().st_size > MAX_POLICY_BYTES:
            raise ValueError(f"it has more than {MAX_POLICY_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except OSError as error:
        raise ValueError(error.strerror) from None

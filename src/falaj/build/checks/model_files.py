"""The scan of the model artifact: would loading it run anything that a model has no business with?

It reads the files and loads none of them, by the same list as the loader (`falaj.models`).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from falaj.build.checks.context import CheckContext
from falaj.build.checks.results import CheckResult, CheckValue, Finding
from falaj.config.spec import ProjectSpec
from falaj.models import (
    BOOSTERS,
    Import,
    NotAPickleError,
    NotASkopsFileError,
    forbidden,
    libraries_of,
    pickle_imports,
    skops_imports,
    top_level_modules,
)

PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
PICKLE_HEADS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
EXECUTABLES = {
    b"\x7fELF": "ELF",
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "Mach-O",
    b"\xca\xfe\xba\xbe": "Mach-O",
    b"#!": "script",
}
LARGEST_PICKLE_BYTES = 2_000_000_000
MOST_MEMBERS = 100_000
NPY_HEADER_BYTES = 4_096
NATIVE_FILES = ("pickled_model", "data", "model_path")
"""Entries of a flavor in `MLmodel` that name a file of the model."""


def check(context: CheckContext) -> CheckResult:
    """Scan every file of the model artifact.

    Option `allow`: modules that the model's pickles may import besides the usual ones and the project's own.
    """
    return scan(context.fetch_digest(context.model_digest()), own_modules(context.spec, context.worktree))


def own_modules(spec: ProjectSpec, worktree: Path) -> tuple[str, ...]:
    """Modules that the model's files may name besides the usual ones: the project's, and those that its file allows."""
    return (*spec.checks.get("model-files", {}).get("allow", ()), *project_modules(worktree))


def scan(folder: Path, allow: tuple[str, ...]) -> CheckResult:
    """Scan every file of a model.

    Args:
        folder: Its files.
        allow: Modules that they may name besides the usual ones.
    """
    files = sorted(path for path in (folder.rglob("*") if folder.is_dir() else [folder]) if path.is_file())
    allow = (*allow, *declared_libraries(folder))
    findings = [finding for path in files for finding in scan_file(path, _name(path, folder), allow)]
    findings += check_mlmodel(folder)
    pickles = sum(_is_pickle(path) for path in files)
    values = (
        CheckValue("findings", len(findings), 0, "<=", not findings),
        CheckValue("files", len(files), 1, ">=", bool(files)),
        CheckValue("pickles", pickles),
        CheckValue("bytes", sum(path.stat().st_size for path in files)),
    )
    summary = f"{len(files)} files, {pickles} of them pickles, {len(findings)} findings"
    if findings:
        summary += f": {findings[0].path}: {findings[0].message}"
    return CheckResult("model-files", not findings, summary, len(files), values, {}, tuple(findings))


def declared_libraries(folder: Path) -> tuple[str, ...]:
    """Modules of other libraries that MLmodel says its model is made of; their code runs behind the sandbox."""
    described = [_read_yaml(path) for path in (sorted(folder.rglob("MLmodel")) if folder.is_dir() else ())]
    flavors = [each.get("flavors") for each in described if isinstance(each, dict)]
    entries = [entry for each in flavors if isinstance(each, dict) for entry in each.values()]
    return tuple(sorted({name for entry in entries if isinstance(entry, dict) for name in libraries_of(entry)}))


def project_modules(worktree: Path) -> tuple[str, ...]:
    """Top-level modules of the project; their code is in the commit, where the other checks look at it."""
    return tuple(sorted(top_level_modules([worktree, worktree / "src"])))


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path != folder else path.name


def scan_file(path: Path, name: str, allow: tuple[str, ...]) -> Iterator[Finding]:
    """What is wrong with one file of a model."""
    with path.open("rb") as file:
        head = file.read(4)
    kind = next((kind for magic, kind in EXECUTABLES.items() if head.startswith(magic)), None)
    if kind or path.suffix == ".so" or path.stat().st_mode & 0o100:
        yield Finding(name, 0, "executable", f"a model needs no executable ({kind or 'by its name or mode'})")
    if _is_pickle(path):
        yield from _scan_pickle(path, name, allow)
    elif head.startswith(b"PK"):
        yield from _scan_zip(path, name, allow)


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(2)
    return path.suffix in PICKLE_SUFFIXES or head in PICKLE_HEADS


def _scan_pickle(path: Path, name: str, allow: tuple[str, ...]) -> Iterator[Finding]:
    if path.stat().st_size > LARGEST_PICKLE_BYTES:
        yield Finding(name, 0, "pickle-too-large", "the pickle is too large to be looked into")
        return
    yield from _scan_bytes(path.read_bytes(), name, allow)


def _scan_bytes(data: bytes, name: str, allow: tuple[str, ...]) -> Iterator[Finding]:
    try:
        imports = list(pickle_imports(data))
    except NotAPickleError as error:
        yield Finding(name, 0, "not-a-plain-pickle", f"cannot be looked into: {error}")
        return
    yield from _forbidden(imports, name, allow)


def _forbidden(
    imports: Iterable[Import], name: str, allow: tuple[str, ...], also: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    for one in dict.fromkeys(map(str, forbidden(imports, own=allow, also=also))):
        yield Finding(name, 0, "forbidden-import", f"loading it would reach {one}")


def _scan_zip(path: Path, name: str, allow: tuple[str, ...]) -> Iterator[Finding]:
    """Pickles inside archives, as PyTorch writes them, and the schema of a skops file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > LARGEST_PICKLE_BYTES or len(members) > MOST_MEMBERS:
                yield Finding(name, 0, "archive-too-large", "the archive is too large to be looked into")
                return
            for member in members:
                yield from _scan_member(archive, member, f"{name}!{member.filename}", allow)
        if path.suffix == ".skops" or any(member.filename == "schema.json" for member in members):
            yield from _scan_skops(path, name, allow)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        yield Finding(name, 0, "bad-archive", f"cannot be looked into: {error}")


def _scan_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, allow: tuple[str, ...]
) -> Iterator[Finding]:
    """Look at the beginning of a member, and unpack it only if it is a pickle."""
    with archive.open(member) as stream:
        head = stream.read(4)
        if member.filename.endswith(PICKLE_SUFFIXES) or head.startswith(PICKLE_HEADS):
            yield from _scan_bytes(head + stream.read(LARGEST_PICKLE_BYTES), name, allow)
        elif member.filename.endswith(".npy") and b"'O'" in stream.read(NPY_HEADER_BYTES):
            yield Finding(name, 0, "objects-in-array", "the array holds Python objects, which are a pickle")


def _scan_skops(path: Path, name: str, allow: tuple[str, ...]) -> Iterator[Finding]:
    try:
        with path.open("rb") as file:
            yield from _forbidden(list(skops_imports(file)), name, allow, BOOSTERS)
    except NotASkopsFileError as error:
        yield Finding(name, 0, "not-a-skops-file", f"cannot be looked into: {error}")


def check_mlmodel(folder: Path) -> list[Finding]:
    """What is wrong with the description of an MLflow model."""
    files = sorted(folder.rglob("MLmodel")) if folder.is_dir() else []
    if len(files) != 1:
        return [Finding("MLmodel", 0, "no-mlmodel", f"{len(files)} MLflow models in the artifact, needed one")]
    name = str(files[0].relative_to(folder))
    described = _read_yaml(files[0])
    if not isinstance(described, dict) or not isinstance(described.get("flavors"), dict) or not described["flavors"]:
        return [Finding(name, 0, "no-flavor", "MLmodel names no flavor to load the model with")]
    findings = []
    if not (described.get("signature") or {}).get("inputs"):
        findings.append(Finding(name, 0, "no-signature", "without a signature requests cannot be checked"))
    for flavor, entry in described["flavors"].items():
        findings += _missing_files(name, flavor, entry, files[0].parent)
    return findings


def _missing_files(name: str, flavor: str, entry: Any, root: Path) -> Iterator[Finding]:
    for key in NATIVE_FILES:
        target = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(target, str) and not _inside(root, target):
            yield Finding(name, 0, "missing-file", f"the flavor {flavor} names {target!r}, which is not in the model")


def _inside(root: Path, target: str) -> bool:
    path = (root / target).resolve()
    return path.is_relative_to(root.resolve()) and path.exists()


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError):
        return None

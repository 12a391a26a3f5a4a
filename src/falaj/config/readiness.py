"""What a folder still needs to be run by the platform, without changing anything in it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from falaj.config.loading import FILE_NAME, load_spec
from falaj.config.source_files import is_lfs_pointer, plain_path
from falaj.config.spec import BEHAVIOUR_CHECKS, ProjectSpec
from falaj.core.errors import FalajError


@dataclass(frozen=True)
class Requirement:
    """One thing that a project needs.

    Attributes:
        name: What it is.
        met: Whether it is there.
        detail: What was seen.
        fix: What to do when it is not.
        optional: Whether a run goes without it.
    """

    name: str
    met: bool
    detail: str
    fix: str = ""
    optional: bool = False


def requirements(folder: Path) -> list[Requirement]:
    """Everything that a project needs, in the order in which it is best done.

    Args:
        folder: Of the project; may be empty.
    """
    spec, file = _project_file(folder)
    of_files = [*_code(folder, spec), *_release(spec), *_environment(folder, spec), *_repository(folder)]
    requirement_list = [_folder(folder), file, *of_files]
    return requirement_list if folder.is_dir() else requirement_list[:1]


def missing_for_release(spec: ProjectSpec) -> tuple[str, ...]:
    """What no release of a project can do without, and a run of it says only at its end.

    Args:
        spec: Of the project.

    Returns:
        Sentences; none for a project without a model, which releases nothing.
    """
    if spec.model_step is None:
        return ()
    missing = []
    if not (spec.expect or BEHAVIOUR_CHECKS & set(spec.checks)):
        missing.append("no check of behaviour: add `tests` or `model` to `checks`, or describe data in `expect`")
    if not spec.gates:
        missing.append("no gate: add to `gates` what its metrics must reach on data that was not trained on")
    return tuple(missing)


def _folder(folder: Path) -> Requirement:
    return Requirement("folder", folder.is_dir(), str(folder), f"`falaj init {folder}` makes a project")


def _project_file(folder: Path) -> tuple[ProjectSpec | None, Requirement]:
    if not (folder / FILE_NAME).is_file():
        fix = "`falaj init --template blank` writes one beside what there is"
        return None, Requirement(FILE_NAME, False, "there is none", fix)
    try:
        spec = load_spec(folder)
    except FalajError as error:
        return None, Requirement(FILE_NAME, False, str(error).splitlines()[0], "`falaj validate` names every mistake")
    return spec, Requirement(FILE_NAME, True, f"model {spec.model}, {len(spec.steps)} steps")


def _release(spec: ProjectSpec | None) -> Iterator[Requirement]:
    for each in missing_for_release(spec) if spec else ():
        what, _, fix = each.partition(": ")
        yield Requirement("release", False, what, fix, optional=True)


def _code(folder: Path, spec: ProjectSpec | None) -> Iterator[Requirement]:
    for source in spec.data.values() if spec else ():
        scheme, _, rest = source.source.partition("://")
        if scheme == "file":
            path = plain_path(folder, rest)
            pointer = path.is_file() and is_lfs_pointer(path)
            detail = "a pointer of Git LFS" if pointer else str(rest) if path.exists() else f"there is no {rest}"
            yield Requirement(f"data {source.name}", path.exists() and not pointer, detail, "put the file there")
    has_tests = any((folder / "tests").glob("**/test_*.py"))
    is_required = bool(spec and "tests" in spec.checks)
    yield Requirement(
        "tests", has_tests, "tests/" if has_tests else "none in tests/", "write one; the check `tests` runs them",
        optional=not is_required,
    )  # fmt: skip


def _environment(folder: Path, spec: ProjectSpec | None) -> Iterator[Requirement]:
    named = _dependencies(folder)
    has_file = (folder / "pyproject.toml").is_file()
    yield Requirement(
        "pyproject.toml", has_file, "there" if has_file else "there is none", "`uv init --bare` writes one"
    )
    locked = [name for name in ("uv.lock", "requirements.txt") if (folder / name).is_file()]
    detail = locked[0] if locked else "there is none: a release would stay in the first environment"
    makes_model = bool(spec and spec.model_step)
    yield Requirement("lockfile", bool(locked), detail, "`uv lock`, and commit uv.lock", optional=not makes_model)
    if has_file and spec and spec.model_step:
        has_mlflow = bool({"mlflow", "mlflow-skinny"} & named)
        detail = "among the dependencies" if has_mlflow else "not among the dependencies"
        yield Requirement("mlflow", has_mlflow, detail, "`uv add mlflow-skinny`: models are kept in its format")


def _dependencies(folder: Path) -> set[str]:
    """Names of what pyproject.toml asks for."""
    try:
        listed = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
        return {re.split(r"[\s\[<>=!~;@]", str(each), maxsplit=1)[0].lower().replace("_", "-") for each in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _repository(folder: Path) -> Iterator[Requirement]:
    top = _git(folder, "rev-parse", "--show-toplevel")
    own = bool(top) and Path(top).resolve() == folder.resolve()
    detail = "there" if own else f"{top} is above this folder" if top else "there is none"
    fix = "falaj.yaml stands at the top of a repository" if top and not own else "`git init -b main`"
    yield Requirement("git repository", own, detail, fix)
    if not own:
        return
    changed = _git(folder, "status", "--porcelain")
    clean = not changed and bool(_git(folder, "rev-parse", "--verify", "HEAD"))
    count = len(changed.splitlines())
    detail = "all is committed" if clean else f"{count} files are not committed" if count else "nothing is committed"
    yield Requirement("commit", clean, detail, "`git add -A && git commit`", optional=True)
    remotes = _git(folder, "remote", "-v")
    yield Requirement(
        "remote", bool(remotes), remotes.splitlines()[0] if remotes else "there is none",
        "`falaj project add NAME` makes one to push to", optional=True,
    )  # fmt: skip


def _git(folder: Path, *arguments: str) -> str:
    try:
        process = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, errors="replace"
        )
    except FileNotFoundError:
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""

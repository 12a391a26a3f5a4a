# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH118, PTH120, PTH123
"""The way of one step through this process: task in, function called, outputs and their kinds written.

The task is a marshalled mapping, because importing `json` takes half as long as starting Python. Only imports
that a step really needs are made.
"""

from __future__ import annotations

import errno
import marshal
import os
import sys

from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


def main(task_path: str) -> None:
    """Run the step that the task describes; exit with 1 and `failure.json` beside the task when it fails.

    Args:
        task_path: A marshalled mapping with `run`, `params`, `inputs`, `outputs`, `output`, `worktree`, `folder`.
    """
    with open(task_path, "rb") as file:
        task: dict[str, Any] = marshal.load(file)  # noqa: S302 - written by the engine for this process
    if "" in sys.path:
        sys.path.remove("")
    try:
        _run(task)
    except BaseException as error:  # a step that calls sys.exit has not returned a result
        _report(task, error)
        sys.exit(1)


def _run(task: dict[str, Any]) -> None:
    from .arguments import bind
    from .fresh import import_from_text
    from .outputs import write_all

    import_from_text(task["worktree"])
    function = _function(task["run"])
    arguments = bind(function, task["inputs"], task["params"])
    value = function(**arguments)
    write_all(value, function, arguments, task)


def _function(place: str) -> Any:
    """The function at `module:name`."""
    module_name, _, name = place.partition(":")
    try:
        __import__(module_name)  # `importlib.import_module` does the same, after importing `warnings`
        module = sys.modules[module_name]
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # an import inside the module failed: its traceback is of use
        raise Problem("step.missing-function", f"there is no module `{module_name}`", _near_roots()) from None
    target: Any = module
    for part in name.split("."):
        if not hasattr(target, part):
            raise Problem("step.missing-function", f"`{module_name}` has no function `{name}`", _near(module, name))
        target = getattr(target, part)
    return target


def _near(module: Any, name: str) -> str:
    from difflib import get_close_matches

    names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    close = get_close_matches(name, names, n=1)
    return f"did you mean `{close[0]}`?" if close else ""


def _near_roots() -> str:
    return "code is looked for in " + " and ".join(os.environ.get("PYTHONPATH", "").split(os.pathsep))


def _report(task: dict[str, Any], error: BaseException) -> None:
    """Write what went wrong for the engine, and the traceback without this package's frames for the log."""
    import json
    import traceback

    frames = _own_frames(error.__traceback__)
    if _disk_is_full(error):
        failure = {"code": "step.disk-full", "message": str(error), "hint": "", "where": ""}
    elif isinstance(error, Problem):
        failure = {"code": error.code, "message": str(error), "hint": error.hint, "where": ""}
        print(f"{error.code}: {error}" + (f" ({error.hint})" if error.hint else ""), file=sys.stderr)  # noqa: T201
    else:
        last = traceback.extract_tb(frames)[-1:] if frames else []
        where = f"{last[0].filename}:{last[0].lineno}" if last else ""
        message = "".join(traceback.format_exception_only(type(error), error)).strip()
        failure = {"code": "step.failed", "message": message, "hint": _hint(error), "where": where}
        traceback.print_exception(type(error), error, frames)
    try:
        with open(os.path.join(task["folder"], "failure.json"), "w") as file:
            json.dump(failure, file)
    except OSError:
        sys.exit(errno.ENOSPC)


def _hint(error: BaseException) -> str:
    """What to do about what the sandbox refuses."""
    number = getattr(error, "errno", None)
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "a step writes below TMPDIR alone, and reads its project, its inputs and its environment"
    if number in (errno.ENETUNREACH, errno.ENETDOWN) or type(error).__name__ in ("gaierror", "URLError"):
        return "only a step with `network: true` reaches the network"
    return ""


def _disk_is_full(error: BaseException) -> bool:
    """Libraries wrap the operating system's error; its words remain."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback from the project's first frame on."""
    here = os.path.dirname(__file__)
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith((here, "<frozen")):
        frames = frames.tb_next
    return frames

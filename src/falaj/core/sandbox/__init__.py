"""Confinement by the kernel: of a process that gives up what it does not need, and of code that runs in a sandbox.

Landlock limits which files are read and written, seccomp which calls are made, namespaces which processes, networks and
mounts there are; none needs a privilege, none can be undone, and all hold for every thread and child that comes later.
Standard library only, so that any environment's Python can use it.

`confine` is for Falaj's own processes that load what they do not trust; `start` runs programs of others.
"""

from falaj.core.sandbox.capabilities import Sandbox, offered, why_not_inside_worker
from falaj.core.sandbox.confine import Confinement, available, confine, in_force
from falaj.core.sandbox.environment import certificate_paths, scratch_environ
from falaj.core.sandbox.interpreter import added_folders, python_folders
from falaj.core.sandbox.launch import (
    Ceilings,
    ExposedHomeError,
    Launch,
    Launched,
    refuse_exposed_home,
    run_to_end,
    start,
)
from falaj.core.sandbox.libc import hide_memory
from falaj.core.sandbox.seclude import seclude

__all__ = [
    "Ceilings",
    "Confinement",
    "ExposedHomeError",
    "Launch",
    "Launched",
    "Sandbox",
    "added_folders",
    "available",
    "certificate_paths",
    "confine",
    "hide_memory",
    "in_force",
    "offered",
    "python_folders",
    "refuse_exposed_home",
    "run_to_end",
    "scratch_environ",
    "seclude",
    "start",
    "why_not_inside_worker",
]

"""Confinement of a process by the kernel, before it touches what it cannot trust: no network, no programs, few files.

Landlock limits which files it may read and write, seccomp which calls it may make; both need no privilege, cannot be
undone, and hold for every thread and child that comes later. Standard library only, so that any environment's Python
can use it.
"""

from falaj.confinement.confine import Confinement, available, confine, in_force

__all__ = ["Confinement", "available", "confine", "in_force"]

"""A machine of an executor: it asks the server for orders, carries them out in the sandbox, and brings back outputs.

It has a certificate of its own, what its orders name, and nothing else: no database, no key of a tenant and none that
signs.
What it fetched stays in a store of its own, by digest, and is verified at every use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from falaj.control.step_worker.bootstrap import run_machine

__all__ = ["run_machine"]

__getattr__ = lazy_exports(__name__, {"bootstrap": "run_machine"})

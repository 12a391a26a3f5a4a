"""What a pickle would import and call, read from its opcodes without loading it.

A pickle is a program; loading one runs it. Its only way to other code is to name it (`GLOBAL`, `STACK_GLOBAL`, `INST`),
so the names decide (`names.py`). What cannot be resolved from the opcodes has the name `?`, which is on no list.

Source: the opcodes of `pickletools` in CPython; the rule for `STACK_GLOBAL` accepts only two string pushes right before
it, which is what every pickler writes.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterator

from .names import UNRESOLVED, Import

PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Old names that protocols 0 to 2 write; there are no modules of these names that could be meant instead."""

_STRINGS = frozenset(
    {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_STORES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_LOADS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_REGISTRY = frozenset({"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"})


class NotAPickleError(ValueError):
    """The bytes are not one pickle after another."""


def imports(data: bytes) -> Iterator[Import]:
    """Every name that the pickles in these bytes import, in order.

    Raises:
        NotAPickleError: The bytes end within a pickle, or hold something else.
    """
    stream = io.BytesIO(data)
    while stream.tell() < len(data):
        yield from _one(stream)


def _one(stream: io.BytesIO) -> Iterator[Import]:
    memo: dict[int, str | None] = {}
    pushed: list[str | None] = []  # strings pushed right before, newest last; None stands for anything else
    operations = pickletools.genops(stream)
    while True:
        try:
            operation, argument, position = next(operations)
        except StopIteration:
            return
        except (ValueError, KeyError, IndexError, UnicodeDecodeError, OverflowError) as error:
            raise NotAPickleError(str(error)) from error
        name = operation.name
        if name in ("GLOBAL", "INST"):
            module, _, attribute = str(argument).partition(" ")
            yield Import(PYTHON_2.get(module, module), attribute, position or 0)
        elif name == "STACK_GLOBAL":
            module, attribute = (text if text is not None else UNRESOLVED for text in [None, None, *pushed][-2:])
            yield Import(module, attribute, position or 0)
        elif name in _REGISTRY:
            yield Import(UNRESOLVED, name, position or 0)
        if name in _STORES and int(str(argument)) >= stream.tell():
            # An unpickler makes room for every smaller number, too: ten bytes would take all memory.
            raise NotAPickleError("it stores under a number larger than itself")
        if name == "MEMOIZE" or name in _STORES:
            memo[len(memo) if name == "MEMOIZE" else int(str(argument))] = pushed[-1] if pushed else None
        elif name not in ("PROTO", "FRAME"):
            value = str(argument) if name in _STRINGS else memo.get(int(str(argument))) if name in _LOADS else None
            pushed = [*pushed[-1:], value]

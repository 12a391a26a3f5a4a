"""What a pickle would import and call, read from its opcodes without loading it.

A pickle is a program; loading one runs it. Its only way to other code is to name it (`GLOBAL`, `STACK_GLOBAL`, `INST`),
so the names decide. Only what models need is allowed: data types, arrays, and classes of the libraries that models are
made with. Whatever cannot be resolved from the opcodes is refused, as is everything unknown.

Source: the opcodes of `pickletools` in CPython; the rule for `STACK_GLOBAL` accepts only two string pushes right before
it, which is what every pickler writes.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

UNRESOLVED = "?"
PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Old names that protocols 0 to 2 write; there are no modules of these names that could be meant instead."""

EXACT = frozenset(
    {
        *(
            f"builtins.{name}"
            for name in ("set", "frozenset", "dict", "list", "tuple", "bytearray", "bytes", "complex", "slice", "range")
        ),
        *(f"builtins.{name}" for name in ("object", "int", "float", "str", "bool")),
        *(f"collections.{name}" for name in ("OrderedDict", "defaultdict", "deque", "Counter")),
        *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
        *(
            f"numpy.{name}"
            for name in ("dtype", "ndarray", "bool_", "bool", "str_", "bytes_", "datetime64", "timedelta64")
        ),
        *(f"numpy.{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
        *(f"numpy.float{bits}" for bits in (16, 32, 64)),
        *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
        *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
        *(f"numpy.random._pickle.__{name}_ctor" for name in ("randomstate", "generator", "bit_generator")),
        "numpy.random._mt19937.MT19937",
        "numpy.random._pcg64.PCG64",
        "numpy.random.bit_generator.SeedSequence",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        "numpy.ma.MaskedArray",
        "sklearn.metrics._dist_metrics.newObj",
        "sklearn.neighbors._kd_tree.newObj",
        "sklearn.neighbors._ball_tree.newObj",
        "numpy.ma.core._mareconstruct",
        "numpy.ma.core.MaskedArray",
        "pandas._libs.internals._unpickle_block",
        "pandas.core.indexes.base._new_Index",
        "_codecs.encode",
        "copyreg._reconstructor",
        "decimal.Decimal",
        "functools.partial",
        "types.SimpleNamespace",
        "uuid.UUID",
    }
)
"""Names that are allowed as they are: they make data and call nothing that is not named itself."""

CLASSES_OF = (
    "sklearn",
    "scipy.sparse",
    "scipy.interpolate",
    "scipy.stats",
    "lightgbm",
    "xgboost",
    "catboost",
    "pandas",
)
"""Packages whose classes are allowed: a name in CapWords, or the function by which a compiled class is restored."""

_CLASS = re.compile(
    r"_*(?:[A-Z][A-Za-z0-9]*|csr_matrix|csc_matrix|coo_matrix|csr_array|csc_array|rv_\w+|\w+_gen|__pyx_unpickle_\w+)"
)
_OTHER_PROGRAMS = frozenset({"Popen", "Process", "Pool", "Thread", "CDLL", "LooseVersion"})
_STRINGS = frozenset(
    {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_STORES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_LOADS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_REGISTRY = frozenset({"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"})


@dataclass(frozen=True)
class Import:
    """A name that a pickle imports.

    Attributes:
        module: The module, or `?` when the opcodes do not say.
        name: The name within it; dots walk through attributes.
        position: Byte in the pickle.
    """

    module: str
    name: str
    position: int

    def __str__(self) -> str:
        """`module.name`."""
        return f"{self.module}.{self.name}"


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
        if name == "MEMOIZE" or name in _STORES:
            memo[len(memo) if name == "MEMOIZE" else int(str(argument))] = pushed[-1] if pushed else None
        elif name not in ("PROTO", "FRAME"):
            value = str(argument) if name in _STRINGS else memo.get(int(str(argument))) if name in _LOADS else None
            pushed = [*pushed[-1:], value]


def forbidden(found: Iterable[Import], *, allow: Iterable[str] = ()) -> list[Import]:
    """The imports that a model has no business with.

    Args:
        found: From `imports`.
        allow: More module prefixes, such as the project's own package.
    """
    allowed = tuple(allow)
    return [one for one in found if not _is_allowed(one, allowed)]


def _is_allowed(one: Import, allowed: tuple[str, ...]) -> bool:
    if "." in one.name or UNRESOLVED in (one.module, one.name):
        return False  # a dotted name walks from an innocent module to whatever that has imported
    if str(one) in EXACT or _below(one.module, allowed):
        return True
    is_class = bool(_CLASS.fullmatch(one.name)) and one.name not in _OTHER_PROGRAMS
    return is_class and _below(one.module, CLASSES_OF)


def _below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)

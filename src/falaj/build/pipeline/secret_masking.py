"""Secrets of steps: kept out of logs, messages and results (pure but for the scan of files)."""

from __future__ import annotations

import base64
import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from falaj.build.pipeline.errors import PipelineError, StepError
from falaj.config.secrets import LEAST_CHARACTERS
from falaj.core.errors import FalajError

if TYPE_CHECKING:
    from falaj.config.spec import ProjectSpec

MASK = b"***"


@dataclass(frozen=True)
class Secrets:
    """The values that the steps of a run need, by name.

    Args:
        values: Never shown: not in a representation, nor in anything that is stored.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """The environment variables of a step that declares these names."""
        return {name: self.values[name] for name in names}

    def require(self, spec: ProjectSpec) -> None:
        """Make sure that every step will find what it declares.

        Raises:
            PipelineError: `secret.missing`, which names the step and the secret.
        """
        for step in spec.steps.values():
            for name in step.secrets:
                if name not in self.values:
                    raise PipelineError(
                        f"step `{step.name}` needs the secret {name}, which is not set",
                        where=spec.model,
                        hint=f"falaj project secret set {name} stores it; falaj run takes it from the variable {name}",
                        code="secret.missing",
                    )

    @cached_property
    def forms(self) -> tuple[bytes, ...]:
        """How the values may look in text: as they are, escaped, and encoded; the longest first."""
        secret_forms = {form for value in self.values.values() for form in _forms(value)}
        return tuple(sorted(secret_forms, key=lambda form: (-len(form), form)))

    def hide(self, text: str) -> str:
        """A text without the values."""
        return _hidden(text.encode(errors="surrogateescape"), self.forms).decode(errors="surrogateescape")

    def hide_in(self, error: FalajError) -> FalajError:
        """An error, changed to say nothing of the values."""
        error.message, error.where, error.hint = (self.hide(text) for text in (error.message, error.where, error.hint))
        error.args = (error.message,)
        return error

    def refuse_in(self, folder: Path, step: str) -> None:
        """Make sure that no result of a step holds a value.

        Raises:
            StepError: `step.secret-in-result`, which names the file.
        """
        for path in _files(folder) if self.forms else ():
            if _holds(path, self.forms) or _hidden(str(path).encode(), self.forms) != str(path).encode():
                raise StepError(
                    "a result holds a secret of the step",
                    where=f"{step} in {self.hide(path.relative_to(folder).as_posix())}",
                    hint="results are kept and shown to others; leave the secret out of what the step returns",
                    code="step.secret-in-result",
                )


class Hiding:
    """Hides values in a stream of bytes, also where a value comes in two pieces.

    Args:
        forms: What to hide.
    """

    def __init__(self, forms: tuple[bytes, ...]) -> None:
        self._forms = forms
        self._pending = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown now; an end that may be the beginning of a value is held back."""
        if not self._forms:
            return chunk
        text = _hidden(self._pending + chunk, self._forms)
        keep = max((_overlap(text, form) for form in self._forms), default=0)
        self._pending = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> bytes:
        """What was held back."""
        pending, self._pending = self._pending, b""
        return pending


def _forms(value: str) -> Iterator[bytes]:
    data = value.encode()
    yield data
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].encode()
    yield repr(value)[1:-1].encode()
    yield quote(value).encode()
    yield quote(value, safe="").encode()
    yield data.hex().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from _aligned(data, encode)
    yield from (line.encode() for line in value.splitlines() if len(line) >= LEAST_CHARACTERS)


def _aligned(data: bytes, encode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The characters of a base64 text that a value alone decides, wherever in a longer text the value begins."""
    for shift, start in ((0, 0), (1, 2), (2, 3)):  # the first characters hold bits of what stands before
        whole = (shift + len(data)) // 3 * 4  # the last ones may hold bits of what follows
        fragment = encode(bytes(shift) + data)[start:whole]
        if len(fragment) >= LEAST_CHARACTERS:
            yield fragment


def _hidden(text: bytes, forms: tuple[bytes, ...]) -> bytes:
    for form in forms:
        text = text.replace(form, MASK)
    return text


def _overlap(text: bytes, form: bytes) -> int:
    """How many bytes at the end of a text may be the beginning of a form."""
    for size in range(min(len(form) - 1, len(text)), 0, -1):
        if text.endswith(form[:size]):
            return size
    return 0


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _holds(path: Path, forms: tuple[bytes, ...]) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        return any(data.find(form) >= 0 for form in forms)

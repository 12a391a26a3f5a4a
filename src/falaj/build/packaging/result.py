"""What packaging found, for the evidence of a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from falaj.build.packaging.parity import Parity
from falaj.core.errors import RunFailedError


class PackagingError(RunFailedError):
    """The model folder cannot be packaged at all: it is not a model that could be served."""

    code = "serving.packaging"


@dataclass(frozen=True, slots=True)
class PackagingResult:
    """How a model will be served and why.

    Attributes:
        flavor: `onnx`, `native` or `pyfunc`.
        reason: Why not ONNX; empty when it is.
        parity: Comparison of the conversion with the original; None when nothing was converted.
        versions: Libraries that took part, by name.
        compared: Rows of which the answers were compared with those of the trained model.
        refusal: Why it must not be released: it cannot be loaded, or answers otherwise than the trained model.
        own_code: Whether code of the project is loaded with it.
    """

    flavor: str
    reason: str = ""
    parity: Parity | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    compared: int = 0
    refusal: str = ""
    own_code: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        document = asdict(self)
        document["versions"] = dict(self.versions)
        if self.parity is not None:
            document["parity"]["passed"] = self.parity.passed
        return document

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PackagingResult:
        """Read what `to_json` wrote."""
        parity = data.get("parity")
        members = {name: value for name, value in (parity or {}).items() if name != "passed"}
        compared = {name: data[name] for name in ("compared", "refusal", "own_code")}
        return cls(data["flavor"], data["reason"], Parity(**members) if parity else None, data["versions"], **compared)

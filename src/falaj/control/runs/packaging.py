"""Packaging the model of a run, once per model and rows: the packaged form is what is judged and released."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from falaj import __version__
from falaj.build.packaging import PackagingResult
from falaj.build.packaging import package_model as package_folder
from falaj.core.venv.environment import Environment
from falaj.models.model_folder import read_model_folder
from falaj.supply_chain.artifacts import ArtifactStore, Digest, parse_digest
from falaj.supply_chain.attestations.canonical import canonical

_TABLE = "data.parquet"


@dataclass(frozen=True)
class Packaged:
    """A model that is ready to serve.

    Args:
        digest: Tree digest of the packaged folder.
        result: How it will be served and why.
        features: Names of its inputs, in order.
    """

    digest: Digest
    result: PackagingResult
    features: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for people: the form, and how the conversion compared or why there is none."""
        parity = self.result.parity
        if self.result.refusal:
            return self.result.refusal
        if parity is None:
            same = f"; {self.result.compared} rows answered as by the trained model" if self.result.compared else ""
            return f"{self.result.flavor}: {self.result.reason}{same}"
        compared = f"{parity.rows} rows compared, largest difference {parity.largest_difference:.2g}"
        return f"{self.result.flavor}: {compared}" + (f"; {self.result.reason}" if self.result.reason else "")


def package_model(
    store: ArtifactStore,
    model: Digest,
    rows: Digest | None,
    environment: Environment,
    folder: Path,
    *,
    answer: str | None = None,
) -> Packaged:
    """Make a model servable in the project's environment, or take the result of an earlier run.

    Args:
        store: Holds the model and the rows.
        model: Digest of the MLflow model folder.
        rows: Digest of a table that the model was not trained on, for the comparison; None compares on the example.
        environment: The project's python.
        folder: Scratch folder, made anew.
        answer: What responses of its endpoints hold by default: label, probabilities or both.

    Raises:
        PackagingError: The folder is not a model that could be served.
    """
    ref = f"packaging/{_key(model, rows, environment, answer)}"
    if (cached := store.get_ref(ref)) is not None and store.has(parse_digest(json.loads(cached)["digest"])):
        entry = json.loads(cached)
        result = PackagingResult.from_json(entry["result"])
        return Packaged(parse_digest(entry["digest"]), result, tuple(entry["features"]))
    packaged = _package(store, model, rows, environment, folder, answer)
    entry = {"digest": packaged.digest, "result": packaged.result.to_json(), "features": packaged.features}
    store.set_ref(ref, json.dumps(entry).encode())
    return packaged


def _package(
    store: ArtifactStore,
    model: Digest,
    rows: Digest | None,
    environment: Environment,
    folder: Path,
    answer: str | None,
) -> Packaged:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source, target = store.fetch(model, folder / "model"), folder / "packaged"
    table = store.fetch(rows, folder / "rows") if rows else None
    if table is not None and table.is_dir():
        table = table / _TABLE if (table / _TABLE).is_file() else None
    result = package_folder(source, target, python=environment.python, table=table, answer=answer)
    features = read_model_folder(target).signature.names
    packaged = Packaged(store.put(target).digest, result, features)
    shutil.rmtree(folder, ignore_errors=True)
    return packaged


def _key(model: Digest, rows: Digest | None, environment: Environment, answer: str | None) -> str:
    return hashlib.sha256(canonical([model, rows, environment.digest, answer, __version__])).hexdigest()

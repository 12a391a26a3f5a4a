"""What may be served, decided without a server; and the command line that follows from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from falaj.artifacts import ArtifactStore, open_store
from falaj.artifacts.errors import ArtifactMissingError
from falaj.evidence import load_or_create_key
from falaj.locations.agent.admission import Admission
from falaj.locations.desired import Endpoint
from falaj.locations.errors import NotAdmittedError
from falaj.locations.runtimes.process.replica import ReplicaOptions, modelserver_command
from falaj.serving.modelserver.__main__ import _parser
from tests.evidence import releases


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def admission(tmp_path: Path, store: ArtifactStore) -> Admission:
    return Admission(tmp_path / "models", store, tmp_path / "keys", lambda folder: folder / "bin" / "python")


@pytest.fixture
def endpoint(tmp_path: Path, store: ArtifactStore) -> Endpoint:
    made = releases.make(tmp_path / "release", load_or_create_key(tmp_path / "keys" / "evidence.pem"))
    evidence = tuple(json.loads(path.read_text()) for path in sorted((tmp_path / "release" / "evidence").iterdir()))
    digest = store.put(tmp_path / "release" / "model").digest
    assert digest == made.digest
    return Endpoint("dev", "flight-delay", 1, digest, evidence=evidence)


def with_lock(endpoint: Endpoint, store: ArtifactStore, folder: Path) -> Endpoint:
    (folder / "lock").mkdir()
    (folder / "lock" / "uv.lock").write_text("version = 1\n")
    return Endpoint.from_json({**endpoint.to_json(), "environment_lock": store.put(folder / "lock").digest})


def test_an_honest_release_is_admitted_from_its_verified_copy(admission: Admission, endpoint: Endpoint) -> None:
    servable = admission.admit(endpoint)
    assert (servable.model_dir / "data" / "weights.bin").read_bytes() == b"weights"
    assert servable.python is None


def test_the_project_environment_is_made_of_the_locked_files(
    admission: Admission, endpoint: Endpoint, store: ArtifactStore, tmp_path: Path
) -> None:
    locked = with_lock(endpoint, store, tmp_path)
    python = admission.admit(locked).python
    assert python and (python.parents[1] / "uv.lock").read_text() == "version = 1\n"


def test_nothing_is_kept_of_bytes_that_do_not_hold(
    admission: Admission, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(_digest: object, target: Path) -> Path:
        target.mkdir(parents=True)
        (target / "MLmodel").write_text("something else")
        return target

    monkeypatch.setattr(admission, "_fetcher", type("Liar", (), {"fetch": staticmethod(lie)}))
    with pytest.raises(NotAdmittedError, match="not what its digest names"):
        admission.admit(endpoint)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_link_in_the_verified_copy_is_not_followed(admission: Admission, endpoint: Endpoint, tmp_path: Path) -> None:
    copy = admission.admit(endpoint).model_dir
    elsewhere = tmp_path / "elsewhere"
    (copy / "data" / "weights.bin").rename(elsewhere)
    (copy / "data" / "weights.bin").symlink_to(elsewhere)
    again = admission.admit(endpoint).model_dir
    assert not (again / "data" / "weights.bin").is_symlink()


def test_without_trusted_keys_nothing_is_admitted(admission: Admission, endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "keys" / "evidence.pem.pub").unlink()
    with pytest.raises(NotAdmittedError, match="not admitted"):
        admission.admit(endpoint)


def test_an_artifact_that_is_not_there_is_not_final(admission: Admission, endpoint: Endpoint) -> None:
    missing = Endpoint.from_json({**endpoint.to_json(), "digest": "sha256:" + "0" * 64})
    with pytest.raises(ArtifactMissingError):
        admission.admit(missing)


def test_the_model_server_understands_its_command_line(
    admission: Admission, endpoint: Endpoint, store: ArtifactStore, tmp_path: Path
) -> None:
    for wanted in (endpoint, with_lock(endpoint, store, tmp_path)):
        servable = admission.admit(wanted)
        command = modelserver_command(ReplicaOptions(servable, tmp_path / "s", tmp_path / "log"))
        start = command.index("--site") if "--site" in command else command.index("--model")
        given = _parser().parse_args(command[start:])
        assert (given.model, given.endpoint, given.version) == (servable.model_dir, "dev/flight-delay", "1")
        assert (Path(command[1]).exists() and given.site.is_dir()) if servable.python else command[1] == "-m"

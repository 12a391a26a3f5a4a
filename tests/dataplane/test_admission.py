"""What may be served, decided without a server; and the command line that follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from falaj.dataplane.agent.admission import Admission, Site
from falaj.dataplane.agent.state_store import Memory
from falaj.dataplane.desired_state import DesiredEndpoint, Servable
from falaj.dataplane.errors import DesiredStateError, LocationError, LocationRulesError, NotAdmittedError
from falaj.dataplane.local_policy import read_rules
from falaj.dataplane.model_server.__main__ import _parser
from falaj.dataplane.runtimes.process.replica import ReplicaOptions, modelserver_command
from falaj.supply_chain.artifacts import ArtifactStore, open_store, parse_digest
from falaj.supply_chain.artifacts.errors import ArtifactMissingError
from tests.supply_chain.attestations.admitted import HOUR_S, NOW, World, make_world


@dataclass
class Scene:
    """A location `dubai`, a store, and a control plane that admitted one release for prod."""

    folder: Path
    world: World
    store: ArtifactStore
    requests: list[tuple[int, int]] = field(default_factory=list)
    now: float = NOW

    @property
    def memory(self) -> Memory:
        return Memory(self.folder / "dubai")

    def admission(self, fetcher: Any = None) -> Admission:
        site = Site("dubai", self.folder / "dubai", self.world.keys.folder)
        build: Callable[[Path], Path] = lambda folder: folder / "bin" / "python"  # noqa: E731
        return Admission(site, self.memory, fetcher or self.store, self.consistency, build, lambda: self.now)

    def consistency(self, first: int, second: int) -> Sequence[str]:
        self.requests.append((first, second))
        assert second == len(self.world.log.leaves)
        proof: list[str] = self.world.log.proof([], earlier_size=first)["consistency"]
        return proof

    def endpoint(self, decided: Sequence[Mapping[str, Any]] | None = None, **changes: Any) -> DesiredEndpoint:
        """The endpoint as the control plane sends it, through JSON, with everything in the log."""
        evidence = self.world.evidence
        admission = [dict(item) for item in (self.world.decided() if decided is None else decided)]
        self.world.log.add(*evidence, *admission)
        plan = {
            "environment": "prod", "model": "flight-delay", "release": 1, "digest": self.world.release.digest,
            "evidence": evidence, "admission": admission, "log": self.world.log.proof([*evidence, *admission]),
        }  # fmt: skip
        return DesiredEndpoint.from_json(json.loads(json.dumps(plan | changes)))

    def with_lock(self, endpoint: DesiredEndpoint) -> DesiredEndpoint:
        folder = self.folder / "lock"
        folder.mkdir()
        (folder / "uv.lock").write_text("version = 1\n")
        return DesiredEndpoint.from_json({**endpoint.to_json(), "environment_lock": self.store.put(folder).digest})


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    world, store = make_world(tmp_path), open_store(str(tmp_path / "store"))
    assert store.put(world.release.folder / "model").digest == world.release.digest
    return Scene(tmp_path, world, store)


def refusal(admission: Admission, endpoint: DesiredEndpoint) -> str:
    with pytest.raises(NotAdmittedError) as caught:
        admission.admit(endpoint)
    return caught.value.code


def test_an_admitted_release_is_served_from_its_verified_copy(scene: Scene) -> None:
    servable = scene.admission().admit(scene.endpoint())
    assert (servable.model_dir / "data" / "weights.bin").read_bytes() == b"weights"
    assert (servable.python, servable.admitted_at) == (None, NOW)
    assert scene.memory.checkpoint() == scene.world.log.checkpoint()


def test_nothing_is_served_without_an_admission(scene: Scene) -> None:
    assert refusal(scene.admission(), scene.endpoint(scene.world.decided()[:-1])) == "admission.missing"
    assert scene.memory.checkpoint() is None


def test_each_reason_has_its_code_and_is_told(scene: Scene) -> None:
    endpoint = scene.endpoint(scene.world.decided([], [], quorum=0, location="frankfurt"))
    with pytest.raises(NotAdmittedError, match=r"is not admitted: .* location frankfurt") as caught:
        scene.admission().admit(endpoint)
    assert (caught.value.code, caught.value.status) == ("admission.elsewhere", 422)


def test_the_swap_after_the_check_changes_nothing(scene: Scene) -> None:
    """What is served is the location's own copy; the store may hold anything afterwards."""
    servable = scene.admission().admit(scene.endpoint())
    for path in (scene.folder / "store").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"swapped")
    assert (servable.model_dir / "data" / "weights.bin").read_bytes() == b"weights"


def test_the_location_asks_for_more_than_the_admission(scene: Scene) -> None:
    endpoint = scene.endpoint(scene.world.decided([], [], quorum=0))
    scene.admission().admit(endpoint)
    (scene.folder / "dubai" / "rules.json").write_text('{"floors": {"prod": 2}}')
    assert refusal(scene.admission(), endpoint) == "admission.quorum"


def test_the_location_names_who_may_approve(scene: Scene) -> None:
    endpoint, folder = scene.endpoint(), scene.folder / "dubai"
    folder.mkdir()
    keys = [scene.world.person(name).signer.key_id for name in ("carla", "dalal")]
    for named, refused in ((keys, False), ([keys[0], "0" * 64], True)):
        (folder / "rules.json").write_text(json.dumps({"floors": {"prod": 2}, "approval_keys": {"prod": named}}))
        if refused:
            assert refusal(scene.admission(), endpoint) == "admission.quorum"
        else:
            scene.admission().admit(endpoint)
    assert read_rules(folder, "dubai").unpinned == ()
    (folder / "rules.json").write_text('{"floors": {"prod": 2, "dev": 0}}')
    assert read_rules(folder, "dubai").unpinned == ("prod",)


def test_the_location_knows_its_jurisdiction(scene: Scene) -> None:
    endpoint = scene.endpoint()
    (scene.folder / "dubai").mkdir()
    (scene.folder / "dubai" / "rules.json").write_text('{"jurisdiction": "DE"}')
    assert refusal(scene.admission(), endpoint) == "admission.elsewhere"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"floor": {}}',
        '{"floors": {"prod": -1}}',
        '{"jurisdiction": 7}',
        '{"approval_keys": {"prod": ["%s"]}}' % ("0" * 64),
        '{"floors": {"prod": 1}, "approval_keys": {"prod": ["x"]}}',
        '{"floors": {"prod": 2}, "approval_keys": {"prod": ["%s"]}}' % ("0" * 64),
    ],
)
def test_rules_that_cannot_be_read_admit_nothing(scene: Scene, text: str) -> None:
    (scene.folder / "dubai").mkdir()
    (scene.folder / "dubai" / "rules.json").write_text(text)
    with pytest.raises(LocationRulesError):
        read_rules(scene.folder / "dubai", "dubai")
    with pytest.raises(NotAdmittedError, match=r"rules of this location|JSON"):
        scene.admission().admit(scene.endpoint())


def test_the_log_must_continue_what_was_seen(scene: Scene) -> None:
    admission, first = scene.admission(), scene.endpoint()
    admission.admit(first)
    log_size = len(scene.world.log.leaves)
    second = scene.endpoint()
    admission.admit(second)
    assert scene.requests == [(log_size, len(scene.world.log.leaves))]
    assert refusal(admission, first) == "admission.log-rollback"
    assert scene.memory.checkpoint() == scene.world.log.checkpoint()


def test_a_damaged_memory_of_the_log_is_no_fresh_start(scene: Scene) -> None:
    admission, endpoint = scene.admission(), scene.endpoint()
    admission.admit(endpoint)
    (scene.folder / "dubai" / "log.json").write_text("{")
    with pytest.raises(DesiredStateError, match="damaged"):
        admission.admit(endpoint)


def test_a_proof_that_cannot_be_had_now_is_not_final(scene: Scene) -> None:
    scene.admission().admit(scene.endpoint())
    later = scene.endpoint()

    def silent(_first: int, _second: int) -> Sequence[str]:
        raise LocationError("the server does not answer")

    scene.consistency = silent  # type: ignore[method-assign]
    with pytest.raises(LocationError):
        scene.admission().admit(later)


def test_a_location_that_is_cut_off_serves_on_after_a_restart(scene: Scene) -> None:
    """The admission ended and the log grew while nobody could be asked."""
    servable = scene.admission().admit(scene.endpoint())
    scene.memory.keep_admitted([servable])
    scene.admission().admit(scene.endpoint())
    scene.now = NOW + 48 * HOUR_S
    remembered = scene.memory.admitted()[0]
    again = scene.admission().readmit(remembered)
    assert again.admitted_at == NOW
    assert refusal(scene.admission(), scene.endpoint()) == "admission.expired"


def test_a_restart_believes_nothing_that_is_not_signed(scene: Scene) -> None:
    endpoint = scene.endpoint(scene.world.decided([], [], location="frankfurt", quorum=0))
    scene.memory.keep_admitted([Servable(endpoint, scene.folder, None, NOW)])
    with pytest.raises(NotAdmittedError):
        scene.admission().readmit(scene.memory.admitted()[0])


def test_the_project_environment_is_made_of_the_locked_files(scene: Scene) -> None:
    python = scene.admission().admit(scene.with_lock(scene.endpoint())).python
    assert python and (python.parents[1] / "uv.lock").read_text() == "version = 1\n"


def test_nothing_is_kept_of_bytes_that_do_not_hold(scene: Scene) -> None:
    class Liar:
        def fetch(self, _digest: object, target: Path) -> Path:
            target.mkdir(parents=True)
            (target / "MLmodel").write_text("something else")
            return target

    with pytest.raises(NotAdmittedError, match="not what its digest names"):
        scene.admission(Liar()).admit(scene.endpoint())
    assert list((scene.folder / "dubai" / "models").iterdir()) == []


def test_a_link_in_the_verified_copy_is_not_followed(scene: Scene) -> None:
    admission, endpoint = scene.admission(), scene.endpoint()
    copy = admission.admit(endpoint).model_dir
    elsewhere = scene.folder / "elsewhere"
    (copy / "data" / "weights.bin").rename(elsewhere)
    (copy / "data" / "weights.bin").symlink_to(elsewhere)
    assert not (admission.admit(endpoint).model_dir / "data" / "weights.bin").is_symlink()


def test_without_trusted_keys_nothing_is_admitted(scene: Scene) -> None:
    """Public keys that merely lie in the folder are not believed."""
    (scene.world.keys.folder / "trusted.json").unlink()
    assert list(scene.world.keys.folder.glob("*.pub"))
    with pytest.raises(NotAdmittedError, match="trusted keys"):
        scene.admission().admit(scene.endpoint())


def test_an_artifact_that_is_not_there_is_not_final(scene: Scene) -> None:
    with pytest.raises(ArtifactMissingError):
        scene.admission().admit(scene.endpoint(digest=parse_digest("sha256:" + "0" * 64)))


def test_the_model_server_understands_its_command_line(scene: Scene, tmp_path: Path) -> None:
    endpoint = scene.endpoint()
    for desired_endpoint in (endpoint, scene.with_lock(endpoint)):
        servable = scene.admission().admit(desired_endpoint)
        command = modelserver_command(ReplicaOptions(servable, tmp_path / "s", tmp_path / "log"))
        start = command.index("--site") if "--site" in command else command.index("--model")
        server_args = _parser().parse_args(command[start:])
        assert (server_args.model, server_args.endpoint, server_args.version) == (
            servable.model_dir,
            "prod/flight-delay",
            "1",
        )
        assert command[1] == "-I"  # neither variables nor the working directory lead it to code
        assert (Path(command[2]).exists() and server_args.site.is_dir()) if servable.python else command[2] == "-m"

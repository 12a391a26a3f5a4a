"""Where a release goes when an environment is placed by constraints: by the data that reached it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from falaj.config.platform_spec import LocationSpec, PlacementSpec, PlatformSpec
from falaj.control.changes.assessment import evidence_for
from falaj.control.changes.placement import placements
from falaj.core.errors import ConflictError
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.change_tables import AdmissionRow
from falaj.trust.policy import ForbiddenError
from tests.control.releases.scene import Scene

pytestmark = pytest.mark.integration
LOCATIONS = {
    "local": LocationSpec("local"),
    "clinic": LocationSpec("clinic", "edge", "AE"),
    "jeddah": LocationSpec("jeddah", "edge", "SA"),
}


def spec(placement: PlacementSpec | None, *names: str) -> PlatformSpec:
    """The default platform with three locations, of which dev has these."""
    default = PlatformSpec.default()
    dev = replace(default.environments["dev"], locations=names, placement=placement)
    return replace(default, environments={**default.environments, "dev": dev}, locations=LOCATIONS)


def locations_of(scene: Scene, table: type[EndpointRow] | type[AdmissionRow]) -> set[str]:
    with scene.platform.database.reading() as session:
        return {row.location for row in session.scalars(select(table))}


def rules_of(scene: Scene, release_row: ReleaseRow) -> dict[str, tuple[bool, str]]:
    with scene.platform.database.reading() as session:
        turn = scene.platform.turn(session)
        datasets = evidence_for(turn, release_row).datasets
        each_place = placements(turn.spec, turn.spec.environments["dev"], datasets)
        return {each.location: (each.placed, each.rule) for each in each_place}


def test_a_release_goes_where_its_data_may_be_and_others_everywhere(scene: Scene) -> None:
    scene.settle(spec(PlacementSpec(), *LOCATIONS))
    of_patients = scene.release(health=True)
    assert rules_of(scene, of_patients)["jeddah"] == (False, "data of AE stays there")
    assert scene.to_dev(of_patients).state == "done"
    assert locations_of(scene, EndpointRow) == locations_of(scene, AdmissionRow) == {"local", "clinic"}
    assert scene.to_dev(scene.release()).state == "done"
    assert locations_of(scene, EndpointRow) == {"local", "clinic", "jeddah"}
    with pytest.raises(ConflictError, match="may not be at jeddah, which serves the release before it"):
        scene.to_dev(scene.release(health=True))


def test_listed_locations_are_all_or_none(scene: Scene) -> None:
    scene.settle(spec(None, "local", "jeddah"))
    of_patients = scene.release(health=True)
    assert rules_of(scene, of_patients) == {
        "local": (False, "listed together with jeddah"),
        "jeddah": (False, "data of AE stays there"),
        "clinic": (False, "not among the locations of dev"),
    }
    with pytest.raises(ForbiddenError, match="residency"):
        scene.to_dev(of_patients)


def test_too_few_locations_are_refused_with_what_keeps_the_others_out(scene: Scene) -> None:
    scene.settle(spec(PlacementSpec(kinds=("edge",), at_least=2), "clinic", "jeddah"))
    with pytest.raises(ConflictError) as refused:
        scene.to_dev(scene.release(health=True))
    assert refused.value.code == "change.placement"
    assert "jeddah: data of AE stays there" in str(refused.value) and "local: kind on-prem" in str(refused.value)
    assert scene.to_dev(scene.release()).state == "done"

"""Which long tests a change calls for, and that each area has some."""

import re
from pathlib import Path

from tests.areas import AREAS, changed_areas

ROOT = Path(__file__).parents[1]


def test_a_change_calls_for_the_areas_whose_rooms_it_touches() -> None:
    assert changed_areas(["src/falaj/dataplane/agent/server_errors.py"]) == ["locations"]
    assert changed_areas(["tests/models/test_lightgbm.py", "src/falaj/models/x.py"])[0] == "models"
    assert changed_areas(["ui/src/app.tsx"]) == ["ui"] and changed_areas(["infra/helm/Chart.yaml"]) == ["clusters"]
    assert changed_areas(["docs/explanation/audit.md"]) == []


def test_what_all_depend_on_calls_for_all() -> None:
    assert changed_areas(["uv.lock"]) == list(AREAS)


def test_rooms_exist_and_each_area_has_tests_and_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    for area, needed in AREAS.items():
        assert all((ROOT / "src/falaj" / room).is_dir() or (ROOT / room).is_dir() for room in needed)
        assert any(f"mark.{area}" in text for text in tests)
    listed = re.search(r"^AREAS := (.+)$", makefile, re.MULTILINE)
    assert listed is not None
    assert listed[1].split() == list(AREAS)

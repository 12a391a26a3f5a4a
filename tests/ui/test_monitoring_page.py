"""What moved, since when, does it hurt? The heat map, the loss below it, and the numbers of both."""

from __future__ import annotations

import pytest

from tests.browsers import CHROMIUM
from tests.platforms import Served
from tests.ui.installation import Reader
from tests.ui.monitored import ALERT, WINDOWS, fill_windows

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.ui,
    pytest.mark.timeout(120),
]
PAGE = "/monitoring/dev/flight-delay"


@pytest.fixture(scope="module")
def windows(installation: Served) -> Served:
    fill_windows(installation.platform)
    return installation


def press(reader: Reader, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        reader.page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, text="\r" if key == "Enter" else "")


def test_the_picture_says_what_drifts_since_when(reader: Reader, windows: Served) -> None:
    reader.open(PAGE, "Monitoring of dev/flight-delay")
    assert "2 features are drifting: distance, carrier." in reader.see(".sentence", "brier is")
    first = "document.querySelector('.heat [role=row]')"
    assert reader.page.run(f"{first}.querySelectorAll('[role=gridcell]').length") == WINDOWS
    assert reader.page.run(f"{first}.querySelectorAll('.ring').length") == 6, "distance drifts since window 19"
    assert reader.page.run(f"{first}.querySelectorAll('.dot').length") == 7
    assert reader.page.run("document.querySelectorAll('.heat .alert').length") >= 2, "one, and one in the legend"
    assert ALERT in reader.see("article ul.plain")


def test_arrow_keys_walk_and_enter_chooses_a_window(reader: Reader, windows: Served) -> None:
    reader.open(PAGE)
    reader.see(".features", f"Window {WINDOWS}")
    reader.page.run("document.querySelector('.heat [tabindex=\"0\"]').focus()")
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft"):
        press(reader, key)
        reader.page.run("new Promise(requestAnimationFrame)")
    spoken = reader.page.run("document.activeElement.getAttribute('aria-label')")
    assert spoken.startswith("carrier,") and "Drifting" in spoken
    press(reader, "Enter")
    reader.see(".features", f"Window {WINDOWS - 2}")
    assert reader.page.run("location.search") == f"?window={WINDOWS - 2}"


def test_the_numbers_of_the_picture_are_in_tables(reader: Reader, windows: Served) -> None:
    reader.open(f"{PAGE}?window=3&sort=name")
    assert "too few rows" in reader.see(".features tbody", "month")
    assert reader.page.run("document.querySelectorAll('.losses tbody tr').length") == WINDOWS
    assert "0.18" in reader.see(".losses tr[aria-current]")


@pytest.mark.parametrize(("language", "theme", "heading"), [("en", "light", "Monitoring"), ("ar", "dark", "مراقبة")])
def test_everyone_reads_it(reader: Reader, windows: Served, language: str, theme: str, heading: str) -> None:
    reader.choose(language=language, theme=theme)
    reader.open(PAGE, heading)
    reader.see(".features tbody", "distance")
    assert reader.violations() == []
    assert reader.page.run("document.querySelector('.heat').getAttribute('direction')") == "ltr"

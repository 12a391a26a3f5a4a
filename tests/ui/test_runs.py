"""My run failed: which line says why?"""

from __future__ import annotations

import pytest

from tests.browsers import CHROMIUM
from tests.platforms import Served
from tests.ui.installation import ERROR, Reader, fail_run

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.ui,
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def failed(installation: Served) -> str:
    return fail_run(installation.platform)


def test_from_the_login_to_the_line_that_says_why(visitor: Reader, failed: str) -> None:
    visitor.open("/runs?state=failed")
    visitor.see("h1", "Log in")
    visitor.log_in()
    visitor.see("h1", "Runs")
    visitor.click(f'a[href="/runs/{failed}"]')
    visitor.see("section.why", "It failed at the step")
    assert ERROR in visitor.see("section.why")
    assert ERROR in visitor.see("li.marked") and "402" in visitor.see("li.marked")
    assert visitor.page.run("document.title").startswith("Run ")
    assert visitor.page.run("document.activeElement.tagName") == "H1"


def test_filters_stand_in_the_address(reader: Reader, failed: str) -> None:
    reader.open("/runs?state=succeeded")
    reader.see("tbody", "flight-delay@1")
    assert failed not in reader.see("tbody")
    reader.select(".filters select", "failed")
    reader.see("tbody", failed)
    assert reader.page.run("location.search") == "?state=failed"


def test_a_line_has_an_address(reader: Reader, failed: str) -> None:
    reader.open(f"/runs/{failed}?node=fit&line=7")
    assert "epoch 7" in reader.see("li.marked")


def test_nobody_reads_on_after_logging_out(reader: Reader) -> None:
    reader.open("/runs")
    reader.click("details.reader summary")
    reader.click("details.reader .menu > button")
    reader.see("h1", "Log in")
    reader.open("/runs")
    reader.see("h1", "Log in")


@pytest.mark.parametrize(("language", "theme", "heading"), [("en", "light", "Run"), ("ar", "dark", "التشغيل")])
def test_pages_can_be_used_by_everyone(reader: Reader, failed: str, language: str, theme: str, heading: str) -> None:
    reader.choose(language=language, theme=theme)
    for path, row in (("/runs", failed), (f"/runs/{failed}", "fit")):
        reader.open(path, heading)
        reader.see("tbody", row)
        assert reader.page.run("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
        assert reader.violations() == []

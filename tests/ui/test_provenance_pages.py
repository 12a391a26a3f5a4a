"""Who did what, and can I prove it? Where did a thing, and a prediction, come from?"""

from __future__ import annotations

import json

import pytest

from falaj.trust import audit
from tests.api.people import grant
from tests.browsers import CHROMIUM
from tests.platforms import PREDICTION, Served
from tests.ui.installation import NAME, Reader

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed"),
    pytest.mark.ui,
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def audited(installation: Served) -> Served:
    """A reader who may read the log, which has some entries."""
    grant(installation.platform.database, NAME, "auditor")
    with installation.platform.database.transaction() as session:
        audit.append(session, [audit.AuditEntry(f"demo.{n}", "user:ana", "thing", {"n": n}) for n in range(6)], 1.0)
    return installation


def index_of(served: Served, kind: str) -> int:
    with served.platform.database.reading() as session:
        return audit.entries(session, audit.EntryFilter(kind=kind))[0].index


def test_the_page_proves_an_entry_and_that_the_log_was_only_continued(reader: Reader, audited: Served) -> None:
    index = index_of(audited, "demo.2")
    reader.open("/audit?kind=demo.")
    reader.click(f'a[href="/audit/{index}"]')
    reader.see(".proof", "The entry stands in the log of")
    assert "saw no checkpoint before" in reader.see(".proof")
    assert '"n": 2' in reader.see("pre")
    with audited.platform.database.transaction() as session:
        audit.append(session, [audit.AuditEntry("demo.late", "user:ana", "thing")], 2.0)
    reader.open(f"/audit/{index_of(audited, 'demo.late')}")
    reader.see(".proof", "The log continues the one that this browser saw last")
    assert reader.page.run("document.querySelectorAll('.proof .shape.ok').length") == 2


def test_a_log_that_is_another_one_is_called_so(reader: Reader, audited: Served) -> None:
    forged = json.dumps(json.dumps({"size": 3, "root": "00" * 32}))
    reader.page.run(f"localStorage.setItem('falaj.checkpoint', {forged})")
    reader.open(f"/audit/{index_of(audited, 'demo.1')}")
    reader.see(".proof", "does not continue the one that this browser saw last")
    assert reader.page.run("document.querySelectorAll('.proof .shape.bad').length") == 1
    assert reader.page.run("localStorage.getItem('falaj.checkpoint')") == json.loads(forged), "it is not forgotten"


def test_a_prediction_leads_to_its_run_and_data(reader: Reader, audited: Served) -> None:
    reader.open(f"/predictions/{PREDICTION}")
    assert "flight-delay@1" in reader.see("dl.facts", audited.run_id)
    reader.click('tbody a[href^="/lineage?node=artifact"]')
    reader.see("h1", "Lineage of artifact:sha256:")


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ar", "dark")])
def test_everyone_reads_them(reader: Reader, audited: Served, language: str, theme: str) -> None:
    reader.choose(language=language, theme=theme)
    pages = {
        f"/audit/{index_of(audited, 'demo.3')}": (".proof", "falaj audit verify"),
        f"/predictions/{PREDICTION}": ("tbody", "flights"),
        f"/lineage?node=run:{audited.run_id}": ("h1", audited.run_id),
    }
    assert reader.violations_of(pages) == {}


def test_the_palette_leads_from_the_id_of_a_prediction_to_its_data(reader: Reader, audited: Served) -> None:
    reader.open("/me")
    reader.click("button.find")
    reader.type("dialog.palette input", PREDICTION)
    reader.see("#places", "prediction")
    reader.click("#places li")
    reader.see("tbody", "flights")

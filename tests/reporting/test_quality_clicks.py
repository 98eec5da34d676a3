"""The quality page in a browser: filter, search, decide, save; the workflow reads the file back."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import pytest

from brainage.core.config import defaults
from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import MEASURES, QC
from brainage.core.derivatives import PICTURE, derivative
from brainage.core.named_scans import read_decisions
from brainage.core.tables import read_table, write_table
from brainage.imaging.quality import assess
from brainage.reporting.quality_page import write_quality_page
from tests.imaging.test_quality import cohort
from tests.reporting.conftest import check_page
from tests.reporting.fake_results import SETTINGS, picture

pytestmark = pytest.mark.slow  # a browser

FAULT, ODD = "demo_sub-02", "demo_sub-03"


class Study:
    """Thirty scans of two sites, judged and shown as the workflow does it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        imaging = folder / "imaging"
        scans, measures = cohort(imaging)
        scans["diagnosis"] = ["CN", "AD", "CN"] * 10
        scans["healthy"] = scans["always_healthy"] = scans["diagnosis"] == "CN"
        measures["fault"] = measures["fault"].astype(object)
        measures.loc[2, "fault"] = "the file ends early"
        measures.loc[3, "template_overlap"] = 0.6
        write_table(scans, folder / "scans.tsv", SCANS)
        write_table(measures, imaging / "chunks" / "demo_0.tsv", MEASURES)
        for scan_id in scans["scan_id"].drop(2):
            path = derivative(imaging, scan_id, PICTURE)
            path.write_bytes(picture())

    def run(self, decisions: Path | None = None) -> str:
        """Judge and write the page; return the page's address."""
        settings = copy.deepcopy(SETTINGS)
        settings["quality"] = defaults("quality") | {"decisions": decisions and str(decisions)}
        imaging = self.folder / "imaging"
        self.settings = settings
        measures, qc = [imaging / "chunks" / "demo_0.tsv"], imaging / "qc.tsv"
        assess(measures, self.folder / "scans.tsv", qc, settings["quality"], imaging)
        return self.show(imaging / "qc.tsv")

    def show(self, qc: Path) -> str:
        """Write the page of judged scans; return its address."""
        page, scans = self.folder / "page", self.folder / "scans.tsv"
        write_quality_page(qc, scans, self.folder / "imaging", page, self.settings)
        check_page(page / "index.html", page)
        return (page / "index.html").as_uri()

    def qc(self) -> Any:
        """Return qc.tsv by scan_id."""
        return read_table(self.folder / "imaging" / "qc.tsv", QC).set_index("scan_id")


@pytest.fixture
def small(tmp_path: Path) -> Study:
    return Study(tmp_path)


class Reader:
    """A person at the page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)
        assert self.text("#shown") == "30 of 30 shown"

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def choose(self, name: str, option: str) -> str:
        options = self.driver.find_elements("css selector", f"#{name} option")
        next(one for one in options if one.get_attribute("value") == option).click()
        return self.text("#shown")

    def type(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def press(self, scan_id: str, say: str) -> None:
        button = self.find(f'[id="{scan_id}"] button[data-say="{say}"]')
        # The driver may else leave it under the bar that stays on top.
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def pressed(self, scan_id: str) -> list[str]:
        buttons = self.driver.find_elements(
            "css selector", f'[id="{scan_id}"] button[aria-pressed="true"]'
        )
        return [button.get_attribute("data-say") for button in buttons]

    def rows(self, scan_id: str) -> list[Any]:
        """Wait for the table of a scan's measures; return its rows."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            rows = self.driver.find_elements("css selector", f'[id="{scan_id}"] tbody tr')
            if rows:
                return rows
            time.sleep(0.1)
        raise AssertionError(f"no measures were shown of {scan_id}")

    def focused(self) -> str:
        script = "return document.activeElement.closest('.scans > li').id"
        return self.driver.execute_script(script)

    def asks_before_leaving(self) -> bool:
        """Whether the page would have the browser ask; the driver itself answers such questions."""
        return self.driver.execute_script(
            "const leaving = new Event('beforeunload', {cancelable: true});"
            "window.dispatchEvent(leaving); return leaving.defaultPrevented"
        )

    def save(self, folder: Path) -> Path:
        """Press Save and wait for the file."""
        saved = folder / "qc_decisions.tsv"
        self.find("#save").click()
        until = time.monotonic() + 30
        while not saved.is_file() and time.monotonic() < until:
            time.sleep(0.1)
        assert saved.is_file()
        return saved


@pytest.fixture
def reader(browser: Any) -> Reader:
    return Reader(browser)


def test_a_click_through_is_saved_and_read_back(
    small: Study, reader: Reader, downloads: Path
) -> None:
    reader.open(small.run())
    before = small.qc()
    assert before.loc[[FAULT, ODD], "verdict"].to_list() == ["fail", "fail"]

    assert reader.choose("verdict", "fail") == "2 of 30 shown"
    assert reader.choose("group", "AD") == "0 of 30 shown"
    reader.choose("group", "")
    reader.choose("verdict", "")
    assert reader.choose("site", "A") == "15 of 30 shown"
    reader.choose("site", "")
    reader.find("#search").send_keys("Sub-07")
    assert reader.text("#shown") == "1 of 30 shown"
    assert not reader.find('[id="demo_sub-08"]').is_displayed()

    reader.press("demo_sub-07", "drop")
    comment = reader.find('[id="demo_sub-07"] input')
    comment.send_keys('a "second" head, j 1 2 0')
    reader.find("#search").clear()
    reader.press(ODD, "keep")
    assert "2 decisions: 1 keep, 1 drop; 2 new, not saved" in reader.text("#said")
    assert "Automatic verdict: fail" in reader.text(f'[id="{ODD}"] .new')
    assert not reader.find(f'[id="{FAULT}"] button[data-say="keep"]').is_enabled()

    saved = reader.save(downloads)
    assert saved.read_text() == (
        "scan_id\tdecision\tcomment\n"
        f"{ODD}\tkeep\tn/a\n"
        'demo_sub-07\tdrop\t"a ""second"" head, j 1 2 0"\n'
    )
    assert "not saved" not in reader.text("#said")

    # The workflow reads it, and shows whose word it is.
    place = small.folder / "mine" / "qc_decisions.tsv"
    place.parent.mkdir()
    saved.rename(place)
    reader.open(small.run(place))
    after = small.qc()
    assert after.loc[ODD, "verdict"] == "pass"
    assert after.loc["demo_sub-07", "verdict"] == "fail"
    assert after.loc["demo_sub-07", "comment"] == 'a "second" head, j 1 2 0'
    assert (after["machine_verdict"] == before["verdict"]).all()
    card = reader.text('[id="demo_sub-07"]')
    assert "fail (manual decision)" in card
    assert 'Dropped by manual decision (a "second" head, j 1 2 0); automatic verdict: pass' in card

    # What is in force is there already: another decision does not lose it, and nothing is new.
    assert reader.pressed("demo_sub-07") == ["drop"]
    assert reader.text("#said") == "2 decisions: 1 keep, 1 drop; 0 new"
    reader.press("demo_sub-11", "drop")
    reader.press(ODD, "")
    assert reader.choose("decision", "new") == "2 of 30 shown"
    said = read_decisions(reader.save(downloads), set(after.index))
    decisions = {scan_id: decision for scan_id, (decision, _) in said.items()}
    assert decisions == {"demo_sub-07": "drop", "demo_sub-11": "drop"}


def test_keys_decide_and_never_while_somebody_types(small: Study, reader: Reader) -> None:
    reader.open(small.run())
    order = [card.get_attribute("id") for card in reader.driver.find_elements(
        "css selector", ".scans > li")]  # fmt: skip
    assert order[:2] == [ODD, FAULT]
    reader.type("j")
    reader.type("j")
    assert reader.focused() == FAULT
    reader.type("1")
    assert reader.pressed(FAULT) == []
    assert "cannot be kept" in reader.text("#told")
    reader.type("k")
    assert reader.focused() == ODD
    reader.type("1")
    assert reader.pressed(ODD) == ["keep"]
    reader.type("2")
    assert reader.pressed(ODD) == ["drop"]
    reader.type("c")
    reader.type("0 j k 1 m /")
    assert reader.find(f'[id="{ODD}"] input').get_attribute("value") == "0 j k 1 m /"
    assert reader.pressed(ODD) == ["drop"]
    reader.type("\ue00c")  # Escape
    assert reader.focused() == ODD
    reader.type("0")
    assert reader.pressed(ODD) == []
    reader.type("j")
    reader.type("k")
    reader.type("m")
    # The browser tells of an opened part, whereupon the page fills it, when it comes to it.
    rows = reader.rows(ODD)
    assert len(rows) == 10
    row = next(row for row in rows if row.text.startswith("overlap with"))
    assert row.find_element("css selector", "td.odd").text == "0.600 *"
    strip = row.find_element("css selector", "svg")
    assert strip.get_attribute("aria-label").startswith("higher than ")
    assert strip.size["width"] > 60
    reader.type("/")
    reader.type("sub-1", "\ue007")  # Enter
    assert reader.text("#shown") == "10 of 30 shown"
    first = reader.focused()
    assert first.startswith("demo_sub-1")
    reader.type("j")
    assert reader.focused() != first
    # By Tab alone: from the card to its buttons, and one is pressed by the space bar.
    reader.type("\ue004")
    reader.type(" ")
    assert "1 decision: 1 keep, 0 drop" in reader.text("#said")


def test_a_closed_tab_loses_nothing(small: Study, reader: Reader, downloads: Path) -> None:
    address = small.run()
    reader.open(address)
    reader.press("demo_sub-09", "drop")
    reader.find('[id="demo_sub-09"] input').send_keys("stripes")
    assert reader.asks_before_leaving()
    reader.open(address)
    assert reader.pressed("demo_sub-09") == ["drop"]
    assert reader.find('[id="demo_sub-09"] input').get_attribute("value") == "stripes"
    assert "1 new, not saved" in reader.text("#said")
    assert "of an earlier visit" in reader.text("#told")
    reader.save(downloads)
    assert not reader.asks_before_leaving()
    # Saved, not yet in force: a page opened again still has it, for the next file.
    reader.open(address)
    assert reader.text("#said") == "1 decision: 0 keep, 1 drop; 1 new"


def test_what_another_decision_has_overtaken_is_forgotten(small: Study, reader: Reader) -> None:
    reader.open(small.run())
    reader.press("demo_sub-09", "drop")
    reader.press("demo_sub-11", "drop")
    # One came into force, on the other somebody else decided otherwise.
    place = small.folder / "qc_decisions.tsv"
    place.write_text("scan_id\tdecision\ndemo_sub-09\tdrop\ndemo_sub-11\tkeep\n")
    reader.open(small.run(place))
    assert reader.text("#said") == "2 decisions: 1 keep, 1 drop; 0 new"
    assert reader.pressed("demo_sub-11") == ["keep"]
    # They were taken back in the file: this browser doesn't bring them up again.
    reader.open(small.run())
    assert reader.text("#said") == "0 decisions: 0 keep, 0 drop; 0 new"
    assert not reader.asks_before_leaving()


def test_a_word_outlives_scans_that_come_and_go(
    small: Study, reader: Reader, downloads: Path
) -> None:
    address = small.run()
    reader.open(address)
    reader.press("demo_sub-09", "drop")
    reader.press("demo_sub-11", "drop")
    fewer = small.folder / "fewer.tsv"
    write_table(small.qc().reset_index().drop(9), fewer, QC)
    reader.driver.get(small.show(fewer))
    assert reader.text("#shown") == "29 of 29 shown"
    assert reader.text("#said") == "1 decision: 0 keep, 1 drop; 1 new, not saved"
    reader.save(downloads)
    # The file that was saved had nothing of the scan that was not there.
    reader.open(small.run())
    assert reader.text("#said") == "2 decisions: 0 keep, 2 drop; 2 new, not saved"


def test_where_the_browser_cannot_remember_the_warning_stays(
    small: Study, reader: Reader, downloads: Path
) -> None:
    reader.open(small.run())
    reader.driver.execute_script("Storage.prototype.setItem = () => { throw new Error('full') }")
    assert not reader.asks_before_leaving()
    reader.press("demo_sub-09", "drop")
    reader.save(downloads)
    assert "should be among your downloads" in reader.text("#told")
    assert reader.asks_before_leaving()

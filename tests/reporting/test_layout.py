"""The pages in a browser: nothing is cut at an edge, in windows of three widths and on paper."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from brainage.core.contracts.statistics import ACCURACY
from brainage.core.tables import read_table, write_table
from brainage.reporting.person import write_person_pages
from brainage.reporting.quality_page import write_quality_page
from brainage.reporting.section import Software
from brainage.reporting.study import write_study_page
from tests.reporting.fake_results import SETTINGS

pytestmark = pytest.mark.slow  # a browser

A4 = 794 - 2 * 53  # pixels between margins of 14 mm
# What reaches beyond the window, or beyond a box of its own that scrolls.
TOO_WIDE = """
const edge = document.documentElement.clientWidth + 1, found = [];
for (const element of document.body.querySelectorAll('*')) {
  const box = element.getBoundingClientRect();
  if (box.width && box.right > edge && !element.closest('.scroll, svg, .skip')) {
    found.push(element.tagName + ' ' + element.textContent.trim().slice(0, 60));
  }
}
return found;
"""
CUT_TABLES = """
return [...document.querySelectorAll('.scroll')]
  .filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => box.getAttribute('aria-label').slice(0, 60));
"""


@pytest.fixture(scope="module")
def pages(study: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write every page of a study with an ensemble, warnings and long names."""
    root = tmp_path_factory.mktemp("layout") / "report"
    settings = copy.deepcopy(SETTINGS)
    settings["report"]["people"] = ["sub-C001"]
    frame = read_table(study["accuracy"], ACCURACY)
    own = frame["experiment"].isin(["lexp", "y_aware", "l1"])
    frame.loc[own, ["seed_low", "seed_high"]] = [3.91, 5.02]
    both = [frame, frame[own].assign(predictor="ensemble")]
    inputs = {**study, "accuracy": root.parent / "accuracy.tsv", "people": True}
    write_table(pd.concat(both), inputs["accuracy"], ACCURACY)
    warning = "torch 2.12.1 and 2.13.0 were used, but the lock file pins 2.13.0."
    write_study_page(inputs, root, settings, Software([("torch", "2.13.0")], [warning]))
    write_quality_page(study["qc"], study["scans"], study["derivatives"], root / "qc", settings)
    (person,) = write_person_pages(study, study["derivatives"], root / "people", settings)
    return {
        "study": root / "index.html",
        "quality": root / "qc" / "index.html",
        "people": root / "people" / "index.html",
        "person": person,
    }


def show(browser: Any, page: Path, width: int, media: str = "", height: int = 1000) -> None:
    """Open a page in a window whose inside is so wide, as on a screen or as on paper."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
    browser.get(page.as_uri())


def test_no_page_is_cut_at_its_edge(browser, pages):
    for name, page in pages.items():
        for width in (800, 1100, 1600):
            show(browser, page, width)
            assert browser.execute_script(TOO_WIDE) == [], (name, width)
            if width > 1000:  # a table of ten columns may scroll in a narrower window
                assert browser.execute_script(CUT_TABLES) == [], (name, width)


def test_no_table_is_cut_on_paper(browser, pages):
    for name, page in pages.items():
        show(browser, page, A4, "print")
        assert browser.execute_script(TOO_WIDE.replace("'.scroll, svg", "'svg")) == [], name

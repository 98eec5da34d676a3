"""One made-up study, written once, and what every page is held to."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from brainage.core.contracts.cohort import SCANS, SPLITS, TRUTH
from brainage.core.contracts.grid import GRID_ACCURACY, GRID_DIAGNOSIS, GRID_SITES
from brainage.core.contracts.imaging import QC
from brainage.core.contracts.learning import HISTORY
from brainage.core.contracts.probing import PREDICTIONS, SITE_PROBE
from brainage.core.contracts.statistics import (
    ACCURACY,
    GAPS,
    GROUPS,
    PERSON_SLOPES,
    REFERENCE,
    ROC,
    ROC_CURVES,
    SLOPES,
)
from brainage.core.tables import read_table, write_table
from brainage.reporting.person import write_person_pages
from brainage.reporting.study import write_study_page
from tests.conftest import lacking
from tests.reporting.fake_results import SETTINGS, write_results

VOID = {"meta", "img", "link", "br", "input", "hr"}
SVG_EMPTY = {"rect", "circle", "line", "path"}


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Paths of all results of a small made-up study."""
    return write_results(tmp_path_factory.mktemp("study"), healthy=170, external=20, clinical=36)


@pytest.fixture
def settings() -> dict[str, Any]:
    """A config that a test may change."""
    return copy.deepcopy(SETTINGS)


@pytest.fixture
def edited(study: dict[str, Any], tmp_path: Path):
    """Give a function that returns the study with some tables changed by functions."""

    def edit(**changes: Any) -> dict[str, Any]:
        new = dict(study)
        for name, change in changes.items():
            table = TABLES[name]
            frame = change(read_table(study[name], table))
            new[name] = tmp_path / f"{name}.tsv"
            write_table(frame, new[name], table)
        return new

    return edit


TABLES = {
    "scans": SCANS,
    "qc": QC,
    "splits": SPLITS,
    "history": HISTORY,
    "predictions": PREDICTIONS,
    "site_probe": SITE_PROBE,
    "reference": REFERENCE,
    "gaps": GAPS,
    "accuracy": ACCURACY,
    "groups": GROUPS,
    "roc": ROC,
    "roc_curves": ROC_CURVES,
    "slopes": SLOPES,
    "person_slopes": PERSON_SLOPES,
    "truth": TRUTH,
    "grid_accuracy": GRID_ACCURACY,
    "grid_sites": GRID_SITES,
    "grid_diagnosis": GRID_DIAGNOSIS,
}


def empty(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table without its rows."""
    return frame.iloc[:0]


class Page(HTMLParser):
    """Reads a page and keeps what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that is to be read, with single spaces."""
        return " ".join(" ".join(self.words).split())


def check_page(path: Path, root: Path) -> Page:
    """Hold a page to the rules of all pages; return it read.

    Well formed; a language, a title, one h1 and headings in order; tables with scoped heads;
    pictures with alternative texts; every address inside `root`, there, and nothing from outside.
    """
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.tags[0] == ("html", {"lang": "en"})
    assert "title" in dict(page.tags)
    assert page.headings.count(1) == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert page.headings[0] == 1
    assert all(later <= earlier + 1 for earlier, later in steps)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        if tag == "img":
            assert attributes.get("alt")
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
        if tag == "svg":
            assert attributes.get("role") == "img" and attributes.get("aria-label")
        assert tag not in ("link", "iframe", "object", "embed")
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "xlink:href", "action", "poster"):
            address = attributes.get(name)
            if not address or address.startswith("data:image/png;base64,"):
                continue
            if address.startswith("#"):
                assert address[1:] in ids
                continue
            assert not re.match(r"[a-z][a-z0-9+.-]*:|//|/", address), address
            target = (path.parent / address).resolve()
            assert target.is_relative_to(root.resolve())
            # Links lead to pages that other commands write; what is loaded must be there.
            assert name == "href" or target.exists(), address
    for style in re.findall(r"<style>(.*?)</style>", text, re.DOTALL):
        assert "url(" not in style and "@import" not in style
    for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        assert "http" not in script and "import" not in script and "fetch" not in script
    for word in ("normal", "abnormal", "old brain", "accelerated"):
        assert word not in page.text.lower(), word
    return page


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The start of a Chromium command; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if found is None:
        lacking("Chromium is not here")
    profile = tmp_path_factory.mktemp("chromium")
    return [
        found,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ]


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Where the browser puts what a page saves."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def browser(chromium: list[str], downloads: Path, tmp_path: Path) -> Iterator[Any]:
    """Give a Chromium that can be clicked through; skips where its driver is not here."""
    driver_path = shutil.which("chromedriver")
    if driver_path is None:
        lacking("chromedriver (Debian's chromium-driver) is not here")
    try:
        from selenium import webdriver
    except ImportError:
        lacking("selenium is not here")
    options = webdriver.ChromeOptions()
    # Both places are given: nothing is looked for, and nothing loaded.
    options.binary_location = chromium[0]
    for flag in chromium[1:]:
        if not flag.startswith("--user-data-dir"):
            options.add_argument(flag)
    options.add_argument("--window-size=1300,1000")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_path))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def page(study: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Path]:
    """The page of the study, checked and read, and its folder."""
    root = tmp_path_factory.mktemp("page") / "report"
    write_study_page({**study, "people": True}, root, SETTINGS)
    return check_page(root / "index.html", root), root


@pytest.fixture
def write(settings: dict[str, Any], tmp_path: Path):
    """Give a function that writes pages and returns those asked for, checked and read."""

    def pages(inputs: dict[str, Any], people: Any = "clinical") -> dict[str, Page]:
        settings["report"]["people"] = people
        root = tmp_path / "people"
        (tmp_path / "index.html").touch()
        written = write_person_pages(inputs, inputs["derivatives"], root, settings)
        # Links to the study's page lead one folder up.
        return {path.stem: check_page(path, tmp_path) for path in written}

    return pages


def change_gaps(participant: str, **values: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return a function that sets columns of gaps.tsv for one person and the main experiment."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        rows = (frame["participant_id"] == participant) & (frame["experiment"] == "lexp")
        for name, value in values.items():
            frame.loc[rows, name] = value
        return frame

    return change

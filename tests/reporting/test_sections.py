"""A section of the study's page is one module: nothing else has to know of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from brainage.core.files import write_json
from brainage.reporting.section import sections
from tests.reporting.fake_results import SETTINGS

NEW = """
from brainage.reporting import style
from brainage.reporting.section import Figure, Section, Shown, Text

CHOICE = Section(
    label="Number of scans",
    sentence="how many scans there are",
    order=85,
    short="Scans",
    figures=(
        Figure(name="scan_count", category="People", label="Scans", caption="A bar of scans.",
               needs=("scans",)),
    ),
)


def reason(tables, settings):
    return "there is no scan" if tables["scans"].empty else None


def blocks(report):
    return [Text(f"There are {len(report.tables['scans'])} scans."), Shown("scan_count")]


def draw_scan_count(tables, settings):
    figure = style.new_figure()
    figure.subplots().bar([0], [len(tables["scans"])])
    return style.Picture(figure, "One bar.")
"""
RUN = """
import json, sys
from pathlib import Path
from brainage.core.choices import Choice
from brainage.reporting import sections, words
sections.__path__.append(sys.argv[1])
words.choices = lambda package: {"exp": Choice(label="L^exp", sentence="a loss")}
from brainage.reporting.figures import FIGURES
from brainage.reporting.study import write_study_page
assert "scan_count" in FIGURES
inputs, settings = json.loads(Path(sys.argv[2]).read_text())
write_study_page(inputs, Path(sys.argv[3]), settings)
"""


@pytest.mark.slow
def test_a_new_section_is_one_new_module(study, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "scan_count.py").write_text(NEW, encoding="utf-8")
    inputs = {name: str(study[name]) for name in ("scans", "qc", "splits")}
    write_json(tmp_path / "inputs.json", [inputs, SETTINGS])
    command = [sys.executable, "-c", RUN, folder, tmp_path / "inputs.json", tmp_path / "page"]
    source = Path(sections.__code__.co_filename).parents[2]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(source), "PATH": "/usr/bin"})
    text = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    people, new = text.index('<h2 id="people">'), text.index('<h2 id="scan_count">')
    assert people < new < text.index('<h2 id="quality">')
    assert '<a href="#scan_count">Scans</a>' in text
    assert '<img src="figures/scan_count.svg" alt="One bar.">' in text


def test_every_section_has_what_a_section_has():
    orders = [section.CHOICE.order for section in sections().values()]
    assert orders == sorted(set(orders))
    for section in sections().values():
        assert callable(section.reason) and callable(section.blocks)
        for figure in section.CHOICE.figures:
            assert callable(getattr(section, f"draw_{figure.name}"))
            assert figure.caption.endswith(".")

"""Figures: each is drawn, or says why not, and is the same each time."""

import subprocess
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

import pytest

from brainage.core.files import InputError
from brainage.core.tables import read_table
from brainage.reporting import figures
from tests.reporting.conftest import empty


@pytest.mark.slow
@pytest.mark.parametrize("name", figures.FIGURES)
def test_figure_is_drawn_from_the_tables_that_it_names(name, study, settings, tmp_path):
    needed = {table: study[table] for table in figures.FIGURES[name].needs}
    figures.draw(name, needed, tmp_path / "one.svg", settings)
    figures.draw(name, study, tmp_path / "two.svg", settings)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    available, text = figures.read_words(tmp_path / "one.svg")
    assert available
    assert len(text) > 40
    svg = (tmp_path / "one.svg").read_text()
    assert "<dc:date>" not in svg and str(tmp_path) not in svg
    addresses = [
        value
        for element in tree.fromstring(svg).iter()
        for key, value in element.attrib.items()
        if key.endswith("href")
    ]
    # Metadata names its vocabulary; nothing that is drawn may come from elsewhere.
    assert all(value.startswith("#") for value in addresses)


@pytest.mark.parametrize("name", figures.FIGURES)
@pytest.mark.slow
def test_figure_of_empty_tables_says_why_there_is_none(name, edited, settings, tmp_path):
    tables = figures.FIGURES[name].needs
    inputs = edited(**{table: empty for table in tables})
    figures.draw(name, inputs, tmp_path / "figure.svg", settings)
    available, text = figures.read_words(tmp_path / "figure.svg")
    assert not available
    assert "not available because" in text


def test_captions_for_snakemakes_report_are_those_of_the_pages(tmp_path):
    figures.write_captions(tmp_path)
    files = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.rst")}
    assert files == {name: f"{figure.caption}\n" for name, figure in figures.FIGURES.items()}
    written = (tmp_path / "flow.rst").stat().st_mtime_ns
    figures.write_captions(tmp_path)
    assert (tmp_path / "flow.rst").stat().st_mtime_ns == written


def test_planning_reads_the_figures_without_heavy_libraries():
    code = (
        "import sys; from brainage.reporting.figures import FIGURES; assert FIGURES; "
        "print(*sorted({'numpy', 'pandas', 'matplotlib', 'scipy', 'jinja2'} & set(sys.modules)))"
    )
    source = Path(figures.__file__).parents[2]
    environment = {"PYTHONPATH": str(source), "PATH": "/usr/bin"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_reasons_are_the_true_ones(edited, settings, tmp_path):
    def one_site(frame):
        return frame.assign(site="demo/only")

    def healthy(frame):
        return frame.assign(diagnosis="CN")

    def one_visit(frame):
        return frame[frame["session_id"] == "ses-1"]

    cases = {
        "site_predictability": ({"scans": one_site}, "one site (only)"),
        "gap_by_diagnosis": ({"scans": healthy}, "everyone is healthy (CN)"),
        "trajectories": ({"scans": one_visit}, "nobody has two visits"),
    }
    for name, (changes, reason) in cases.items():
        figures.draw(name, edited(**changes), tmp_path / f"{name}.svg", settings)
        available, text = figures.read_words(tmp_path / f"{name}.svg")
        assert not available
        assert reason in text


@pytest.mark.slow
def test_error_of_a_site_is_that_of_its_healthy_test_people(study, settings, tmp_path):
    from brainage.core.contracts.statistics import GAPS

    figures.draw("age_by_site", study, tmp_path / "figure.svg", settings)
    gaps = read_table(study["gaps"], GAPS)
    rows = gaps[(gaps["experiment"] == "lexp") & (gaps["role"] == "test")]
    rows = rows[(rows["site"] == "demo/C1") & (rows["diagnosis"] == "CN")]
    rows = rows[rows["session_id"] == "ses-1"]
    expected = f"C1: n {len(rows)}, MAE {rows['gap'].abs().mean():.1f} years"
    assert expected in figures.read_words(tmp_path / "figure.svg")[1]


@pytest.mark.slow
def test_hostile_names_do_not_break_a_figure(edited, settings, tmp_path):
    def rename(frame):
        return frame.assign(site=frame["site"].replace({"demo/E1": "demo/$x_{1}^ & <b>"}))

    figures.draw("age_by_site", edited(scans=rename, gaps=rename), tmp_path / "a.svg", settings)
    available, text = figures.read_words(tmp_path / "a.svg")
    assert available
    assert "$x_{1}^ & <b>" in text


def test_unknown_figure_is_named(study, settings, tmp_path):
    with pytest.raises(InputError, match="no figure 'pie'"):
        figures.draw("pie", study, tmp_path / "pie.svg", settings)

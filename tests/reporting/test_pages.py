"""Tables as they can be downloaded from a page."""

import pandas as pd
import pytest

from brainage.reporting import pages
from brainage.reporting.study import write_study_page
from tests.reporting.fake_results import SETTINGS


def test_no_text_of_a_table_is_a_formula_to_a_spreadsheet(tmp_path):
    rows = "scan_id\tsite\tscanner\tgap\n"
    rows += 'a\t=HYPERLINK(A1)\t"=a&""b"""\t-1.5\nb\t@SUM(A1)\t-Skyra\t+3\nc\tn/a\tx=1\t1e-05\n'
    (tmp_path / "scans.tsv").write_text(rows)
    pages.copy_table(tmp_path / "scans.tsv", tmp_path / "copy.tsv")
    copied = (tmp_path / "copy.tsv").read_text()
    assert copied == (
        "scan_id\tsite\tscanner\tgap\n"
        'a\t\'=HYPERLINK(A1)\t"\'=a&""b"""\t-1.5\nb\t\'@SUM(A1)\t\'-Skyra\t+3\n'
        "c\tn/a\tx=1\t1e-05\n"
    )


@pytest.mark.slow
def test_the_downloads_of_the_page_hold_no_formula(study, tmp_path):
    scans = pd.read_csv(study["scans"], sep="\t", dtype=str, keep_default_na=False)
    scans["scanner"] = "=1+1"
    scans.to_csv(tmp_path / "scans.tsv", sep="\t", index=False)
    root = tmp_path / "report"
    write_study_page({**study, "scans": tmp_path / "scans.tsv"}, root, SETTINGS)
    assert "\t'=1+1\t" in (root / "tables" / "scans.tsv").read_text()
    assert "\t=1+1\t" not in (root / "tables" / "scans.tsv").read_text()

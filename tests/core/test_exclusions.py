"""Scans that a user excludes."""

from __future__ import annotations

from pathlib import Path

import pytest

from brainage.core.exclusions import read_exclusions
from brainage.core.files import InputError

SCANS = {"demo_sub-A_ses-1", "demo_sub-B_ses-1", "demo_sub-C_ses-1"}


def table(folder: Path, text: str) -> Path:
    path = folder / "exclude.tsv"
    path.write_text(text)
    return path


def test_a_reason_may_be_given(tmp_path: Path) -> None:
    path = table(tmp_path, "scan_id\treason\ndemo_sub-A_ses-1\tno consent\ndemo_sub-C_ses-1\tn/a\n")
    expected = {"demo_sub-A_ses-1": "no consent", "demo_sub-C_ses-1": None}
    assert read_exclusions(path, SCANS) == expected
    assert read_exclusions(table(tmp_path, "scan_id\ndemo_sub-A_ses-1\n"), None) == {
        "demo_sub-A_ses-1": None
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scan_id\ndemo_sub-B_ses-1\ndemo_sub-B_ses-2\n", r"row 3.*did you mean demo_sub-B_ses-1"),
        ("scan_id\ndemo_sub-B_ses-1\ndemo_sub-B_ses-1\n", "rows 2 and 3"),
        ("scan\ndemo_sub-B_ses-1\n", "'scan_id' is missing"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_exclusions(table(tmp_path, text), SCANS)


def test_a_missing_file_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"imaging\.exclude"):
        read_exclusions(tmp_path / "none.tsv", SCANS)

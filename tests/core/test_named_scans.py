from pathlib import Path

import pytest

from brainage.core.files import InputError
from brainage.core.named_scans import read_decisions, read_exclusions


def decisions(tmp_path, *rows):
    path = tmp_path / "qc_decisions.tsv"
    path.write_text("\n".join(rows) + "\n")
    return read_decisions(path, ["d_sub-1", "d_sub-2"])


def test_decisions_are_read_with_and_without_comments(tmp_path):
    said = decisions(tmp_path, "scan_id\tdecision", "d_sub-2\tdrop")
    assert said["d_sub-2"] == ("drop", None)
    said = decisions(
        tmp_path, "scan_id\tdecision\tcomment", "d_sub-2\tkeep\tn/a", 'd_sub-1\tdrop\t"a ""b"""'
    )
    assert said["d_sub-1"][1] == 'a "b"'
    assert said["d_sub-2"][1] is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("d_sub-3\tdrop", r"row 3: there is no scan 'd_sub-3' \(did you mean d_sub-\d\?\)"),
        ("d_sub-1\tkeep", r"rows 2 and 3 have the same key \(scan_id=d_sub-1\); keep one"),
        ("d_sub-2\tmaybe", r"row 3, column 'decision': 'maybe' is not one of keep, drop"),
        ("d_sub-2\tn/a", r"row 3, column 'decision': a value is required"),
    ],
)
def test_a_decision_on_no_scan_twice_or_in_another_word_is_named(tmp_path, row, message):
    with pytest.raises(InputError, match=r"qc_decisions\.tsv: " + message):
        decisions(tmp_path, "scan_id\tdecision", "d_sub-1\tdrop", row)


def test_a_quotation_mark_left_open_in_a_comment_swallows_no_decision(tmp_path):
    said = decisions(
        tmp_path,
        "scan_id\tdecision\tcomment",
        'd_sub-1\tdrop\t"open',
        'd_sub-2\tdrop\tthe "other" head"',
    )
    assert said == {"d_sub-1": ("drop", '"open'), "d_sub-2": ("drop", 'the "other" head"')}
    with pytest.raises(InputError, match=r"tsv: row 2 has 4 values, the header 3"):
        decisions(tmp_path, "scan_id\tcomment\tdecision", 'd_sub-1\t"a\tb"\tdrop')


def test_decisions_that_are_not_there_are_named_with_the_key(tmp_path):
    with pytest.raises(InputError, match=r"quality\.decisions: there is no file .*gone\.tsv"):
        read_decisions(tmp_path / "gone.tsv", ["d_sub-1"])


SCANS = {"demo_sub-A_ses-1", "demo_sub-B_ses-1", "demo_sub-C_ses-1"}


def exclusions_table(folder: Path, text: str) -> Path:
    path = folder / "exclude.tsv"
    path.write_text(text)
    return path


def test_a_reason_may_be_given(tmp_path: Path) -> None:
    path = exclusions_table(
        tmp_path, "scan_id\treason\ndemo_sub-A_ses-1\tno consent\ndemo_sub-C_ses-1\tn/a\n"
    )
    expected = {"demo_sub-A_ses-1": "no consent", "demo_sub-C_ses-1": None}
    assert read_exclusions(path, SCANS) == expected
    assert read_exclusions(exclusions_table(tmp_path, "scan_id\ndemo_sub-A_ses-1\n"), None) == {
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
        read_exclusions(exclusions_table(tmp_path, text), SCANS)


def test_a_missing_file_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"imaging\.exclude"):
        read_exclusions(tmp_path / "none.tsv", SCANS)

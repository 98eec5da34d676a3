import pytest

from brainage.core.decisions import read_decisions
from brainage.core.files import InputError


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


def test_a_quotation_mark_left_open_in_a_comment_is_named_and_swallows_no_decision(tmp_path):
    with pytest.raises(InputError, match=r"tsv: row 2: a quotation mark is not closed"):
        decisions(
            tmp_path,
            "scan_id\tdecision\tcomment",
            'd_sub-1\tdrop\t"open',
            'd_sub-2\tdrop\tthe "other" head"',
        )
    with pytest.raises(InputError, match=r"tsv: row 2: a quotation mark is not closed"):
        decisions(tmp_path, "scan_id\tcomment\tdecision", 'd_sub-1\t"a\tb"\tdrop')


def test_decisions_that_are_not_there_are_named_with_the_key(tmp_path):
    with pytest.raises(InputError, match=r"quality\.decisions: there is no file .*gone\.tsv"):
        read_decisions(tmp_path / "gone.tsv", ["d_sub-1"])

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainage.core.contract import Column, Table
from brainage.core.contracts.cohort import SPLITS
from brainage.core.contracts.imaging import QC
from brainage.core.files import InputError
from brainage.core.tables import check_table, read_table, write_table

INDEX = Table(
    "index.tsv",
    "Rows of an array.",
    (Column("scan_id", "text", "the scan"), Column("row", "integer", "its row")),
    key=("scan_id",),
)
QC_ROWS = pd.DataFrame(
    {"verdict": ["pass", "fail"], "scan_id": ["d_sub-2", "d_sub-1"], "reason": [None, "no brain"]}
)


def test_a_table_comes_back_as_it_was_written_sorted_by_key(tmp_path):
    path = tmp_path / "qc.tsv"
    write_table(QC_ROWS.assign(snr=[1.25, float("nan")]), path, QC)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert [[*line[:3], line[-1]] for line in lines] == [
        ["scan_id", "verdict", "reason", "snr"],
        ["d_sub-1", "fail", "no brain", "n/a"],
        ["d_sub-2", "pass", "n/a", "1.25"],
    ]
    back = read_table(path, QC)
    assert back["snr"].iloc[1] == 1.25
    assert back["reason"].to_list() == ["no brain", None]


@given(st.text(max_size=20), st.floats(-1e6, 1e6))
@settings(max_examples=50, deadline=None)
@pytest.mark.slow
def test_any_text_stays_in_its_cell(tmp_path_factory, text, number):
    path = tmp_path_factory.mktemp("t") / "qc.tsv"
    rows = pd.DataFrame(
        {"scan_id": ["a"], "verdict": ["warn"], "reason": [text], "measure": [number]}
    )
    write_table(rows, path, QC)
    back = read_table(path, QC)
    assert len(back) == 1
    assert back["measure"].iloc[0] == pytest.approx(number, rel=1e-7)
    as_written = re.sub(r"[\t\r\n]+", " ", text)
    assert back["reason"].iloc[0] == (None if as_written == "n/a" else as_written)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"verdict": ["pass", "perfect"]},
            r"row 3, column 'verdict': 'perfect' is not one of",
        ),
        ({"verdict": [None, "pass"]}, r"row 2, column 'verdict': a value is required"),
        ({"scan_id": ["a", "a"]}, r"rows 2 and 3 have the same key \(scan_id=a\)"),
    ],
)
def test_a_broken_row_is_named(change, message):
    with pytest.raises(InputError, match=message):
        check_table(QC_ROWS.assign(**change), QC, "qc.tsv")


def test_a_missing_and_an_unknown_column_are_named():
    index = pd.DataFrame({"scan_id": ["a"], "rwo": ["1"]})
    with pytest.raises(InputError, match=r"'row' is missing \(did you mean 'rwo'"):
        check_table(index, INDEX, "index.tsv")
    with pytest.raises(InputError, match="unknown column 'more'"):
        check_table(pd.DataFrame({"scan_id": ["a"], "row": ["1"], "more": ["x"]}), INDEX, "i")
    with pytest.raises(InputError, match="not a whole number"):
        check_table(pd.DataFrame({"scan_id": ["a"], "row": ["1.5"]}), INDEX, "i")
    with pytest.raises(InputError, match="not a number"):
        check_table(pd.DataFrame({"scan_id": ["a"], "row": ["one"]}), INDEX, "i")


def test_what_breaks_a_contract_is_not_written(tmp_path):
    with pytest.raises(InputError):
        write_table(QC_ROWS.assign(verdict="good"), tmp_path / "qc.tsv", QC)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table_keeps_its_columns(tmp_path):
    path = tmp_path / "splits.tsv"
    write_table(pd.DataFrame(columns=list(SPLITS.names)), path, SPLITS)
    assert read_table(path, SPLITS).empty


def test_a_row_is_a_line_whatever_marks_are_in_it(tmp_path):
    path = tmp_path / "index.tsv"
    path.write_text('scan_id\trow\n"a\t0\n"b ""c"""\t1\nd"\t2\n')
    assert read_table(path, INDEX)["scan_id"].to_list() == ['"a', 'b "c"', 'd"']


def test_the_two_rows_of_one_key_are_named_by_their_lines(tmp_path):
    path = tmp_path / "index.tsv"
    path.write_text("scan_id\trow\na\t0\nb\t1\n\nb\t2\na\t3\n")
    with pytest.raises(InputError, match=r"rows 3 and 5 have the same key \(scan_id=b\)"):
        read_table(path, INDEX)


def test_windows_line_ends_and_byte_order_marks_do_no_harm(tmp_path):
    path = tmp_path / "index.tsv"
    path.write_bytes(b"\xef\xbb\xbfscan_id\trow\r\na\t0\r\n")
    assert read_table(path, INDEX)["row"].to_list() == [0]

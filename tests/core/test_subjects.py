"""The scanners of some scans."""

import pandas as pd
import pytest

from brainage.core.subjects import scanners_of


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([("a", "a/X", None), ("a", "a/X", None)], ["a/X"]),
        ([("a", "a/X", "tim"), ("a", "a/X", None)], ["a/X, tim"]),
        ([("a", "a/X", "tim"), ("a", "a/X", "trio")], ["a/X, tim", "a/X, trio"]),
        # Two data sets with one name of a site, and of a scanner, have two.
        ([("a", "a/X", "tim"), ("b", "b/X", "tim")], ["a/X, tim", "b/X, tim"]),
        ([("a", None, None), ("b", None, "tim")], ["a/(unknown)", "b/(unknown), tim"]),
        (
            [("a", "a/X", "tim"), ("a", "a/X", "trio"), ("a", "a/Y", None)],
            ["a/X, tim", "a/X, trio", "a/Y"],
        ),
        # A scan without a site may be of the one that is known.
        ([("a", "a/X", None), ("a", None, None)], ["a/X"]),
        ([("a", "a/X", "tim"), ("a", None, "tim")], ["a/X, tim"]),
        ([("a", "a/X", None), ("a", None, "tim")], ["a/X"]),
        ([("a", "a/X", "tim"), ("a", None, "trio")], ["a/(unknown), tim", "a/(unknown), trio"]),
    ],
)
def test_scanners(rows, expected):
    scans = pd.DataFrame(rows, columns=["dataset", "site", "scanner"], dtype=object)
    assert scanners_of(scans) == expected

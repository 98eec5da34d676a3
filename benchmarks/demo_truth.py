"""Add a row to benchmarks/demo_truth.tsv: how well a finished demo found its planted truth.

    python benchmarks/demo_truth.py RESULTS LABEL

RESULTS is the demo's folder of results, LABEL says in words what changed. All numbers are those of
the demo's own statistics/truth_recovery.tsv, by its main experiment:

mae_external, mae_all   years, uncorrected predicted age against age, healthy test people
ridge_external          the same of ridge on voxels
r_gaps (low, high)      corrected against true gap, all test people
slope_CN, _MCI, _AD     estimated slope of the corrected gap minus the true one of the people drawn,
                        years per year
slope_error             mean absolute value of these
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from brainage.core.contracts.reporting import TRUTH_RECOVERY
from brainage.core.files import InputError, atomic_write
from brainage.core.tables import read_table

TABLE = Path(__file__).with_suffix(".tsv")


def measured(results: Path) -> dict[str, float]:
    """Return the numbers of a row from a finished demo."""
    path = results / "statistics" / "truth_recovery.tsv"
    rows = read_table(path, TRUTH_RECOVERY).set_index(["quantity", "group"])

    def value(quantity: str, group: str, column: str = "estimate") -> float:
        if (quantity, group) not in rows.index:
            raise InputError(f"{path}: no row for {quantity}, {group}")
        return float(rows.loc[[(quantity, group)], column].iloc[0])

    found = {
        "mae_external": value("mae", "external_sites"),
        "mae_all": value("mae", "all"),
        "ridge_external": value("mae_of_ridge", "external_sites"),
        "r_gaps": value("correlation_of_gaps", "all"),
        "r_gaps_low": value("correlation_of_gaps", "all", "low"),
        "r_gaps_high": value("correlation_of_gaps", "all", "high"),
    }
    groups = [group for quantity, group in rows.index if quantity == "slope"]
    slopes = {
        f"slope_{group}": value("slope", group) - value("slope", group, "sample")
        for group in sorted(set(groups), key=["CN", "MCI", "AD"].index)
    }
    if not slopes:
        raise InputError(f"{path}: no slope of a group")
    return found | slopes | {"slope_error": sum(map(abs, slopes.values())) / len(slopes)}


def main() -> int:
    """Add the row and print the table."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        row = {key: f"{value:.3f}" for key, value in measured(Path(sys.argv[1])).items()}
    except InputError as error:
        print(f"demo_truth: {error}", file=sys.stderr)
        return 2
    table = pd.DataFrame([{"label": sys.argv[2], **row}])
    if TABLE.is_file():
        before = pd.read_csv(TABLE, sep="\t", dtype=str)
        if sys.argv[2] in set(before["label"]):
            print(f"demo_truth: {TABLE} has a row {sys.argv[2]!r} already", file=sys.stderr)
            return 2
        table = pd.concat([before, table], ignore_index=True)
    with atomic_write(TABLE) as temporary:
        table.to_csv(temporary, sep="\t", index=False)
    print(table.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())

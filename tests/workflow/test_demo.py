"""What came out of the demo, where it was run in this clone (`make test` runs it first)."""

import pytest

from brainage.core.contracts.cohort import SPLITS, TRUTH
from brainage.core.contracts.imaging import QC
from brainage.core.contracts.reporting import TRUTH_RECOVERY
from brainage.core.contracts.statistics import ACCURACY
from brainage.core.tables import read_table
from tests.conftest import ROOT

RESULTS = ROOT / "results"


@pytest.fixture(scope="module")
def results():
    if not (RESULTS / "report" / "index.html").is_file():
        pytest.skip("the demo was not run in this clone")
    return RESULTS


def test_every_planted_fault_of_an_image_is_set_aside_and_nothing_else(results):
    qc = read_table(results / "imaging" / "qc.tsv", QC).set_index("scan_id")
    truth = read_table(results / "simulated" / "demo_truth.tsv", TRUTH)
    names = "demo_" + truth["participant_id"] + "_" + truth["session_id"]
    # Without an age a scan is as good as any other; it is set aside by the index.
    faults = truth["trouble"].notna() & ~truth["trouble"].fillna("").str.contains("no age")
    assert faults.sum() >= 6
    failed = set(qc.index[qc["verdict"] == "fail"])
    assert failed == set(names[faults])
    assert qc.loc[list(failed), "reason"].notna().all()


def test_people_of_sites_set_apart_are_test_only(results):
    splits = read_table(results / "cohort" / "splits.tsv", SPLITS)
    apart = splits["participant_id"].str.startswith(("sub-E", "sub-C"))
    assert apart.any()
    assert set(splits.loc[apart, "role"]) == {"test"}


def test_the_encoder_is_better_than_a_constant_on_sites_it_never_saw(results):
    table = read_table(results / "statistics" / "accuracy.tsv", ACCURACY)
    table = table[(table["experiment"] == "lexp") & (table["people"] == "external")]
    table = table[table["predictor"] == "single"]
    table = table.set_index("metric")
    assert table.loc["mae", "n"] >= 30
    # The intervals of the two errors do not meet.
    assert table.loc["mae", "high"] < table.loc["mae_of_constant", "low"]


def test_the_planted_difference_is_found(results):
    found = read_table(results / "statistics" / "truth_recovery.tsv", TRUTH_RECOVERY)
    row = found[(found["quantity"] == "group_difference") & (found["group"] == "AD")]
    row = row[(row["reference"] == "CN") & (row["experiment"] == "lexp")].iloc[0]
    assert row["planted"] == 5
    assert 0 < row["low"] < 5 < row["high"]


def test_gaps_follow_what_was_planted(results):
    found = read_table(results / "statistics" / "truth_recovery.tsv", TRUTH_RECOVERY)
    row = found[(found["quantity"] == "correlation_of_gaps") & (found["experiment"] == "lexp")]
    assert row["low"].iloc[0] > 0


def test_snakemakes_own_report_is_there(results):
    assert (results / "report.html").stat().st_size > 100_000

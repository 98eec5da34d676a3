"""Three data sets that call their sites alike, from the index to the page.

One has diagnoses, a converter and all visits, one has no diagnoses, one has no sites: numbers in
table, figure and text agree, and nothing of one counts as another's. The clone, the images and the
results lie in folders whose names mean something to a shell.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.probing import PREDICTIONS, SITE_PROBE
from brainage.core.contracts.statistics import ACCURACY, GAPS, GROUPS
from brainage.core.subjects import first_scans
from brainage.core.tables import read_table
from brainage.reporting.figures import read_words
from tests.conftest import ROOT
from tests.workflow.surroundings import BRACES, NAME, copy_tree

pytestmark = pytest.mark.workflow
CONFIG = """
results: RESULTS
datasets:
  alpha: {kind: bids, path: ALPHA}
  beta: {kind: bids, path: BETA, all_controls: true}
  gamma: {kind: bids, path: GAMMA}
imaging: {voxel_size: 6.0}
splits: {test_sites: [alpha/3], min_train: 8, validation: 0.0, calibration: 0.4, internal_test: 0.2}
learning: {encoder: {name: small}, epochs: 4, device: cpu}
experiments:
  lexp: {loss: exp, seeds: [1, 2]}
  l1: {loss: l1}
probing: {min_at_site: 2, min_diagnosis: 3, bootstrap: 100}
statistics: {min_group: 3, min_roc: 5, min_slopes: 3, bootstrap: 100}
report: {main_experiment: lexp}
"""


def simulate(folder: Path, seed: int, healthy: int, clinical: int) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "brainage", "simulate", str(folder), "--no-troubles"),
            *("--healthy", str(healthy), "--healthy-sites", "2", "--external", "0"),
            *("--clinical", str(clinical), "--clinical-sites", "1", "--visits", "2"),
            *("--voxel-size", "6", "--seed", str(seed)),
        ],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )


def edit(path: Path, change) -> None:
    table = change(pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False))
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    place = tmp_path_factory.mktemp("three")
    folder = place / f"images {BRACES}"
    simulate(folder / "alpha", 11, 12, 18)
    simulate(folder / "beta", 12, 12, 0)
    simulate(folder / "gamma", 13, 8, 0)
    sites = {"healthy-1": "1", "healthy-2": "2", "clinical-1": "3"}
    edit(folder / "alpha" / "participants.tsv", lambda t: t.replace({"site": sites}))
    # A control at the first visit who is a patient at the second.
    converter = folder / "alpha" / "sub-C0001" / "sub-C0001_sessions.tsv"
    edit(converter, lambda t: t.assign(diagnosis=["CN", "MCI"][: len(t)]))
    sites = {"healthy-1": "1", "healthy-2": "3"}
    own = folder / "beta" / "participants.tsv"
    edit(own, lambda t: t.replace({"site": sites}).drop(columns="diagnosis"))
    for path in (folder / "beta").glob("sub-*/*_sessions.tsv"):
        edit(path, lambda t: t.drop(columns="diagnosis"))
    edit(folder / "gamma" / "participants.tsv", lambda t: t.drop(columns=["site", "scanner"]))
    results, text = place / f"results {NAME}", CONFIG
    for word in ("alpha", "beta", "gamma"):
        text = text.replace(word.upper(), json.dumps(str(folder / word)))
    (place / "my.yaml").write_text(text.replace("RESULTS", json.dumps(str(results))))
    tree = copy_tree(place / f"clone {NAME}")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(tree / "Snakefile")),
            *("--directory", str(place), "--configfile", str(place / "my.yaml")),
            *("--cores", "2"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return results


def test_nothing_that_is_shared_says_where_the_images_lie(results):
    """Of tables, pages, sidecars and logs; the settings of steps do, which are in config."""
    said = [
        str(path.relative_to(results))
        for path in results.rglob("*")
        if path.is_file() and path.relative_to(results).parts[0] != "config"
        if any(word in path.read_bytes() for word in (b"images a", b"results a", b"clone a"))
    ]
    assert said == []


def test_sites_and_health_are_decided_in_the_index(results):
    scans = read_table(results / "cohort" / "scans.tsv", SCANS)
    sites = scans.groupby("dataset")["site"].agg(lambda s: set(s.dropna()))
    assert sites["alpha"] == {"alpha/1", "alpha/2", "alpha/3"}
    assert sites["beta"] == {"beta/1", "beta/3"}
    assert sites["gamma"] == set()
    assert scans.loc[scans["dataset"] == "beta", ["healthy", "always_healthy"]].all(axis=None)
    converter = scans[scans["participant_id"] == "sub-C0001"].set_index("session_id")
    assert list(converter["healthy"]) == [True, False][: len(converter)]
    assert not converter["always_healthy"].any()


def test_the_healthy_of_every_data_set_train_and_only_the_named_site_is_set_apart(results):
    splits = read_table(results / "cohort" / "splits.tsv", SPLITS)
    trained = splits[splits["role"] == "train"]
    assert set(trained["dataset"]) == {"alpha", "beta", "gamma"}
    scans = read_table(results / "cohort" / "scans.tsv", SCANS)
    people = trained.merge(first_scans(scans), on=["dataset", "participant_id"])
    # beta/3 is a site of its own, and trained on; alpha/3 is not.
    assert "beta/3" in set(people["site"]) and "alpha/3" not in set(people["site"])
    assert people["always_healthy"].all()


def test_an_unknown_site_is_neither_predicted_nor_one_that_was_trained_on(results):
    probe = read_table(results / "probing" / "site_probe.tsv", SITE_PROBE)
    assert len(probe) and (probe["sites"] <= 4).all()
    predictions = read_table(results / "probing" / "predictions.tsv", PREDICTIONS)
    test = predictions[(predictions["role"] == "test") & predictions["healthy"]]
    accuracy = read_table(results / "statistics" / "accuracy.tsv", ACCURACY)
    mae = accuracy[(accuracy["experiment"] == "lexp") & (accuracy["metric"] == "mae")]
    n = mae[mae["predictor"] == "single"].set_index("people")["n"]
    first = first_scans(test[test["experiment"] == "lexp"].drop_duplicates("scan_id"))
    assert n["all"] == len(first)
    assert n["external"] == (first["site"] == "alpha/3").sum()
    known = first["site"].notna()
    assert n["internal"] == (known & (first["site"] != "alpha/3")).sum() < (~known | known).sum()


def test_groups_are_compared_at_the_site_that_holds_both(results):
    groups = read_table(results / "statistics" / "groups.tsv", GROUPS)
    rows = groups[(groups["experiment"] == "lexp") & (groups["quantity"] == "difference")]
    assert len(rows)
    gaps = read_table(results / "statistics" / "gaps.tsv", GAPS)
    test = first_scans(gaps[(gaps["role"] == "test") & (gaps["experiment"] == "lexp")])
    clinical = test[test["site"] == "alpha/3"]["diagnosis"].value_counts()
    row = rows[(rows["group"] == "AD") & (rows["reference"] == "CN")].iloc[0]
    # Controls elsewhere may join the model; patients are at alpha/3 alone.
    assert row["n"] == clinical["AD"]


def test_numbers_in_table_figure_and_text_agree(results):
    accuracy = read_table(results / "statistics" / "accuracy.tsv", ACCURACY)
    rows = accuracy[(accuracy["metric"] == "mae") & (accuracy["predictor"] == "single")]
    # The page shows new sites first, where there are any.
    rows = rows[rows["people"] == "external"].set_index("experiment")
    page = (results / "report" / "index.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", " ", page)
    available, words = read_words(results / "figures" / "accuracy.svg")
    assert available
    for experiment in ("lexp", "l1"):
        number = f"{rows.loc[experiment, 'estimate']:.1f}"
        assert number in text, experiment
        assert number in words, experiment
    headline = text[: text.index("How to read")]
    assert f"{rows.loc['lexp', 'estimate']:.1f}" in headline


def test_people_in_the_figure_of_ages_are_those_of_the_table(results):
    accuracy = read_table(results / "statistics" / "accuracy.tsv", ACCURACY)
    row = accuracy[(accuracy["metric"] == "mae") & (accuracy["people"] == "all")]
    n = row[(row["experiment"] == "lexp") & (row["predictor"] == "single")]["n"].iloc[0]
    _, words = read_words(results / "figures" / "age_by_site.svg")
    assert f"of {n} healthy test people" in words
    # The converter was a control at the first visit, and is among them.
    gaps = read_table(results / "statistics" / "gaps.tsv", GAPS)
    first = first_scans(gaps[(gaps["experiment"] == "lexp") & (gaps["role"] == "test")])
    healthy = first[first["healthy"]]
    assert "sub-C0001" in set(healthy["participant_id"]) and len(healthy) == n
    for site, count in healthy["site"].value_counts().items():
        assert f"{site}: n {count}," in words

"""Two data sets that call their sites alike, or have none: never taken for one place."""

import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.contracts.statistics import ACCURACY, GROUPS, ROC, SLOPES
from brainage.core.subjects import site_key
from brainage.core.tables import read_table, write_table
from brainage.statistics.accuracy import measure_accuracy
from brainage.statistics.gaps import compute_gaps
from brainage.statistics.groups import compare_groups
from brainage.statistics.longitudinal import fit_slopes
from brainage.statistics.roc import compute_roc

from .simulated import SETTINGS, predictions_of, scans_of, study, written

VISITS = {"visits": 3, "slope_sd": 1.0, "noise": 0.8}


def everything(table: pd.DataFrame, folder, **changes) -> dict[str, pd.DataFrame]:
    settings = {**SETTINGS, **changes}
    names = ("gaps", "reference", "accuracy", "groups", "scores", "roc", "curves", "slopes", "own")
    at = {name: folder / f"{name}.tsv" for name in names}
    predictions = written(table, folder)
    write_table(pd.DataFrame(columns=list(DIAGNOSIS_SCORES.names)), at["scores"], DIAGNOSIS_SCORES)
    compute_gaps(predictions, at["gaps"], at["reference"])
    measure_accuracy(at["gaps"], predictions, at["accuracy"], settings)
    compare_groups(at["gaps"], at["groups"], settings)
    compute_roc(at["gaps"], at["scores"], at["roc"], at["curves"], settings)
    fit_slopes(at["gaps"], at["slopes"], at["own"], settings)
    tables = {"accuracy": ACCURACY, "groups": GROUPS, "roc": ROC, "slopes": SLOPES}
    return {name: read_table(at[name], contract) for name, contract in tables.items()}


def renamed(scans: pd.DataFrame, site: str | None) -> pd.DataFrame:
    """The same scans, all of a site of this name in their own data set, or of no known site."""
    scans["site"] = [site_key(dataset, site) for dataset in scans["dataset"]]
    return scans


@pytest.mark.parametrize("site", [None, pytest.param("1", marks=pytest.mark.slow)])
def test_controls_of_one_and_patients_of_the_other_are_not_compared(tmp_path, site):
    rng = np.random.default_rng(1)
    controls = scans_of("CN", 40, rng, dataset="ours", **VISITS)
    patients = scans_of("AD", 40, rng, dataset="theirs", gap=3.0, slope=1.0, **VISITS)
    both = renamed(pd.concat([controls, patients], ignore_index=True), site)
    found = everything(predictions_of(pd.concat([study(rng), both])), tmp_path)
    difference = found["groups"].query("group == 'AD' and reference == 'CN'")
    assert len(difference) == 2 and difference["estimate"].isna().all()
    assert difference["note"].str.contains("confounded with site").all()
    assert found["roc"]["estimate"].isna().all()
    roc = found["roc"].query("case == 'AD'")
    assert len(roc) == 5 and roc["note"].str.contains("confounded with site: 0 people").all()
    slopes = found["slopes"].set_index(["quantity", "group"])
    contrast = slopes.loc[("contrast", "AD")].set_index("reference").loc["CN"]
    assert np.isnan(contrast["estimate"]) and "confounded with site" in contrast["note"]
    # Each group's own slope stays.
    assert slopes.loc[("slope", "AD"), "estimate"] == pytest.approx(1, abs=0.6)


@pytest.mark.slow
def test_the_same_people_of_one_data_set_are_compared(tmp_path):
    """What refuses two data sets above is that they are two."""
    rng = np.random.default_rng(1)
    parts = [scans_of("CN", 40, rng, **VISITS), scans_of("AD", 40, rng, gap=3.0, **VISITS)]
    both = renamed(pd.concat(parts, ignore_index=True), None)
    found = everything(predictions_of(pd.concat([study(rng), both])), tmp_path)
    for name in ("groups", "slopes"):
        row = found[name].query("group == 'AD' and reference == 'CN'").iloc[0]
        assert np.isfinite(row["estimate"]) and "confounded" not in str(row["note"])
    area = found["roc"].query("case == 'AD' and score == 'gap' and quantity == 'auc'").iloc[0]
    assert area["n"] == 80 and area["estimate"] > 0.5


@pytest.mark.slow
def test_an_offset_of_a_data_set_is_no_difference_of_groups(tmp_path):
    rng = np.random.default_rng(2)
    parts = []
    for dataset, controls, patients in (("ours", 50, 20), ("theirs", 20, 50)):
        one = {"dataset": dataset, **VISITS}
        offset = {"ours": 0.0, "theirs": 6.0}[dataset]
        # Everyone of the second data set is older by 6 years, and ages by 1 year per year more.
        one |= {"gap": offset, "slope": offset / 6}
        parts += [scans_of("CN", controls, rng, **one), scans_of("AD", patients, rng, **one)]
    both = renamed(pd.concat(parts, ignore_index=True), "1")
    found = everything(predictions_of(pd.concat([study(rng), both])), tmp_path)
    years = found["groups"].query("group == 'AD' and reference == 'CN' and unit != 'SD'").iloc[0]
    assert "+ site" in years["model"] and years["low"] < 0 < years["high"]
    slope = found["slopes"].query("group == 'AD' and reference == 'CN'").iloc[0]
    assert "+ data set" in slope["model"] and slope["low"] < 0 < slope["high"]


@pytest.mark.slow
def test_a_site_of_the_same_name_is_not_internal(tmp_path):
    rng = np.random.default_rng(3)
    scans = study(rng, CN={"people": 12, "sites": ("A",)})
    other = scans_of("CN", 15, rng, sites=("A",), dataset="theirs", ages=(20, 80))
    unknown = scans_of("CN", 9, rng, sites=("B",), dataset="none", ages=(20, 80))
    unknown["site"] = None
    table = predictions_of(pd.concat([scans, other, unknown]))

    def people(folder, **changes) -> pd.Series:
        folder.mkdir()
        accuracy = everything(table, folder, **changes)["accuracy"]
        return accuracy[accuracy["metric"] == "mae"].set_index("people")["n"]

    # An unknown site is neither: nobody can say whether it was trained on.
    assert people(tmp_path / "a").to_dict() == {"all": 36, "internal": 12, "external": 15}
    named = people(tmp_path / "b", external_sites=["demo/A"])
    assert named["external"] == 0


def three_datasets(rng: np.random.Generator) -> pd.DataFrame:
    """Training people of `ours` and `plain`, patients of `ours`; one site name in all data sets.

    `plain` has no diagnoses (all are controls), `placeless` no sites.
    """
    parts = []
    for dataset, diagnosis in (("ours", "CN"), ("plain", None)):
        one = {"sites": ("1",), "dataset": dataset, "ages": (20, 85)}
        for role, people in (("train", 20), ("calibration", 40), ("test", 12)):
            parts.append(scans_of(diagnosis, people, rng, role=role, **one))
    clinical = {"sites": ("3",), "dataset": "ours", **VISITS}
    parts += [scans_of("CN", 30, rng, **clinical)]
    parts += [scans_of("AD", 30, rng, gap=5.0, slope=1.0, **clinical)]
    parts += [scans_of("CN", 14, rng, sites=("3",), dataset="plain", ages=(20, 85))]
    other = {"sites": ("1",), "dataset": "placeless", "ages": (20, 85)}
    parts += [scans_of("CN", 15, rng, **other), scans_of("AD", 3, rng, gap=40.0, **other)]
    scans = pd.concat(parts, ignore_index=True)
    scans.loc[scans["dataset"] == "placeless", "site"] = None
    scans.loc[scans["dataset"] == "plain", "diagnosis"] = None
    return scans


@pytest.mark.slow
def test_three_data_sets_in_folds_with_patients(tmp_path):
    scans = three_datasets(np.random.default_rng(4))
    # Clinical people are test people of both folds, as patients are.
    table = pd.concat([predictions_of(scans), predictions_of(scans, fold=1, alpha=0.75)])
    found = everything(table, tmp_path)
    accuracy = found["accuracy"].query("metric == 'mae'").set_index("people")
    # 12 + 12 at training sites; 30 + 14 at the sites called 3, and 15 that nobody can place.
    assert accuracy["n"].to_dict() == {"all": 83, "internal": 24, "external": 44}
    assert "averaged over folds" in accuracy.loc["all", "note"]
    first = scans[(scans["role"] == "test") & (scans["years_since_first"] == 0)]
    healthy = first[first["healthy"]]
    predicted = sum(a * (healthy["age"] + healthy["true_gap"]) + 10 for a in (0.8, 0.75)) / 2
    error = (predicted - healthy["age"]).abs().mean()
    assert accuracy.loc["all", "estimate"] == pytest.approx(error, rel=1e-6)

    difference = found["groups"].query("group == 'AD' and reference == 'CN' and unit != 'SD'")
    row = difference.iloc[0]
    # With the 3 patients and 15 controls of the data set without sites; `plain` has no group.
    assert (row["n"], row["n_reference"]) == (33, 45)
    assert "12 people at sites with only one group left out" in row["note"]
    assert "+ site" in row["model"]
    area = found["roc"].query("case == 'AD' and score == 'gap' and quantity == 'auc'").iloc[0]
    assert (area["n"], area["n_cases"]) == (78, 33)
    contrast = found["slopes"].query("group == 'AD' and reference == 'CN'").iloc[0]
    assert (contrast["n"], contrast["n_reference"]) == (30, 30)
    assert contrast["estimate"] == pytest.approx(1, abs=0.8)


@pytest.mark.slow
def test_a_data_set_without_diagnoses_counts_as_healthy_when_the_index_says_so(tmp_path):
    scans = three_datasets(np.random.default_rng(5))
    plain = scans["dataset"] == "plain"
    with_them = everything(predictions_of(scans), tmp_path)["accuracy"]
    scans.loc[plain, "healthy"] = False
    without = everything(predictions_of(scans), tmp_path)["accuracy"]
    n = [t.query("metric == 'mae' and people == 'all'")["n"].item() for t in (with_them, without)]
    assert n == [83, 57]

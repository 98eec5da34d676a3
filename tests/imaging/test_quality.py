"""Verdicts: limits, outliers by site, duplicate images, and keys that must fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest

from brainage.core.config import defaults
from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import MEASURES, QC
from brainage.core.derivatives import BRAIN, derivative
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table
from brainage.imaging.measure import Measure, all_measures
from brainage.imaging.quality import assess

SHAPE = (12, 12, 12)

DEFAULTS = defaults("quality")
SLOW = pytest.mark.slow


def is_needed(measure: Measure) -> bool:
    """Whether a scan without this measure is not used."""
    return measure.limit is not None and measure.limit.fails(DEFAULTS)


def cohort(folder: Path, number: int = 30) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scans at two sites whose measures lie close together, and their brains."""
    random = np.random.default_rng(0)
    people = [f"sub-{k:02d}" for k in range(number)]
    scans = pd.DataFrame({name: None for name in SCANS.names}, index=range(number))
    scans = scans.assign(
        scan_id=[f"demo_{p}" for p in people], dataset="demo", participant_id=people, t1w="x.nii",
        age_top_coded=False, site=["demo/A" if k % 2 else "demo/B" for k in range(number)],
        healthy=True, always_healthy=True,
    )  # fmt: skip
    site_b = (scans["site"] == "demo/B").to_numpy()
    measures = pd.DataFrame(
        {
            "scan_id": scans["scan_id"],
            "fault": None,
            "voxels_sha256": [f"hash{k}" for k in range(number)],
            "template_overlap": random.normal(0.95, 0.005, number),
            "template_correlation": random.normal(0.7, 0.02, number),
            "brain_volume_ml": random.normal(1500, 100, number),
            "core_in_mask": 1.0,
            "brain_in_view": 1.0,
            "rotation_degrees": random.normal(12, 5, number),
            "orientation_known": 1.0,
            "tissue_contrast": random.normal(0.2, 0.01, number),
            # Site B is much noisier: no fault of any one scan there.
            "cjv": random.normal(0.5, 0.02, number) + 0.8 * site_b,
        }
    )
    common = random.uniform(0.2, 0.9, SHAPE)
    for scan_id in scans["scan_id"]:
        path = derivative(folder, scan_id, BRAIN)
        path.parent.mkdir(parents=True, exist_ok=True)
        brain = (common + random.normal(0, 0.05, SHAPE)).clip(0.01, 1).astype(np.float32)
        nibabel.Nifti1Image(brain, np.eye(4)).to_filename(path)
    return scans, measures


def judged(
    folder: Path, scans: pd.DataFrame, measures: pd.DataFrame, **settings: Any
) -> pd.DataFrame:
    write_table(scans, folder / "scans.tsv", SCANS)
    half = len(measures) // 2
    tables = [folder / "chunks" / f"{k}.tsv" for k in range(2)]
    for path, part in zip(tables, (measures[:half], measures[half:]), strict=True):
        write_table(part, path, MEASURES)
    assess(tables, folder / "scans.tsv", folder / "qc.tsv", DEFAULTS | settings)
    return read_table(folder / "qc.tsv", QC).set_index("scan_id")


def test_sound_scans_of_different_sites_pass(tmp_path: Path) -> None:
    qc = judged(tmp_path, *cohort(tmp_path))
    assert (qc["verdict"] == "pass").all(), qc["reason"].dropna().tolist()
    assert qc["cohort_correlation"].min() > 0.9


@pytest.mark.parametrize(
    ("column", "value", "verdict", "words"),
    [
        ("fault", "the volume is empty: all voxels are zero", "fail", "empty"),
        ("template_overlap", 0.6, "fail", "mask does not fit"),
        pytest.param("template_correlation", 0.1, "fail", "no brain, or misaligned", marks=SLOW),
        pytest.param("brain_volume_ml", 300.0, "fail", "300 ml is outside", marks=SLOW),
        pytest.param("tissue_contrast", -0.1, "fail", "no T1w contrast", marks=SLOW),
        ("core_in_mask", 0.8, "fail", "misses brain tissue"),
        pytest.param("core_in_mask", 0.95, "warn", "misses brain tissue", marks=SLOW),
        pytest.param("brain_in_view", 0.8, "fail", "0.80 is below 0.9", marks=SLOW),
        pytest.param(
            "rotation_degrees", 178.0, "warn", "left and right may be swapped", marks=SLOW
        ),
        ("orientation_known", 0.0, "warn", "unknown orientation: sform and qform code"),
        pytest.param("cjv", 0.9, "warn", "at site demo/A", marks=SLOW),
        ("cjv", 1.3, "fail", "at site demo/A"),
    ],
)
def test_each_defect_has_its_reason(
    tmp_path: Path, column: str, value: object, verdict: str, words: str
) -> None:
    scans, measures = cohort(tmp_path)
    measures[column] = measures[column].astype(object)
    measures.loc[3, column] = value
    qc = judged(tmp_path, scans, measures)
    assert qc["verdict"].iloc[3] == verdict
    assert words in qc["reason"].iloc[3]
    assert (qc["verdict"].drop(qc.index[3]) == "pass").all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "column", [name for name, measure in all_measures().items() if is_needed(measure)]
)
def test_no_scan_passes_without_a_measure_that_has_a_limit(tmp_path: Path, column: str) -> None:
    scans, measures = cohort(tmp_path)
    if column == "cohort_correlation":  # of a brain without any contrast
        path = derivative(tmp_path, "demo_sub-03", BRAIN)
        nibabel.Nifti1Image(np.full(SHAPE, 0.5, np.float32), np.eye(4)).to_filename(path)
    else:
        measures.loc[3, column] = np.nan
    measures.loc[5, ["fault", column]] = ["cut short", np.nan]
    qc = judged(tmp_path, scans, measures)
    assert qc["verdict"].iloc[3] == "fail"
    assert f"could not be measured: {all_measures()[column].label}" in qc["reason"].iloc[3]
    assert qc["reason"].iloc[5] == "cut short"  # without a brain there is nothing to measure
    assert (qc["verdict"].drop(qc.index[[3, 5]]) == "pass").all()


def test_unknown_orientation_is_refused_where_the_config_says_so(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    measures.loc[3, "orientation_known"] = 0.0
    measures.loc[5, "orientation_known"] = np.nan
    qc = judged(tmp_path, scans, measures, unknown_orientation="fail")
    assert qc["verdict"].value_counts().to_dict() == {"pass": len(qc) - 2, "fail": 2}
    assert "left and right may be swapped" in qc["reason"].iloc[3]
    assert "could not be measured: orientation" in qc["reason"].iloc[5]


def test_a_measure_that_only_shows_may_be_missing(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    measures.loc[3, ["rotation_degrees", "cjv"]] = np.nan
    assert judged(tmp_path, scans, measures)["verdict"].iloc[3] == "pass"


def test_a_brain_unlike_the_others_fails(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    noise = np.random.default_rng(9).uniform(0.1, 1, SHAPE).astype(np.float32)
    path = derivative(tmp_path, "demo_sub-04", BRAIN)
    nibabel.Nifti1Image(noise, np.eye(4)).to_filename(path)
    qc = judged(tmp_path, scans, measures)
    assert "unlike the other brains" in qc.loc["demo_sub-04", "reason"]
    assert (qc["verdict"] == "fail").sum() == 1


def test_an_unusual_brain_is_shown_and_set_aside_only_in_a_poor_picture(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    measures.loc[[3, 5], "template_correlation"] = 0.4
    measures.loc[5, "cjv"] = 0.8
    qc = judged(tmp_path, scans, measures)
    assert qc["verdict"].iloc[3] == "warn"
    assert qc["verdict"].iloc[5] == "fail"


@pytest.mark.slow
def test_volume_is_judged_for_age_and_sex(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path, 80)
    random = np.random.default_rng(3)
    men = np.arange(80) % 4 < 2
    scans["sex"] = np.where(men, "M", "F")
    scans["age"] = random.uniform(20, 80, 80)
    usual = np.where(men, 1600.0, 1150.0) * np.exp(-0.002 * scans["age"].to_numpy(dtype=float))
    measures["brain_volume_ml"] = usual * np.exp(random.normal(0, 0.03, 80))
    # A woman with a man's volume: nothing unusual in a cohort of both.
    measures.loc[2, "brain_volume_ml"] = 1.6 * usual[2]
    scans.loc[[4, 6], ["age", "sex"]] = None
    qc = judged(tmp_path, scans, measures)
    assert qc["verdict"].iloc[2] == "warn"
    assert "for age and sex" in qc["reason"].iloc[2]
    assert "brain_volume_ml" not in qc["reason"].iloc[2]
    assert qc["brain_volume_ratio"].iloc[2] == pytest.approx(1.6, abs=0.1)
    assert qc["brain_volume_ratio"].iloc[[4, 6]].isna().all()
    others = qc["brain_volume_ratio"].drop(qc.index[2]).dropna()
    assert others.between(0.88, 1.12).all()
    assert (qc["verdict"].drop(qc.index[2]) == "pass").all()


def test_without_enough_ages_no_volume_is_expected(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    scans.loc[:20, "age"], scans.loc[:20, "sex"] = 40.0, "F"
    assert judged(tmp_path, scans, measures)["brain_volume_ratio"].isna().all()


def test_small_sites_are_compared_with_everybody(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    scans["site"] = ["demo/A"] * 27 + ["demo/tiny"] * 3
    measures["cjv"] = np.random.default_rng(1).normal(0.5, 0.02, 30)
    measures.loc[28, "cjv"] = 0.9
    qc = judged(tmp_path, scans, measures)
    assert "of all scans" in qc["reason"].iloc[28]


def test_the_same_image_twice(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    # One person's second scan is a copy of the first; two other people share one image.
    scans.loc[1, "participant_id"] = scans.loc[0, "participant_id"]
    measures.loc[1, "voxels_sha256"] = measures.loc[0, "voxels_sha256"]
    measures.loc[6, "voxels_sha256"] = measures.loc[5, "voxels_sha256"]
    qc = judged(tmp_path, scans, measures)
    assert qc["verdict"].iloc[:2].tolist() == ["pass", "fail"]
    assert "which is kept" in qc["reason"].iloc[1]
    assert qc["verdict"].iloc[5:7].tolist() == ["fail", "fail"]
    assert all("duplicate image of another person" in text for text in qc["reason"].iloc[5:7])


def test_scans_set_aside_get_a_verdict_too(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    scans.loc[2, "set_aside"] = "no age"
    assert judged(tmp_path, scans, measures)["verdict"].iloc[2] == "pass"


@pytest.mark.parametrize("which", ["missing", "double", "unknown"])
def test_keys_that_do_not_fit_are_named(tmp_path: Path, which: str) -> None:
    scans, measures = cohort(tmp_path)
    if which == "missing":
        measures = measures.drop(index=7)
    if which == "double":
        measures = pd.concat([measures, measures.iloc[[7]]])
    if which == "unknown":
        scans = scans.drop(index=7)
    with pytest.raises(InputError, match="demo_sub-07"):
        judged(tmp_path, scans, measures)


def test_one_scan_alone_has_no_cohort_and_passes(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path, 1)
    write_table(scans, tmp_path / "scans.tsv", SCANS)
    write_table(measures, tmp_path / "0.tsv", MEASURES)
    assess([tmp_path / "0.tsv"], tmp_path / "scans.tsv", tmp_path / "qc.tsv", DEFAULTS)
    qc = read_table(tmp_path / "qc.tsv", QC)
    assert qc["verdict"].tolist() == ["pass"]


def decide(folder: Path, *rows: str) -> str:
    path = folder / "qc_decisions.tsv"
    path.write_text("\n".join(["scan_id\tdecision\tcomment", *rows]) + "\n")
    return str(path)


@pytest.mark.slow
def test_a_manual_decision_counts_and_the_automatic_verdict_stays_beside_it(tmp_path: Path) -> None:
    scans, measures = cohort(tmp_path)
    measures.loc[3, "cjv"] = 1.3
    measures.loc[5, "brain_volume_ml"] = 300.0
    before = judged(tmp_path, scans, measures)
    decisions = decide(
        tmp_path,
        "demo_sub-03\tkeep\tonly a tremor.",
        "demo_sub-04\tdrop\ta cut nose",
        "demo_sub-06\tkeep\tn/a",
    )
    qc = judged(tmp_path, scans, measures, decisions=decisions)
    assert qc.loc["demo_sub-03", "verdict"] == "pass"
    assert qc.loc["demo_sub-03", "reason"] == (
        "kept by manual decision (only a tremor); automatic verdict: fail: "
        + before.loc["demo_sub-03", "reason"]
    )
    assert qc.loc["demo_sub-04", "verdict"] == "fail"
    assert qc.loc["demo_sub-04", "reason"] == (
        "dropped by manual decision (a cut nose); automatic verdict: pass"
    )
    assert qc.loc["demo_sub-06", "reason"] == "kept by manual decision; automatic verdict: pass"
    assert qc["decision"].dropna().to_dict() == {
        "demo_sub-03": "keep", "demo_sub-04": "drop", "demo_sub-06": "keep",
    }  # fmt: skip
    assert qc.loc["demo_sub-04", "comment"] == "a cut nose"
    # No measure, and no verdict on anybody else, moves by it.
    assert (qc["machine_verdict"] == before["verdict"]).all()
    others = qc.index.difference(["demo_sub-03", "demo_sub-04", "demo_sub-06"])
    assert qc.loc[others, "verdict"].equals(before.loc[others, "verdict"])
    assert qc["cohort_correlation"].equals(before["cohort_correlation"])


def test_a_scan_without_a_brain_cannot_be_kept_and_says_so(tmp_path: Path, capsys: Any) -> None:
    scans, measures = cohort(tmp_path)
    measures["fault"] = measures["fault"].astype(object)
    measures.loc[[2, 3], "fault"] = "the file ends early"
    decisions = decide(tmp_path, "demo_sub-02\tkeep\tplease", "demo_sub-03\tdrop\tn/a")
    qc = judged(tmp_path, scans, measures, decisions=decisions)
    assert qc["verdict"].iloc[2:4].tolist() == ["fail", "fail"]
    assert qc["reason"].iloc[2] == (
        "the file ends early; kept by manual decision (please), but there is no brain image "
        "of this scan"
    )
    assert qc["fault"].iloc[2] == "the file ends early"
    assert "demo_sub-02 cannot be kept: the file ends early" in capsys.readouterr().err


@pytest.mark.parametrize("row", ["demo_sub-77\tkeep\tn/a", "demo_sub-07\tperhaps\tn/a"])
def test_wrong_decisions_are_named(tmp_path: Path, row: str) -> None:
    scans, measures = cohort(tmp_path)
    with pytest.raises(InputError, match=r"qc_decisions\.tsv: row 3"):
        judged(
            tmp_path,
            scans,
            measures,
            decisions=decide(tmp_path, "demo_sub-01\tdrop\tn/a", row),
        )

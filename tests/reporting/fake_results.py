"""Made-up results of a whole run, small and seeded, written through the contracts."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contract import Table
from brainage.core.contracts.cohort import SCANS, SPLITS, TRUTH
from brainage.core.contracts.imaging import QC
from brainage.core.contracts.learning import HISTORY
from brainage.core.contracts.probing import BASELINES, PREDICTIONS, SITE_PROBE
from brainage.core.contracts.statistics import GAPS, REFERENCE
from brainage.core.derivatives import PICTURE, derivative
from brainage.core.tables import write_table
from brainage.core.unlike import unlike_training
from tests.reporting.fake_statistics import (
    ALPHA,
    ERRORS,
    accuracy_table,
    clinical_tables,
    grid_tables,
)

SETTINGS: dict[str, Any] = {
    "results": "results",
    "seed": 2025,
    "threads": 1,
    "datasets": {"demo": {"kind": "simulated"}},
    "cohort": {"age_range": [5, 100], "healthy": ["CN"], "run": "first"},
    "splits": {"scheme": "holdout", "folds": 5, "external_sites": ["demo/E1", "demo/E2"]},
    "imaging": {
        "voxel_size": 4.0,
        "skull_stripping": "template",
        "registration": "affine",
        "n4": True,
        "template": None,
    },
    "learning": {"encoder": {"name": "small", "width": 1.0}, "epochs": 12},
    "experiments": {
        "lexp": {"loss": "exp", "epochs": 12, "encoder": {"name": "small"}},
        "y_aware": {"loss": "y_aware", "epochs": 12, "encoder": {"name": "small"}},
        "l1": {"loss": "l1", "epochs": 12, "encoder": {"name": "small"}},
    },
    "probing": {"regions": "regions.tsv"},
    "seeds": [1],
    "runs": {
        name: {"of": name, "seeds": [1], "datasets": None, "fraction": 1.0}
        for name in ("lexp", "y_aware", "l1")
    },
    "quality": {"decisions": None},
    "statistics": {"groups": ["CN", "MCI", "AD"], "control": "CN", "bootstrap": 1000},
    "report": {
        "main_experiment": "lexp",
        "title": "A study of made-up heads",
        "people": "clinical",
    },
}
GAP = {"CN": 0.0, "MCI": 2.0, "AD": 5.0}
SLOPE = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}
BETA = 9.0


def picture(width: int = 450, height: int = 300) -> bytes:
    """Return the bytes of a small grey PNG with six discs."""
    y, x = np.mgrid[:height, :width]
    discs = sum(((x - c) ** 2 + (y - r) ** 2 < 55**2) for c in (75, 225, 375) for r in (75, 225))
    grey = (discs * 150 + 30).astype("uint8")
    raw = b"".join(b"\0" + row.tobytes() for row in grey)

    def part(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress(raw))
        + part(b"IEND", b"")
    )


def people_table(
    rng: np.random.Generator, healthy: int, external: int, clinical: int
) -> pd.DataFrame:
    """Return one row a scan with everything that is true of it."""
    rows = []
    for part, n, sites, visits in (
        ("H", healthy, ["H1", "H2", "H3", "H4"], 1),
        ("E", external, ["E1", "E2"], 1),
        ("C", clinical, ["C1", "C2"], 3),
    ):
        for i in range(n):
            diagnosis = ["CN", "MCI", "AD"][i % 3] if part == "C" else "CN"
            site = sites[(i // 3 if part == "C" else i) % len(sites)]
            age = rng.uniform(58, 86) if part == "C" else rng.uniform(20, 85)
            gap, slope = rng.normal(GAP[diagnosis], 3), rng.normal(SLOPE[diagnosis], 0.5)
            for visit in range(visits):
                years = 1.5 * visit
                rows.append(
                    {
                        "participant_id": f"sub-{part}{i + 1:03d}",
                        "session_id": f"ses-{visit + 1}",
                        "dataset": "demo",
                        "site": f"demo/{site}",
                        "scanner": f"scanner {site}",
                        "sex": "FM"[i % 2],
                        "diagnosis": diagnosis,
                        "healthy": diagnosis == "CN",
                        "always_healthy": diagnosis == "CN",
                        "years_since_first": years,
                        "age": round(age + years, 2),
                        "true_gap": gap + slope * years,
                        "true_brain_age": age + years + gap + slope * years,
                        "true_extra_slope": slope,
                        "off_axis": 0.0,
                        "part": part,
                    }
                )
    frame = pd.DataFrame(rows)
    frame["scan_id"] = frame["dataset"] + "_" + frame["participant_id"] + "_" + frame["session_id"]
    return frame


def write_results(
    folder: Path, healthy: int = 176, external: int = 36, clinical: int = 72
) -> dict[str, Any]:
    """Write every table and a picture for most scans below `folder`; return their paths."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    people = people_table(rng, healthy, external, clinical)
    paths: dict[str, Any] = {}

    def write(name: str, frame: pd.DataFrame, table: Table) -> None:
        paths[name] = folder / f"{name}.tsv"
        for column in table.columns:
            if column.name not in frame:
                frame[column.name] = None
        extra = [c for c in frame.columns if c not in table.names] if table.open_ended else []
        write_table(frame[[*table.names, *extra]].copy(), paths[name], table)

    scans = people.assign(
        run=None,
        age_top_coded=False,
        sex_original=people["sex"],
        set_aside=None,
        diagnosis_original=people["diagnosis"],
        t1w=people["participant_id"] + "/anat/" + people["scan_id"] + ".nii.gz",
    )
    scans.loc[scans["scan_id"] == "demo_sub-H003_ses-1", ["age", "set_aside"]] = [
        None,
        "no age in the tables",
    ]
    write("scans", scans, SCANS)

    ids = scans.loc[scans["set_aside"].isna(), "scan_id"].reset_index(drop=True)
    qc = pd.DataFrame({"scan_id": ids, "verdict": "pass", "reason": None})
    qc["brain_volume_ml"] = rng.normal(1450, 110, len(ids))
    qc["template_overlap"] = rng.normal(0.94, 0.01, len(ids))
    qc["snr_wm"] = rng.normal(21, 3, len(ids))
    qc["cnr"] = rng.normal(3.1, 0.3, len(ids))
    qc["cohort_correlation"] = rng.normal(0.93, 0.01, len(ids))
    troubles = {
        "demo_sub-H001_ses-1": ("fail", "the file ends early (truncated)"),
        "demo_sub-H002_ses-1": ("fail", "no brain mask was found: 12 ml"),
        "demo_sub-C003_ses-3": ("fail", "correlation with the template 0.41 is under 0.70"),
        "demo_sub-C006_ses-1": ("fail", "motion: sharpness far from the cohort's"),
        "demo_sub-C006_ses-2": ("fail", "motion: sharpness far from the cohort's"),
        "demo_sub-C006_ses-3": ("fail", "motion: sharpness far from the cohort's"),
        "demo_sub-H010_ses-1": ("warn", "signal-to-noise 9.1 is low for this site"),
        "demo_sub-C001_ses-3": ("warn", "mask volume is small for this age and sex"),
    }
    for scan, (verdict, reason) in troubles.items():
        where = qc["scan_id"] == scan
        qc.loc[where, ["verdict", "reason"]] = [verdict, reason]
        qc.loc[where, "cohort_correlation"] = 0.41 if verdict == "fail" else 0.9
    qc.loc[
        qc["scan_id"] == "demo_sub-H001_ses-1",
        ["brain_volume_ml", "template_overlap", "cohort_correlation"],
    ] = np.nan
    # Whoever the tables set aside has an image all the same, which is judged.
    other = qc[qc["verdict"] == "pass"].iloc[[-1]]
    qc = pd.concat([qc, *(other.assign(scan_id=i) for i in scans["scan_id"] if i not in set(ids))])
    write("qc", qc, QC)

    used = scans["set_aside"].isna() & ~scans["scan_id"].isin(
        qc.loc[qc["verdict"] == "fail", "scan_id"]
    )
    good = people[used].copy()
    first = good.drop_duplicates("participant_id")
    roles = pd.Series("test", index=first.index)
    inside = first.index[first["part"] == "H"]
    draw = rng.permutation(len(inside))
    share = draw / max(len(inside), 1)
    roles[inside] = np.select(
        [share < 0.1, share < 0.35, share < 0.45], ["validation", "calibration", "test"], "train"
    )
    first = first.assign(role=roles)
    good = good.merge(first[["participant_id", "role"]], on="participant_id")
    splits = pd.concat(
        first.assign(experiment=name, fold=0, seed=1) for name in SETTINGS["experiments"]
    )
    write("splits", splits, SPLITS)

    history = pd.DataFrame(
        {
            "experiment": name,
            "fold": 0,
            "seed": 1,
            "epoch": epoch,
            "learning_rate": 1e-3,
            "train_loss": scale * (0.6 + 1.5 * np.exp(-epoch / 4)) + rng.normal(0, 0.02),
            "validation_loss": scale * (0.7 + 1.4 * np.exp(-epoch / 4)) + rng.normal(0, 0.03),
            "validation_mae": 4.5 + 9 * np.exp(-epoch / 3) + rng.normal(0, 0.2),
        }
        for name, scale in (("lexp", 1.0), ("y_aware", 1.4), ("l1", 6.0))
        for epoch in range(1, 13)
    )
    write("history", history, HISTORY)

    gaps = []
    used = good[good["role"].isin(["calibration", "test"])]
    person_noise = {p: rng.normal() for p in used["participant_id"].unique()}
    for name, error in ERRORS.items():
        part = used.assign(experiment=name, fold=0, seeds=1, seed_sd=None, in_age_range=True)
        noise = part["participant_id"].map(person_noise) * error * 0.8 + rng.normal(
            0, error * 0.25, len(part)
        )
        alpha = 0.0 if name == "median" else ALPHA
        part["predicted_age"] = alpha * (part["true_brain_age"] + noise) + (BETA if alpha else 52)
        part["gap"] = part["predicted_age"] - part["age"]
        part["gap_beheshti"] = (
            part["predicted_age"] - (alpha * part["age"] + BETA) if alpha else None
        )
        part["gap_cole"] = part["gap_beheshti"] / alpha if alpha else None
        part["in_age_range"] = part["age"].between(21, 85)
        gaps.append(part)
    gaps = pd.concat(gaps, ignore_index=True)
    apart = np.random.default_rng(8)  # what was drawn before stays as it is
    gaps["embedding_percentile"] = apart.uniform(0, 97, len(gaps))
    gaps["image_percentile"] = apart.uniform(0, 97, len(gaps))
    gaps.loc[gaps["site"] == "demo/C2", "image_percentile"] = 99.5
    gaps.loc[gaps["experiment"].isin(BASELINES), "embedding_percentile"] = np.nan
    gaps["unlike_training"] = unlike_training(gaps)
    write("gaps", gaps, GAPS)
    trained = good[good["role"] == "train"].assign(fold=0, predicted_age=lambda t: t["age"])
    predictions = pd.concat([gaps, *(trained.assign(experiment=name) for name in ERRORS)])
    write("predictions", predictions.assign(seed=1), PREDICTIONS)
    calibrated = used[used["role"] == "calibration"]
    reference = pd.DataFrame(
        {
            "experiment": name,
            "fold": 0,
            "alpha": ALPHA,
            "beta": BETA,
            "n": len(calibrated),
            "age_low": 21.0,
            "age_high": 85.0,
            "residual_sd": 3.0,
            "sites": "demo/H1,demo/H2,demo/H3,demo/H4",
            "warning": None,
        }
        for name in ERRORS
        if name != "median"
    )
    write("reference", reference, REFERENCE)

    probe = pd.DataFrame(
        {
            "experiment": name,
            "fold": 0,
            "seed": 1,
            "probe": kind,
            "protocol": protocol,
            "balanced_accuracy": value,
            "low": value - 0.1,
            "high": value + 0.1,
            "chance": 0.25,
            "sites": 4,
            "n": 62,
        }
        for name, own in (("lexp", 0.35), ("y_aware", 0.44), ("l1", 0.52))
        for kind, value in (("embedding", own), ("age_sex", 0.27), ("voxels", 0.81))
        for protocol in ("challenge", "converged")
    )
    write("site_probe", probe, SITE_PROBE)
    made = accuracy_table(gaps) | clinical_tables(gaps, SETTINGS["experiments"]) | grid_tables()
    for name, (frame, table) in made.items():
        write(name, frame, table)
    write("truth", people.assign(trouble=None), TRUTH)

    paths["derivatives"] = folder / "imaging"
    png = picture()
    for scan in qc.loc[qc["reason"] != "the file ends early (truncated)", "scan_id"]:
        target = derivative(paths["derivatives"], scan, PICTURE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(png)
    return paths

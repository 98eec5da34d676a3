"""Made-up tables of the statistics: accuracy, groups, slopes, ROC curves, and those of the grid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.grid import GRID_ACCURACY, GRID_DIAGNOSIS, GRID_SITES
from brainage.core.contracts.statistics import (
    ACCURACY,
    GROUPS,
    PERSON_SLOPES,
    ROC,
    ROC_CURVES,
    SLOPES,
)

Tables = dict[str, tuple[pd.DataFrame, Any]]  # by the name of the file, with the contract
ALPHA = 0.82
ERRORS = {"lexp": 4.0, "y_aware": 4.6, "l1": 5.2, "ridge_voxels": 5.0, "median": 0.0}


def accuracy_table(gaps: pd.DataFrame) -> Tables:
    """Errors that follow from the gaps, with made-up intervals."""
    accuracy = []
    for name in ERRORS:
        for kind, part in (("internal", "H"), ("external", "E"), ("all", "HE")):
            rows = gaps[
                (gaps["experiment"] == name)
                & (gaps["role"] == "test")
                & gaps["part"].isin(list(part))
            ]
            mae = float(rows["gap"].abs().mean())
            for metric, unit, value in (
                ("mae", "years", mae),
                ("rmse", "years", mae * 1.25),
                ("r", "none", 0.95),
                ("r2", "none", 0.88),
                ("slope", "none", ALPHA),
                ("mae_of_constant", "years", 16.2),
                ("mae_minus_ridge", "years", -2.0),
            ):
                if metric == "mae_minus_ridge" and name == "ridge_voxels":
                    continue
                accuracy.append(
                    {
                        "experiment": name,
                        "people": kind,
                        "predictor": "single",
                        "metric": metric,
                        "unit": unit,
                        "estimate": value,
                        "low": value * 0.85,
                        "high": value * 1.15,
                        "seed_low": None,
                        "seed_high": None,
                        "verdict": "beats ridge" if metric == "mae_minus_ridge" else None,
                        "n": len(rows),
                        "model": "mean absolute error; percentile bootstrap over people",
                        "note": None,
                    }
                )
    return {"accuracy": (pd.DataFrame(accuracy), ACCURACY)}


def clinical_tables(gaps: pd.DataFrame, experiments: Iterable[str]) -> Tables:
    """Groups, slopes, ROC curves and each person's own slope, of the clinical part."""
    tests = gaps[(gaps["role"] == "test") & (gaps["part"] == "C")]
    groups, slopes, roc, curves, owns = [], [], [], [], []
    for name in experiments:
        rows = tests[tests["experiment"] == name].drop_duplicates("participant_id")
        means = rows.groupby("diagnosis")["gap_cole"].mean()
        sizes = rows.groupby("diagnosis").size()
        unit = f"years on Cole's scale (alpha {ALPHA})"
        order = ["CN", "MCI", "AD"]
        base = {
            "experiment": name,
            "unit": unit,
            "model": "gap ~ group + age + age² + sex + site, HC3",
            "note": None,
        }
        slope = {"CN": 0.1, "MCI": 0.4, "AD": 1.1}
        timed = {
            **base,
            "unit": f"years per year on Cole's scale (alpha {ALPHA})",
            "model": "mixed model, REML",
        }
        for g in order:
            m = means[g]
            groups.append(
                {
                    **base,
                    "quantity": "mean",
                    "group": g,
                    "reference": None,
                    "estimate": m,
                    "low": m - 1.6,
                    "high": m + 1.6,
                    "standard_error": 0.8,
                    "p": None,
                    "p_holm": None,
                    "n": sizes[g],
                }
            )
            slopes.append(
                {
                    **timed,
                    "quantity": "slope",
                    "group": g,
                    "reference": None,
                    "estimate": slope[g],
                    "low": slope[g] - 0.4,
                    "high": slope[g] + 0.4,
                    "standard_error": 0.2,
                    "p": 0.01,
                    "n": sizes[g],
                    "scans": sizes[g] * 3,
                }
            )
        for a, b in (("MCI", "CN"), ("AD", "CN"), ("AD", "MCI")):
            d = means[a] - means[b]
            groups.append(
                {
                    **base,
                    "quantity": "difference",
                    "group": a,
                    "reference": b,
                    "estimate": d,
                    "low": d - 2.2,
                    "high": d + 2.2,
                    "standard_error": 1.1,
                    "p": 0.00004,
                    "p_holm": 0.0001,
                    "n": sizes[a],
                    "n_reference": sizes[b],
                }
            )
            d = slope[a] - slope[b]
            slopes.append(
                {
                    **timed,
                    "quantity": "contrast",
                    "group": a,
                    "reference": b,
                    "estimate": d,
                    "low": d - 0.5,
                    "high": d + 0.5,
                    "standard_error": 0.25,
                    "p": 0.03,
                    "n": sizes[a],
                    "n_reference": sizes[b],
                    "scans": sizes[a] * 3 + sizes[b] * 3,
                }
            )
        for case, power in (("MCI", 0.6), ("AD", 0.3)):
            for score, k in (
                ("gap", power),
                ("diagnosis_probe", power * ERRORS[name] / 5),
                ("age", 1.0),
                ("age_sex", 0.95),
            ):
                x = np.linspace(0, 1, 25)
                area = 1 / (1 + k)
                roc.append(
                    {
                        "experiment": name,
                        "control": "CN",
                        "case": case,
                        "score": score,
                        "quantity": "auc",
                        "estimate": area,
                        "low": area - 0.12,
                        "high": min(1, area + 0.12),
                        "p": 0.01,
                        "n": int(sizes["CN"] + sizes[case]),
                        "n_cases": int(sizes[case]),
                        "model": "DeLong",
                        "note": None,
                    }
                )
                for point, value in enumerate(x):
                    curves.append(
                        {
                            "experiment": name,
                            "control": "CN",
                            "case": case,
                            "score": score,
                            "point": point,
                            "false_positive_rate": value,
                            "true_positive_rate": value**k,
                        }
                    )
        for person, visits in tests[tests["experiment"] == name].groupby("participant_id"):
            if len(visits) < 2:
                continue
            own = np.polyfit(
                visits["years_since_first"].astype(float), visits["gap_cole"].astype(float), 1
            )[0]
            owns.append(
                {
                    "experiment": name,
                    "dataset": "demo",
                    "participant_id": person,
                    "group": visits["diagnosis"].iloc[0],
                    "scans": len(visits),
                    "years": visits["years_since_first"].max(),
                    "slope": own,
                }
            )
    return {
        "groups": (pd.DataFrame(groups), GROUPS),
        "slopes": (pd.DataFrame(slopes), SLOPES),
        "roc": (pd.DataFrame(roc), ROC),
        "roc_curves": (pd.DataFrame(curves), ROC_CURVES),
        "person_slopes": (pd.DataFrame(owns), PERSON_SLOPES),
    }


def grid_tables() -> Tables:
    """Three trainings of two experiments: the error falls and the site stays with more people."""
    accuracy, sites, diagnosis = [], [], []
    for experiment, worse in (("lexp", 0.0), ("l1", 0.5)):
        for fraction, error in ((0.25, 7.0), (0.5, 5.5), (1.0, 4.0)):
            cell = {
                "run": experiment if fraction == 1 else f"{experiment}.all.{fraction:g}",
                "experiment": experiment,
                "datasets": "all",
                "fraction": fraction,
                "train_people": 160 * fraction,
                "seeds": 2,
                "model": "made up",
                "note": None,
            }

            def around(value: float, by: float) -> dict[str, float]:
                ends = {"low": value - by, "high": value + by}
                return {"estimate": value, **ends, "seed_low": value - by / 3,
                        "seed_high": value + by / 4}  # fmt: skip

            whom = {"people": "external", "unit": "years", "sites": 2, "n": 20}
            accuracy.append({**cell, **whom, "metric": "mae", **around(error + worse, 1.0)})
            score = {"metric": "challenge_score", "estimate": 3.21 + worse}
            accuracy.append({**cell, **whom, **score})
            for probe, value in (("embedding", 0.4 + worse), ("age_sex", 0.3), ("voxels", 0.95)):
                sites.append(
                    {**cell, "probe": probe, "protocol": "converged", "unit": "0 to 1",
                     **around(value, 0.04), "chance": 0.25, "sites": 4, "n": 62}
                )  # fmt: skip
            pair = {"control": "CN", "case": "AD", "unit": "area", "n": 24, "n_cases": 12}
            diagnosis.append({**cell, **pair, **around(0.9 - error / 50 - worse / 5, 0.05)})
    return {
        "grid_accuracy": (pd.DataFrame(accuracy), GRID_ACCURACY),
        "grid_sites": (pd.DataFrame(sites), GRID_SITES),
        "grid_diagnosis": (pd.DataFrame(diagnosis), GRID_DIAGNOSIS),
    }

"""False positives of the statistics on cohorts in which nothing is there to be found.

Each cohort has controls and patients that do not differ in mean gap or slope, made as hard as real
ones: patients are ten years older, gaps have an SD of 4 years in controls and 7 in patients,
slopes an SD of 0.5 and 0.8 years per year, each of two sites has an offset, and a quarter of the
patients (a tenth of the controls) is lost at each visit. Printed is the share of cohorts with
p < 0.05, which should be near 5 %, with its exact binomial 95 % interval.

    python benchmarks/false_positives.py [--cohorts 300] [--seed 2025]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from brainage.core.config import defaults
from brainage.core.contracts.probing import DIAGNOSIS_SCORES
from brainage.core.subjects import visit_order
from brainage.statistics.groups import group_rows
from brainage.statistics.longitudinal import followed_up, own_slopes, slope_rows
from brainage.statistics.people import Experiment
from brainage.statistics.roc import roc_rows

SIZES = {"60 + 20": (60, 20), "8 + 8": (8, 8), "20 + 20": (20, 20), "60 + 60": (60, 60)}
GAP_SD = {"CN": 4.0, "AD": 7.0}
SLOPE_SD = {"CN": 0.5, "AD": 0.8}
LOST = {"CN": 0.1, "AD": 0.25}
FIRST_AGE = {"CN": 65.0, "AD": 75.0}
SETTINGS = {
    **defaults("statistics"),
    "groups": ["CN", "AD"],
    "seed": 2025,
}


def cohort(sizes: tuple[int, int], noise: float, rng: np.random.Generator) -> Experiment:
    """A cohort of controls and patients without any difference, three visits a year apart."""
    offsets = 2 * rng.normal(size=2)
    rows = []
    for group, size in zip(("CN", "AD"), sizes, strict=True):
        for number in range(size):
            age = FIRST_AGE[group] + 6 * rng.normal()
            gap = offsets[number % 2] + GAP_SD[group] * rng.normal()
            slope = SLOPE_SD[group] * rng.normal()
            sex = "FM"[int(rng.integers(2))]
            for visit in range(3):
                if visit and rng.random() < LOST[group]:
                    break
                years = visit + (rng.uniform(-0.1, 0.1) if visit else 0.0)
                rows.append(
                    {
                        "scan_id": f"null_sub-{group}{number}_ses-{visit}",
                        "dataset": "null",
                        "participant_id": f"sub-{group}{number}",
                        "session_id": f"ses-{visit}",
                        "site": f"null/site {number % 2}",
                        "scanner": f"scanner {number % 2}",
                        "sex": sex,
                        "diagnosis": group,
                        "years_since_first": years,
                        "age": age + years,
                        "gap_cole": gap + slope * years + noise * rng.normal(),
                    }
                )
    scans = pd.DataFrame(rows)
    scans = scans.assign(gap_beheshti=scans["gap_cole"], in_age_range=True, folds=1)
    return Experiment("null", visit_order(scans), (1.0,))


def p_of_groups(experiment: Experiment) -> dict[str, float | None]:
    """p of the difference in years."""
    rows = group_rows(experiment, SETTINGS)
    return {
        "difference of means (HC3)": next(
            row.get("p") for row in rows if row["quantity"] == "difference" and row["unit"] != "SD"
        )
    }


def p_of_roc(experiment: Experiment) -> dict[str, float | None]:
    """p of the area of the gap, and of its added value."""
    rows, _ = roc_rows(experiment, pd.DataFrame(columns=list(DIAGNOSIS_SCORES.names)), SETTINGS)
    by = {row["quantity"]: row.get("p") for row in rows if row["score"] == "gap"}
    return {
        "area under the curve (DeLong)": by["auc"],
        "added value (likelihood ratio)": by["added_value"],
    }


def p_of_slopes(experiment: Experiment) -> dict[str, float | None]:
    """p of the contrast of slopes, and apart from all by which of the two ways it came."""
    scans = followed_up(experiment.scans, SETTINGS["follow_up"])
    rows = slope_rows(experiment, scans, own_slopes(scans), SETTINGS)
    row = next(row for row in rows if row["quantity"] == "contrast")
    way = "slopes, own slopes (Welch)" if "Welch" in row["model"] else "slopes, mixed model"
    return {"slopes, all": row.get("p"), way: row.get("p")}


def main() -> None:
    """Run and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=300, help="cohorts of each size")
    parser.add_argument("--seed", type=int, default=2025)
    given = parser.parse_args()
    questions: list[Callable[[Experiment], dict[str, float | None]]]
    questions = [p_of_groups, p_of_roc, p_of_slopes]
    print("| people (CN + AD) | noise of a scan | question | tested | p < 0.05 | 95 % interval |")
    print("|---|---|---|---|---|---|")
    for place, (name, sizes) in enumerate(SIZES.items()):
        for noise in (1.0, 3.0):
            started, found = time.monotonic(), {}
            for number in range(given.cohorts):
                rng = np.random.default_rng([given.seed, place, int(noise), number])
                experiment = cohort(sizes, noise, rng)
                for question in questions:
                    for words, p in question(experiment).items():
                        found.setdefault(words, []).append(np.nan if p is None else p)
                if number % 50 == 49:
                    rate = (number + 1) / (time.monotonic() - started)
                    print(
                        f"{name}, noise {noise}: {number + 1} cohorts, {rate:.1f}/s",
                        file=sys.stderr,
                    )
            for words, values in found.items():
                known = np.array(values)[np.isfinite(values)]
                if not len(known):
                    print(f"| {name} | {noise} | {words} | 0 | refused | |")
                    continue
                hits = int((known < 0.05).sum())
                interval = stats.binomtest(hits, len(known)).proportion_ci()
                print(
                    f"| {name} | {noise} | {words} | {len(known)} | {hits / len(known):.1%} | "
                    f"{interval.low:.1%} to {interval.high:.1%} |"
                )


if __name__ == "__main__":
    main()

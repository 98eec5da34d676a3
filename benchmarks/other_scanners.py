"""What is said of scans from other scanners, on simulated people: shares flagged, and intervals.

    python benchmarks/other_scanners.py [--studies 200] [--sites 20000]

The first table has the share of test people who are said to be unlike the training data, over
simulated studies. Their embeddings and image measures depend on age and site, and training people's
brains look nearer to their age than those of people whom an encoder has not seen. The second has
the share of new healthy people of a site whose gap lies in the interval that a few local people
give (brainage.core.local_calibration), and half its width in SDs of the gap. Offsets are 18 years,
the SD is 4 years; "SD at the site 1.5 times" is where people differ more there than in the
reference, "shrunk" is with 3 years stated as the SD between sites.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from typing import Any

import numpy as np
import pandas as pd
from markdown_table import markdown
from scipy import special, stats

from brainage.core.local_calibration import calibrate_locally
from brainage.core.subjects import visit_order
from brainage.core.unlike import IMAGE_MEASURES, unlike_training
from brainage.probing.unlike import add_percentiles

KNOWN_SITES = {"train": 60, "calibration": 45, "test": 40}


def draw(
    seed: int,
    people: dict[str, int],
    *,
    sites: int = 1,
    tail: int | None = None,
    ages: tuple[float, float] = (20, 80),
    test_ages: tuple[float, float] = (20, 80),
    moved: tuple[float, float] = (0, 0),
    gap: float = 0.0,
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, pd.DataFrame]:
    """Make people, predicted ages, embeddings and qc; training people are nearer to their age.

    `moved` are shifts of test people's embeddings and measures, in SDs, in a random direction;
    their brains look `gap` years older than they are.
    """
    rng = np.random.default_rng([2025, seed])
    rows = [
        {
            "dataset": "demo",
            "participant_id": f"sub-{role}{number:03d}",
            "scan_id": f"demo_sub-{role}{number:03d}",
            "role": role,
            "site": f"demo/{number % sites}",
            "age": rng.uniform(*(test_ages if role == "test" else ages)),
            "years_since_first": 0.0,
        }
        for role, count in people.items()
        for number in range(count)
    ]
    table = visit_order(pd.DataFrame(rows)).reset_index(drop=True)
    n, features = len(table), 16

    def noise(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) if tail is None else rng.standard_t(tail, size=shape)

    train, test = (table["role"] == "train").to_numpy(), (table["role"] == "test").to_numpy()
    looks = table["age"].to_numpy() + rng.normal(0, np.where(train, 2, 6)) + gap * test
    place = table["site"].str[-1].astype(int).to_numpy()
    curve = np.column_stack([(looks - 50) / 15, ((looks - 50) / 25) ** 2])
    embedding = noise(n, 5) @ rng.normal(size=(5, features)) + 0.5 * noise(n, features)
    embedding += 2 * curve @ rng.normal(size=(2, features))
    embedding += rng.normal(0, 2, (sites, features))[place]
    measures = noise(n, len(IMAGE_MEASURES)) - (table["age"].to_numpy()[:, None] - 50) / 30
    measures += rng.normal(0, 2, (sites, measures.shape[1]))[place]
    for values, shift in zip((embedding, measures), moved, strict=True):
        away = rng.normal(size=values.shape[1])
        values[test] += shift * np.sqrt(values.shape[1]) * away / np.linalg.norm(away)
    qc = pd.DataFrame(measures, columns=list(IMAGE_MEASURES))
    qc.insert(0, "scan_id", table["scan_id"])
    return table, looks + rng.normal(0, 1, n), embedding, qc


FEW = {**KNOWN_SITES, "calibration": 12}
STUDIES: dict[str, tuple[dict[str, int], dict[str, Any]]] = {
    "test people of the training scanner, 45 calibration people": (KNOWN_SITES, {}),
    "the same, three training scanners": (KNOWN_SITES, {"sites": 3}),
    "the same, heavy tails (t with 3 degrees of freedom)": (KNOWN_SITES, {"tail": 3}),
    "12 calibration people": (FEW, {}),
    "12 calibration people, heavy tails": (FEW, {"tail": 3}),
    "test people at the upper end of the training ages": (KNOWN_SITES, {"test_ages": (65, 80)}),
    "brains that look ten years older than they are": (
        KNOWN_SITES,
        {"test_ages": (25, 55), "gap": 10},
    ),
    "test people older than any training person": (
        KNOWN_SITES,
        {"ages": (20, 60), "test_ages": (65, 80)},
    ),
    "another scanner: embedding moved by 3 SD": (KNOWN_SITES, {"moved": (3, 0)}),
    "another scanner: image measures moved by 3 SD": (KNOWN_SITES, {"moved": (0, 3)}),
}


def flagged(studies: int, people: dict[str, int], **details: Any) -> float:
    """Share of test people said to be unlike the training data, over simulated studies."""
    shares = []
    for seed in range(studies):
        table = add_percentiles(*draw(seed, people, **details))
        flags = unlike_training(table)[table["role"] == "test"]
        shares.append((flags == "true").mean())
    return float(np.mean(shares))


def held(
    sites: int,
    n: int,
    offset: float | tuple[float] = 0.0,
    ratio: float = 1.0,
    between: float | None = None,
    people: int = 1,
) -> tuple[float, float]:
    """Share of simulated sites whose interval holds the mean of new people; half its width in SDs.

    Parameters
    ----------
    sites, n, people
        Number of sites, of local people at each, and of new people.
    offset
        Of each site, in years; in a tuple, the SD of the offsets of sites around zero.
    ratio
        SD at the site over that of the reference, which is 4 years.
    between
        The SD between sites that is stated.
    """
    rng = np.random.default_rng([2025, n, people])
    held, half = 0, 0.0
    for _ in range(sites):
        site = rng.normal(0, offset[0]) if isinstance(offset, tuple) else offset
        local = calibrate_locally(rng.normal(site, 4 * ratio, n), 4.0, between)
        low, high = local.interval(people)
        held += low <= rng.normal(site, 4 * ratio, people).mean() <= high
        half += (high - low) / 2
    return held / sites, half / sites / (4 * ratio)


def own_half_width(n: int) -> str:
    """Half the mean width of the t interval of the local people alone, in SDs."""
    if n < 2:
        return "none"
    # The mean of a sample's SD is below the SD (c4).
    c4 = np.sqrt(2 / (n - 1)) * np.exp(special.gammaln(n / 2) - special.gammaln((n - 1) / 2))
    return f"{stats.t.ppf(0.975, n - 1) * np.sqrt(1 + 1 / n) * c4:.1f}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--studies", type=int, default=200)
    arguments.add_argument("--sites", type=int, default=20000)
    args = arguments.parse_args()
    if min(args.studies, args.sites) < 1:
        arguments.error("--studies and --sites must be at least 1")
    heading = f"simulated, {KNOWN_SITES['train']} training people"
    rows = []
    with contextlib.redirect_stderr(io.StringIO()):  # who is compared with, of each study
        for name, (people, details) in STUDIES.items():
            rows.append(
                {
                    heading: name,
                    "flagged": f"{100 * flagged(args.studies, people, **details):.1f} %",
                }
            )
    print(markdown(pd.DataFrame(rows)))
    rows = []
    for n in (1, 3, 5, 12, 30):
        share, half = held(args.sites, n, 18.0)
        wider, _ = held(args.sites, n, 18.0, ratio=1.5)
        shrunk, _ = held(args.sites, n, 18.0, between=3.0)
        rows.append(
            {
                "local people": n,
                "95 % interval holds": f"{100 * share:.1f} %",
                "half its width, in SD": f"{half:.1f}",
                "local people alone (t)": own_half_width(n),
                "SD at the site 1.5 times": f"{100 * wider:.1f} %",
                "shrunk": f"{100 * shrunk:.1f} %",
            }
        )
    print(f"\n{markdown(pd.DataFrame(rows))}")


if __name__ == "__main__":
    main()

"""The plan of a simulated cohort: who is scanned where and when, and what is true of them.

The plan follows from the settings alone and needs no image, so that a workflow can list its
scans before anything is simulated. It is made of fixed effects (see
:data:`~brainage.core.planted.GROUPS`), chosen beforehand and never tuned to a result:

* brain age = age + gap. The gap at the first scan is normal with SD 3 years about 0, 2 and
  5 years for CN, MCI and AD; it grows by the person's extra slope, normal with SD 0.5 about
  0, 0.5 and 1.0 years a year.
* Disease has a second part that is no ageing (hippocampus and temporal lobe smaller than
  brain age says). It is kept apart as `off_axis`, 0 to 1, constant within a person.

Ages, sexes and sites are spread evenly by design (as a recruiting study would balance them), so
that every site and every diagnosis has the same ages. A person's numbers follow from the seed
and their name alone: adding people changes nobody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.planted import GROUPS
from brainage.simulation.names import DIAGNOSES, PARTS, TROUBLES, TWICE, participant, site_names

GOLDEN_RATIO = (5**0.5 - 1) / 2
HEALTHY_AGES = (20.0, 85.0)
CLINICAL_AGES = (58.0, 86.0)
YEARS_BETWEEN_VISITS = (1.5, 0.1)  # mean and SD, in years
DROPOUT = 0.06  # chance to leave the study before each later visit
HEALTHY_GAP_SD = 3.0  # years, in every group
SLOPE_SD = 0.5  # years of gap a year


def random_stream(seed: int, *names: str) -> np.random.Generator:
    """Return random numbers that follow from the seed and the names alone.

    Parameters
    ----------
    seed
        Seed of the simulation.
    names
        What the numbers are for: a person or site, and the purpose.
    """
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def make_plan(settings: dict[str, Any]) -> pd.DataFrame:
    """Plan every image of a simulated cohort.

    Parameters
    ----------
    settings
        Section `simulation` of a data set in the config: people and sites (each with healthy,
        external and clinical), visits, voxel_size, seed and troubles.

    Returns
    -------
    pandas.DataFrame
        One row an image, sorted by person and session: participant_id (sub-H… healthy, sub-E…
        healthy on sites apart, sub-C… clinical, sub-T… with a planted trouble), session_id,
        t1w (path in the BIDS folder), age (years at the scan, two decimals), sex, site, scanner,
        diagnosis, true_gap, true_brain_age (years at the scan), true_extra_slope, off_axis,
        trouble (None, or in words), and image_of (the person whose head it is).
    """
    sites = site_names(settings)
    rows: list[dict[str, Any]] = []
    for part in PARTS:
        for index in range(int(settings["people"][part])):
            rows += _person(settings, part, index, sites[part])
    if settings["troubles"] and sites["healthy"]:
        for index in range(len(TROUBLES)):
            rows += _person(settings, "trouble", index, sites["healthy"])
    columns = (
        "participant_id session_id t1w age sex site scanner diagnosis true_gap true_brain_age "
        "true_extra_slope off_axis trouble image_of"
    )
    plan = pd.DataFrame(rows, columns=columns.split())
    plan["trouble"] = plan["trouble"].astype(object).where(plan["trouble"].notna(), None)
    order = ["participant_id", "session_id"]
    return plan.sort_values(order, kind="stable").reset_index(drop=True)


def people(plan: pd.DataFrame) -> list[str]:
    """Return everyone in a plan, sorted."""
    return sorted(set(plan["participant_id"]))


def parts(plan: pd.DataFrame, count: int) -> list[list[str]]:
    """Split the people of a plan into at most `count` parts with about as many scans each.

    A person is never split. Nobody is in two parts, and no part is empty.
    """
    scans = plan.groupby("participant_id").size().sort_index()
    count = max(1, min(int(count), len(scans)))
    ends = np.cumsum(scans.to_numpy())
    part_of = np.minimum((ends - 1) * count // max(int(ends[-1]), 1), count - 1)
    split = [list(scans.index[part_of == part]) for part in range(count)]
    return [part for part in split if part]


def _person(
    settings: dict[str, Any], part: str, index: int, sites: Sequence[str]
) -> list[dict[str, Any]]:
    seed = int(settings["seed"])
    person = participant(part, index)
    trouble = TROUBLES[index] if part == "trouble" else None
    # The second name of a scan that is there twice: everything is the first one's.
    image_of = (
        participant(part, index - 1) if trouble == TWICE and index == len(TROUBLES) - 1 else person
    )
    if image_of != person:
        index -= 1
    random = random_stream(seed, image_of, "plan")
    # One number for the part, the same for all its people, places the even spread of ages.
    start = float(random_stream(seed, part, "ages").random())

    if part == "clinical":
        diagnosis = DIAGNOSES[index % len(DIAGNOSES)]
        place, ages, visits = index // len(DIAGNOSES), CLINICAL_AGES, int(settings["visits"])
    else:
        diagnosis, place, ages, visits = "CN", index, HEALTHY_AGES, 1
    site = sites[place % len(sites)]
    within_site = place // len(sites)
    sex = "FM"[(within_site + place) % 2]
    # Golden-ratio steps fill the range of ages evenly at any number of people, alike at each site
    # and in each group; the jitter keeps people from being of exactly one age.
    share = (start + GOLDEN_RATIO * within_site + random.uniform(-0.03, 0.03)) % 1.0
    first_age = ages[0] + share * (ages[1] - ages[0])

    group = GROUPS[diagnosis]
    first_gap = random.normal(group.gap, HEALTHY_GAP_SD)
    slope = round(float(random.normal(group.extra_slope, SLOPE_SD)), 4)
    off_axis = float(np.clip(random.normal(group.off_axis, group.off_axis_sd), 0.0, 1.0))

    rows = []
    years = 0.0
    for visit in range(visits):
        # All numbers are drawn for every visit, so that more visits change no earlier one.
        step, stays = random.normal(*YEARS_BETWEEN_VISITS), random.random() >= DROPOUT
        if visit:
            if not stays:
                break
            years += max(0.5, step)
        age = round(first_age + years, 2)
        gap = round(first_gap + slope * (age - round(first_age, 2)), 4)
        session = f"ses-{visit + 1}"
        rows.append(
            {
                "participant_id": person,
                "session_id": session,
                "t1w": f"{person}/{session}/anat/{person}_{session}_T1w.nii.gz",
                "age": age,
                "sex": sex,
                "site": site,
                "scanner": f"simulated {site}",
                "diagnosis": diagnosis,
                "true_gap": gap,
                "true_brain_age": round(age + gap, 4),
                "true_extra_slope": slope,
                "off_axis": round(off_axis, 4),
                "trouble": trouble,
                "image_of": image_of,
            }
        )
    return rows

"""The quality gate: a verdict on each scan, with its reason in words.

Two kinds of rule, both said by the measures: limits that no usable scan of a brain crosses, and
outliers among scans of the same site (or of all sites). Age and sex only say what brain volume to
expect, and a volume that is off is shown but alone sets nobody aside; nothing here looks at a
diagnosis. Manual decisions come last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import MEASURES, QC, UNEXPECTED, VERDICTS
from brainage.core.derivatives import BRAIN, derivative
from brainage.core.files import InputError
from brainage.core.subjects import PERSON
from brainage.core.tables import read_table, write_table
from brainage.imaging.manual_decisions import apply_decisions
from brainage.imaging.measure import Cohort, Measure, all_measures
from brainage.imaging.nifti import read_derivative
from brainage.imaging.outliers import find_outliers

Reasons = list[list[str]]  # of each row of the table


def assess(
    tables: Sequence[Path],
    scans: Path,
    out: Path,
    settings: dict[str, Any],
    folder: Path | None = None,
) -> None:
    """Give each scan a verdict and write ``qc.tsv``.

    Parameters
    ----------
    tables
        Tables of all chunks.
    scans
        scans.tsv; scans that it sets aside get a verdict for their image all the same.
    out
        Where qc.tsv goes.
    settings
        The section ``quality`` of the config; its ``decisions`` is the path of manual decisions
        (:data:`QC_DECISIONS`), or None.
    folder
        Folder of all imaging results; that of `out` by default.

    Raises
    ------
    InputError
        Where a scan has no measures, measures have no scan, or a scan is in two tables; where a
        decision is none, or on a scan that there is not.
    """
    people = read_table(scans, SCANS).set_index("scan_id", drop=False)
    frame = _joined([Path(path) for path in tables], people, Path(scans))
    folder = Path(out).parent if folder is None else Path(folder)
    measures = all_measures()
    cohort = Cohort(frame, people, partial(_brain, folder), settings)
    for name, measure in measures.items():
        if measure.of_cohort is not None:
            frame[name] = np.array(measure.of_cohort(cohort), dtype=float)
    fails: Reasons = [[fault] if isinstance(fault, str) else [] for fault in frame["fault"]]
    warns: Reasons = [[] for _ in fails]
    _find_duplicates(frame, people, fails)
    _check_limits(frame, measures, settings, fails, warns)
    sound = np.array([not reasons for reasons in fails])
    sites = people["site"].reindex(frame["scan_id"])
    found = find_outliers(frame, sites, sound, measures, settings)
    for row, outliers in enumerate(found):
        for sets_aside, words in outliers:
            (fails if sets_aside else warns)[row].append(words)

    both = list(zip(fails, warns, strict=True))
    verdicts = ["fail" if failed else "warn" if warned else "pass" for failed, warned in both]
    reasons = ["; ".join(failed + warned) or None for failed, warned in both]
    result = frame[["scan_id", "fault"]].assign(
        machine_verdict=verdicts, machine_reason=pd.Series(reasons, frame.index, dtype=object)
    )
    result = apply_decisions(result, settings.get("decisions"))
    columns = sorted(name for name in frame.columns if name not in MEASURES.names)
    write_table(pd.concat([result, frame[columns]], axis=1), out, QC)
    counts = result["verdict"].value_counts()
    text = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    print(f"quality: {len(frame)} scans: {text}", file=sys.stderr)
    broken = frame["fault"].astype(str).str.startswith(UNEXPECTED).sum()
    if broken:
        print(
            f"quality: WARNING: {broken} scans are set aside because of unexpected exceptions; "
            "please report it",
            file=sys.stderr,
        )


def _joined(tables: list[Path], people: pd.DataFrame, scans: Path) -> pd.DataFrame:
    parts = [read_table(path, MEASURES).assign(_table=str(path)) for path in tables]
    if not parts:
        raise InputError("quality: there is no table of measures")
    frame = pd.concat(parts, ignore_index=True)
    double = frame[frame.duplicated("scan_id", keep=False)]
    if len(double):
        first = double["scan_id"].iloc[0]
        where = double.loc[double["scan_id"] == first, "_table"].tolist()
        raise InputError(f"scan {first} is measured twice: in {' and in '.join(where[:2])}")
    unmeasured = sorted(set(people.index) - set(frame["scan_id"]))
    if unmeasured:
        raise InputError(f"scan {unmeasured[0]} of {scans} has no measures in any chunk's table")
    unknown = sorted(set(frame["scan_id"]) - set(people.index))
    if unknown:
        where = frame.loc[frame["scan_id"] == unknown[0], "_table"].iloc[0]
        raise InputError(f"{where}: scan {unknown[0]} is not in {scans}")
    return frame.drop(columns="_table").sort_values("scan_id", ignore_index=True)


def _brain(folder: Path, scan_id: str) -> np.ndarray:
    return read_derivative(derivative(folder, scan_id, BRAIN))[0]


def _find_duplicates(frame: pd.DataFrame, people: pd.DataFrame, fails: Reasons) -> None:
    """Find duplicate images: of one person the first is kept, of two people none."""
    place = {scan_id: row for row, scan_id in enumerate(frame["scan_id"])}
    known = frame[frame["voxels_sha256"].notna()]
    for _, group in known.groupby("voxels_sha256", sort=True):
        names = sorted(group["scan_id"])
        if len(people.loc[names, list(PERSON)].drop_duplicates()) == 1:
            for name in names[1:]:
                fails[place[name]].append(f"duplicate image: the same as {names[0]}, which is kept")
            continue
        for name in names:
            others = ", ".join(other for other in names if other != name)
            fails[place[name]].append(
                f"duplicate image of another person: the same as {others}, it is not known whose "
                "it is"
            )


def _check_limits(
    frame: pd.DataFrame,
    measures: dict[str, Measure],
    settings: dict[str, Any],
    fails: Reasons,
    warns: Reasons,
) -> None:
    has_brain = np.array([not isinstance(fault, str) for fault in frame["fault"]])
    for name, measure in measures.items():
        limit = measure.limit
        if limit is None:
            continue
        values = frame.get(name, pd.Series(np.nan, frame.index)).to_numpy(dtype=float)
        # Too few brains for a comparison are no fault of any one scan.
        serious = limit.fails(settings)
        needed = serious and (measure.of_cohort is None or np.isfinite(values).any())
        for row, value in enumerate(values.tolist()):
            words = limit.crossed(value, settings)
            if words is not None:
                (fails if serious else warns)[row].append(words)
            elif needed and has_brain[row] and not np.isfinite(value):
                fails[row].append(f"could not be measured: {measure.label} ({name})")

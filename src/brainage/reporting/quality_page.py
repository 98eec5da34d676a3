"""The quality page: everyone's mask and registration on one page, worst first.

Manual decisions are made there too: keep or drop, saved as a file that the config names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import PICTURE, derivative
from brainage.reporting import pages, words
from brainage.reporting import tables as tb
from brainage.reporting.tables import Settings, Tables

VERDICT_ORDER = {"fail": 0, "warn": 1, "pass": 2}
DEFECTS = (
    "A defect looks like this: the orange line cuts through the brain or runs along the skull, the "
    "eyes or the neck (mask); the blue lines miss the ventricles and the rim of the brain "
    "(registration); rings, stripes or a second, fainter head (motion)."
)
ODD = 3.0  # robust SD from the median
BINS = 24  # bars of a measure's histogram
# Scaled so that it estimates the SD of values from a normal distribution.
MAD_TO_SD = 1.4826


def write_quality_page(
    qc: Path, scans: Path, derivatives: Path, out_folder: Path, settings: Settings
) -> None:
    """Write ``index.html`` and ``pictures/<scan_id>.png`` for every scan, worst first.

    Parameters
    ----------
    qc
        As :data:`QC`; each numeric column behind the reason is a measure.
    scans
        As :data:`SCANS`: whose each scan is, and why it is not used whatever its image.
    derivatives
        Folder of the imaging results, for the pictures.
    out_folder
        Folder of the page; it can be zipped and moved.
    settings
        The whole config.
    """
    tables = Tables({"qc": qc, "scans": scans})
    out_folder = Path(out_folder)
    judged = tables["qc"].merge(tables["scans"], on="scan_id", how="left", validate="1:1")
    names = words.labels("brainage.imaging.measures")
    measures = _measure_columns(tables["qc"], judged, list(names))
    judged[measures] = judged[measures].replace([np.inf, -np.inf], np.nan)
    cohort = _cohort(judged, measures)
    judged = _worst_first(judged, cohort)
    site_name = words.site_names(settings)
    cards = [_card(row, Path(derivatives), out_folder, site_name) for _, row in judged.iterrows()]
    aside = judged["set_aside"].notna() & (judged["verdict"] != "fail")
    counts = judged["verdict"].value_counts()
    pages.write_page(
        "quality.html",
        out_folder / "index.html",
        title=settings["report"]["title"].rstrip("."),
        cards=cards,
        counts=[(verdict, int(counts.get(verdict, 0))) for verdict in VERDICT_ORDER],
        aside=int(aside.sum()),
        sites=sorted({site_name(site) for site in judged["site"].dropna()}),
        groups=tb.group_order(settings, list(judged["diagnosis"])),
        decided=int(judged["decision"].notna().sum()),
        # Its name alone: the page is shared, and folders are named after people and places.
        decisions_file=Path(settings.get("quality", {}).get("decisions") or "").name,
        measures=_measures(judged, cohort, names),
        odd=f"{ODD:g}",
        study=_study(settings["report"]["title"], judged["dataset"]),
        defects=DEFECTS,
        unexpected=tb.unexpected_faults(tables["qc"]),
    )


def _measure_columns(qc: pd.DataFrame, judged: pd.DataFrame, named: list[str]) -> list[str]:
    """Return the columns of measures, those with a name first.

    A measure that only failures have has nothing to be compared with.
    """
    numbers = [
        name
        for name in qc.columns
        if name not in QC.names and pd.api.types.is_float_dtype(qc[name])
    ]
    compared = judged.loc[_compared(judged), numbers]
    measures = [name for name in numbers if np.isfinite(compared[name]).any()]
    order = [*named, *measures]
    return sorted(measures, key=order.index)


def _worst_first(judged: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Sort by verdict, then by the measure that lies farthest from the cohort's median."""
    spread = cohort["sd"].where(cohort["sd"] > 0)
    distance = ((judged[list(cohort.index)] - cohort["median"]) / spread).abs()
    # A scan that could not even be measured comes first.
    oddness = distance.max(axis=1).fillna(float("inf")) if len(cohort) else 0.0
    judged = judged.assign(oddness=oddness, place=judged["verdict"].map(VERDICT_ORDER))
    return judged.sort_values(
        ["place", "oddness", "scan_id"], ascending=[True, False, True], kind="stable"
    )


def _study(title: str, datasets: pd.Series) -> str:
    """Under which name a browser keeps decisions: the same one when scans come and go."""
    names = [title, *sorted(set(datasets.dropna()))]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _compared(judged: pd.DataFrame) -> pd.Series:
    """Whether a scan counts among those that the others are compared with.

    The automatic verdict is asked, not a manual decision: none moves a number of another scan.
    """
    sound = judged["machine_verdict"].fillna(judged["verdict"]) != "fail"
    return sound if sound.any() else ~sound


def _cohort(judged: pd.DataFrame, measures: list[str]) -> pd.DataFrame:
    """Return median, 5th and 95th percentile and robust SD of each measure, without failures."""
    good = judged.loc[_compared(judged), measures]
    median = good.median()
    return pd.DataFrame(
        {
            "median": median,
            "low": good.quantile(0.05),
            "high": good.quantile(0.95),
            "sd": (good - median).abs().median() * MAD_TO_SD,
        }
    )


def _measures(judged: pd.DataFrame, cohort: pd.DataFrame, labels: dict[str, str]) -> dict[str, Any]:
    """Return every measure of every scan and its distribution, for the page's script.

    As text each number is written once for the page's tables and their small pictures: thousands
    of tables as HTML would be a page that no browser opens at once.

    Returns
    -------
    dict
        ``measures``: of each its name, median, 5th and 95th percentile (`low`, `high`), robust
        SD, and the numbers of scans in bins between `start` and `end`. ``values``: one list a
        scan, in the order of `judged`.
    """
    compared = _compared(judged)
    described = []
    for name, row in cohort.iterrows():
        values = judged[str(name)][compared].dropna().to_numpy(dtype=float)
        # Far outliers stand at the edge, lest they push all others into one bar.
        width = row["high"] - row["low"]
        start, end = row["low"] - width, row["high"] + width
        if width > 0 and len(values):
            start, end = max(start, values.min()), min(end, values.max())
        else:
            start, end = row["median"] - 1, row["median"] + 1
        counts, _ = np.histogram(np.clip(values, start, end), BINS, (start, end))
        described.append(
            {
                "name": labels.get(str(name), str(name).replace("_", " ")),
                **{key: _short(row[key]) for key in ("median", "low", "high")},
                "sd": float(f"{row['sd']:.6g}"),
                "start": float(f"{start:.6g}"),
                "end": float(f"{end:.6g}"),
                "bins": [int(count) for count in counts],
            }
        )
    names = list(cohort.index)
    rows = judged[names].to_numpy(dtype=float)
    return {"measures": described, "values": [[_short(value) for value in row] for row in rows]}


def _short(value: float) -> float | int | None:
    """Return a measure with about four significant digits; the page's script shows as many."""
    if words.missing(value):
        return None
    size = abs(float(value))
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
    digits += (size < 0.1) + (size < 0.01)
    # Adding zero turns a negative zero left by rounding into zero.
    rounded = round(float(value), digits) + 0.0
    return int(rounded) if rounded.is_integer() else rounded


def _card(
    row: pd.Series, derivatives: Path, out_folder: Path, site_name: Callable[[str], str]
) -> dict[str, Any]:
    """Return what the page says of one scan, and copy its picture."""
    scan_id = str(row["scan_id"])
    source = derivative(derivatives, scan_id, PICTURE)
    picture = ""
    if source.is_file():
        picture = f"pictures/{scan_id}.png"
        pages.copy_file(source, out_folder / picture)
    site = site_name(row["site"]) if isinstance(row["site"], str) else ""
    age = "age not given" if words.missing(row["age"]) else f"{words.number(row['age'])} years"
    return {
        "scan_id": scan_id,
        "verdict": row["verdict"],
        "badge": words.verdict(row),
        "reason": row["reason"] or "",
        "decision": row["decision"] or "",
        "comment": row["comment"] or "",
        "machine": row["machine_verdict"] or row["verdict"],
        "fault": isinstance(row["fault"], str),
        "site": site,
        "group": row["diagnosis"] if isinstance(row["diagnosis"], str) else "",
        "about": ", ".join(
            str(part)
            for part in (age, words.SEX_NAMES.get(row["sex"], ""), site, row["diagnosis"])
            if isinstance(part, str) and part
        ),
        # Of an image that was never read the reason is the same.
        "unused": "" if row["set_aside"] == row["reason"] else row["set_aside"] or "",
        "picture": picture,
        "file": row["t1w"] or "",
    }

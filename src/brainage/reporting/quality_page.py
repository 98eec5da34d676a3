"""The quality page: everyone's mask and registration on one page, worst first.

A person's word is given there too: keep or drop, saved as a file that the config names.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import PICTURE, derivative
from brainage.reporting import pages, words
from brainage.reporting import tables as tb
from brainage.reporting.tables import Tables

VERDICT_ORDER = {"fail": 0, "warn": 1, "pass": 2}
DEFECTS = (
    "A defect looks like this: the orange line cuts through the brain or runs along the skull, the "
    "eyes or the neck (mask); the blue lines miss the ventricles and the rim of the brain "
    "(registration); rings, stripes or a second, paler head (movement)."
)
MEASURE_NAMES = {
    "brain_volume_ml": "brain volume (ml)",
    "brain_volume_ratio": "brain volume over that expected for age and sex",
    "brain_in_view": "share of the brain in the picture",
    "core_in_mask": "share of the brain's core in the mask",
    "template_overlap": "overlap with the template's mask (Dice)",
    "template_correlation": "correlation with the template",
    "cohort_correlation": "correlation with the other brains",
    "snr_total": "signal to noise, mean of the tissues",
    "snr_wm": "signal to noise in white matter",
    "snr_gm": "signal to noise in grey matter",
    "snr_csf": "signal to noise in cerebrospinal fluid",
    "cnr": "contrast to noise (CNR)",
    "cjv": "grey and white blend (CJV)",
    "efc": "entropy focus criterion (EFC)",
    "air_level": "signal in the air, share of the head's",
    "air_spread": "unevenness of the air",
    "ghosting_left_right": "ghosts to left and right",
    "ghosting_front_back": "ghosts before and behind",
    "ghosting_up_down": "ghosts above and below",
    "fber": "energy of head over air (FBER)",
    "wm2max": "white matter over the maximum",
    "tissue_contrast": "white and grey contrast",
    "icvs_wm": "white matter, share of the brain",
    "icvs_gm": "grey matter, share of the brain",
    "icvs_csf": "cerebrospinal fluid, share of the brain",
    "scale": "size against the template",
    "stretch": "stretch to fit the template",
    "rotation_degrees": "rotation (degrees)",
}
ODD = 3.0  # robust SD from the median
BINS = 24  # bars of a measure's histogram
# Scaled so that it estimates the SD of values from a normal distribution.
MAD_TO_SD = 1.4826


def write_quality_page(
    qc: Path, scans: Path, derivatives: Path, out_folder: Path, settings: dict[str, Any]
) -> None:
    """Write ``index.html`` and ``pictures/<scan_id>.png`` for every scan, worst first.

    Parameters
    ----------
    qc
        As :data:`QC`; each numeric column behind the reason is a measure.
    scans
        As :data:`SCANS`; scans that were set aside before imaging are listed
        with their reason.
    derivatives
        Folder of the imaging results, for the pictures.
    out_folder
        Folder of the page; it can be zipped and moved.
    settings
        The config: report and statistics, and where it names a file of decisions, quality.
    """
    tables = Tables({"qc": qc, "scans": scans})
    out_folder = Path(out_folder)
    judged = tables["qc"].merge(tables["scans"], on="scan_id", how="left", validate="1:1")
    numbers = [
        name
        for name in tables["qc"].columns
        if name not in QC.names and pd.api.types.is_float_dtype(tables["qc"][name])
    ]
    judged[numbers] = judged[numbers].replace([np.inf, -np.inf], np.nan)
    # A measure that only failures have has nothing to be compared with.
    known = judged.loc[_compared(judged), numbers].notna().any()
    measures = [name for name in numbers if known[name]]
    order = [*MEASURE_NAMES, *measures]
    measures = sorted(measures, key=order.index)
    cohort = _cohort(judged, measures)
    distance = _distances(judged, cohort)
    # A scan that could not even be measured comes first.
    judged["oddness"] = distance.max(axis=1).fillna(float("inf")) if measures else 0.0
    judged["place"] = judged["verdict"].map(VERDICT_ORDER)
    judged = judged.sort_values(
        ["place", "oddness", "scan_id"], ascending=[True, False, True], kind="stable"
    )
    cards = [_card(row, Path(derivatives), out_folder) for _, row in judged.iterrows()]
    aside = tables["scans"]
    aside = aside[aside["set_aside"].notna() & ~aside["scan_id"].isin(judged["scan_id"])]
    counts = judged["verdict"].value_counts()
    pages.write_page(
        "quality.html",
        out_folder / "index.html",
        title=settings["report"]["title"].rstrip("."),
        cards=cards,
        counts=[(verdict, int(counts.get(verdict, 0))) for verdict in VERDICT_ORDER],
        aside=[(row.scan_id, row.set_aside) for row in aside.sort_values("scan_id").itertuples()],
        sites=sorted(set(judged["site"].dropna())),
        groups=tb.group_order(settings, list(judged["diagnosis"])),
        decided=int(judged["decision"].notna().sum()),
        decisions_file=settings.get("quality", {}).get("decisions") or "",
        measures=_measures(judged, cohort),
        odd=f"{ODD:g}",
        study=_study(settings["report"]["title"], judged["dataset"]),
        defects=DEFECTS,
    )


def _study(title: str, datasets: pd.Series) -> str:
    """Under which name a browser keeps what was said: the same one when scans come and go."""
    names = [title, *sorted(set(datasets.dropna()))]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _compared(judged: pd.DataFrame) -> pd.Series:
    """Whether a scan counts among those that the others are compared with.

    The machine's verdict is asked, not a person's: no decision moves a number of another scan.
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


def _distances(judged: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Return how far each measure of each scan lies from the cohort's median, in robust SD."""
    spread = cohort["sd"].where(cohort["sd"] > 0)
    return ((judged[list(cohort.index)] - cohort["median"]) / spread).abs()


def _measures(judged: pd.DataFrame, cohort: pd.DataFrame) -> dict[str, Any]:
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
        values = judged.loc[compared, name].dropna().to_numpy(dtype=float)
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
                "name": MEASURE_NAMES.get(str(name), str(name).replace("_", " ")),
                **{key: _short(row[key]) for key in ("median", "low", "high")},
                "sd": float(f"{row['sd']:.6g}"),
                "start": float(f"{start:.6g}"),
                "end": float(f"{end:.6g}"),
                "bins": [int(count) for count in counts],
            }
        )
    names = list(cohort.index)
    values = [[_short(value) for value in row] for row in judged[names].to_numpy(dtype=float)]
    return {"measures": described, "values": values}


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


def _card(row: pd.Series, derivatives: Path, out_folder: Path) -> dict[str, Any]:
    """Return what the page says of one scan, and copy its picture."""
    scan_id = str(row["scan_id"])
    source = derivative(derivatives, scan_id, PICTURE)
    picture = ""
    if source.is_file():
        picture = f"pictures/{scan_id}.png"
        pages.copy_file(source, out_folder / picture)
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
        "site": row["site"] if isinstance(row["site"], str) else "",
        "group": row["diagnosis"] if isinstance(row["diagnosis"], str) else "",
        "about": ", ".join(
            str(part)
            for part in (age, words.SEX_NAMES.get(row["sex"], ""), row["site"], row["diagnosis"])
            if isinstance(part, str) and part
        ),
        "unused": row["set_aside"] if isinstance(row["set_aside"], str) else "",
        "picture": picture,
    }

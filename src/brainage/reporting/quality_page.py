"""The quality page: everyone's mask and registration on one page, worst first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from brainage import contracts
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
    "template_overlap": "overlap with the template's mask (Dice)",
    "template_correlation": "correlation with the template",
    "cohort_correlation": "correlation with the other brains",
    "snr_wm": "signal to noise in white matter",
    "cnr": "contrast to noise (CNR)",
    "cjv": "grey and white blend (CJV)",
    "efc": "entropy focus criterion (EFC)",
    "air_level": "signal in the air, share of the head's",
    "air_spread": "unevenness of the air",
    "fber": "energy of head over air (FBER)",
    "wm2max": "white matter over the maximum",
    "tissue_contrast": "white and grey contrast",
    "scale": "size against the template",
    "stretch": "stretch to fit the template",
    "rotation_degrees": "rotation (degrees)",
}
ALWAYS_SHOWN = 8  # measures on every card; the others only where they are odd
ODD = 3.0  # robust SD from the median
# Scaled so that it estimates the SD of values from a normal distribution.
MAD_TO_SD = 1.4826


def write_quality_page(
    qc: Path, scans: Path, derivatives: Path, out_folder: Path, settings: dict[str, Any]
) -> None:
    """Write ``index.html`` and ``pictures/<scan_id>.png`` for every scan, worst first.

    Parameters
    ----------
    qc
        As :data:`brainage.contracts.QC`; each numeric column behind the reason is a measure.
    scans
        As :data:`brainage.contracts.SCANS`; scans that were set aside before imaging are listed
        with their reason.
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
    measures = [
        name
        for name in tables["qc"].columns
        if name not in contracts.QC.names and pd.api.types.is_float_dtype(tables["qc"][name])
        if tables["qc"][name].notna().any()
    ]
    order = [*MEASURE_NAMES, *measures]
    measures = sorted(measures, key=order.index)
    cohort = _cohort(judged, measures)
    distance = _distances(judged, cohort)
    usual = [
        (
            str(name),
            MEASURE_NAMES.get(str(name), str(name).replace("_", " ")),
            figures_of(row["median"]),
            f"{figures_of(row['low'])} to {figures_of(row['high'])}",
        )
        for name, row in cohort.iterrows()
    ]
    # A scan that could not even be measured comes first.
    judged["oddness"] = distance.max(axis=1).fillna(float("inf")) if measures else 0.0
    judged["place"] = judged["verdict"].map(VERDICT_ORDER)
    judged = judged.sort_values(
        ["place", "oddness", "scan_id"], ascending=[True, False, True], kind="stable"
    )
    cards = [
        _card(row, distance.loc[at], usual, Path(derivatives), out_folder)
        for at, row in judged.iterrows()
    ]
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
        defects=DEFECTS,
    )


def _cohort(judged: pd.DataFrame, measures: list[str]) -> pd.DataFrame:
    """Return median, 5th and 95th percentile and robust SD of each measure, without failures."""
    good = judged.loc[judged["verdict"] != "fail", measures]
    good = good if len(good) else judged[measures]
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


def _card(
    row: pd.Series,
    distance: pd.Series,
    usual: list[tuple[str, str, str, str]],
    derivatives: Path,
    out_folder: Path,
) -> dict[str, Any]:
    """Return what the page says of one scan, and copy its picture.

    `usual` has column, name to read, median and range of each measure.
    """
    scan_id = str(row["scan_id"])
    source = contracts.derivative(derivatives, scan_id, contracts.PICTURE)
    picture = ""
    if source.is_file():
        picture = f"pictures/{scan_id}.png"
        pages.copy_file(source, out_folder / picture)
    lines = []
    for place, (column, name, median, limits) in enumerate(usual):
        odd = bool(distance[column] > ODD)
        if place < ALWAYS_SHOWN or odd:
            value = figures_of(row[column])
            lines.append(
                {"name": name, "value": value, "median": median, "range": limits, "odd": odd}
            )
    age = "age not given" if words.missing(row["age"]) else f"{words.number(row['age'])} years"
    return {
        "scan_id": scan_id,
        "verdict": row["verdict"],
        "reason": row["reason"] or "",
        "site": row["site"] if isinstance(row["site"], str) else "",
        "group": row["diagnosis"] if isinstance(row["diagnosis"], str) else "",
        "about": ", ".join(
            str(part)
            for part in (age, words.SEX_NAMES.get(row["sex"], ""), row["site"], row["diagnosis"])
            if isinstance(part, str) and part
        ),
        "unused": row["set_aside"] if isinstance(row["set_aside"], str) else "",
        "picture": picture,
        "measures": lines,
    }


def figures_of(value: Any) -> str:
    """Return a measure with four significant digits and without an exponent."""
    if words.missing(value):
        return words.MISSING
    size = abs(float(value))
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
    return words.number(value, digits)

"""The quality gate: a verdict on each scan, with its reason in words.

Two kinds of rule: limits that no usable scan of a brain crosses, and outliers among scans of the
same site (or of all sites). Age and sex only say what brain volume to expect, and a volume that is
off is shown but alone sets nobody aside; nothing here looks at a diagnosis.

A person's word comes last and counts instead of the machine's, for the scans that it names and
for no other: means, medians and spreads are those of the machine's verdicts, so that no decision
on one scan moves the verdict on another.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import MEASURES, QC, VERDICTS
from brainage.core.decisions import read_decisions
from brainage.core.derivatives import BRAIN, derivative
from brainage.core.files import InputError
from brainage.core.tables import read_table, write_table


@dataclass(frozen=True)
class Rule:
    """One measure's outlier rule.

    Attributes
    ----------
    measure
        Column of the measures.
    direction
        Which side is bad.
    floor
        Smallest robust SD believed: a spread below it is luck, not quality.
    words
        What an outlier means, for the reader.
    everywhere
        It is about anatomy and alignment, not about the picture: compared over all sites too.
    """

    measure: str
    direction: Literal["low", "high", "both"]
    floor: float
    words: str
    everywhere: bool = False


RULES = (
    Rule("core_in_mask", "low", 0.005, "the brain mask leaves out brain", True),
    Rule("template_overlap", "low", 0.01, "the brain mask is unlike the template's", True),
    Rule("template_correlation", "low", 0.02, "badly aligned, or an unusual brain", True),
    Rule("cohort_correlation", "low", 0.01, "unlike the other brains", True),
    Rule("brain_volume_ml", "both", 80.0, "unusual brain volume: check the mask", True),
    Rule("brain_volume_ratio", "both", 0.05, "unusual volume for age and sex: check mask", True),
    Rule("stretch", "high", 0.02, "stretched to fit the template: check the alignment", True),
    Rule("scale", "both", 0.02, "scaled to fit the template: check the alignment", True),
    Rule("brain_in_view", "low", 0.002, "part of the brain is cut off or without signal"),
    Rule("tissue_contrast", "low", 0.02, "grey and white matter differ little: another contrast?"),
    Rule("cjv", "high", 0.05, "grey and white matter blend: motion or noise"),
    Rule("snr_wm", "low", 1.0, "white matter is uneven: motion or noise"),
    Rule("efc", "high", 0.01, "the picture is smeared over the frame: motion"),
    Rule("air_level", "high", 0.005, "signal in the air: motion or noise"),
    Rule("air_spread", "high", 0.05, "ghosts in the air: motion"),
    Rule("ghosting_left_right", "high", 0.002, "ghosts to the left and right of the head: motion"),
    Rule("ghosting_front_back", "high", 0.002, "ghosts before and behind the head: motion"),
    Rule("ghosting_up_down", "high", 0.002, "ghosts above or below the head: motion"),
    Rule("wm2max", "both", 0.05, "white matter is unusually bright or dark against the frame"),
)


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
        The section ``quality`` of the config; its ``decisions`` are a person's word
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
    frame["cohort_correlation"] = _cohort_correlation(frame, folder, settings)
    frame["brain_volume_ratio"] = _volume_ratio(frame, people, int(settings["min_site_scans"]))
    fails: dict[str, list[str]] = {scan_id: [] for scan_id in frame["scan_id"]}
    warns: dict[str, list[str]] = {scan_id: [] for scan_id in frame["scan_id"]}
    for scan_id, fault in zip(frame["scan_id"], frame["fault"], strict=True):
        if isinstance(fault, str):
            fails[scan_id].append(fault)
    _find_twins(frame, people, fails)
    _check_limits(frame, settings, fails)
    _check_lie(frame, settings, warns)
    _check_outliers(frame, people["site"], settings, fails, warns)

    verdicts = ["fail" if fails[k] else "warn" if warns[k] else "pass" for k in frame["scan_id"]]
    reasons = ["; ".join(fails[k] + warns[k]) or None for k in frame["scan_id"]]
    measures = [name for name in frame.columns if name not in MEASURES.names]
    result = frame[["scan_id", "fault"]].assign(machine_verdict=verdicts, machine_reason=reasons)
    result = _decided(result, settings.get("decisions"))
    write_table(pd.concat([result, frame[sorted(measures)]], axis=1), out, QC)
    counts = result["verdict"].value_counts()
    text = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    print(f"quality: {len(frame)} scans: {text}", file=sys.stderr)


def _decided(result: pd.DataFrame, decisions: str | None) -> pd.DataFrame:
    """Add decision, comment, and the verdict and reason that count."""
    result = result.assign(
        verdict=result["machine_verdict"],
        reason=result["machine_reason"],
        decision=pd.Series(None, result.index, object),
        comment=pd.Series(None, result.index, object),
    )
    if decisions is None:
        return result
    said = read_decisions(decisions, set(result["scan_id"]))
    otherwise = 0
    for at in result.index[result["scan_id"].isin(list(said))]:
        row = result.loc[at]
        decision, comment = said[row["scan_id"]]
        verdict, reason = _word(row, decision, comment)
        result.at[at, "verdict"], result.at[at, "reason"] = verdict, reason
        result.at[at, "decision"], result.at[at, "comment"] = decision, comment
        otherwise += (verdict == "fail") != (row["machine_verdict"] == "fail")
    print(
        f"quality: a person decided on {len(said)} of the scans, on {otherwise} of them otherwise "
        "than the machine",
        file=sys.stderr,
    )
    return result


def _word(row: pd.Series, decision: str, comment: str | None) -> tuple[str, str]:
    """Return verdict and reason of a scan on which a person decided."""
    said = (comment or "").strip(" .;")
    because = f": {said}" if said else ""
    if decision == "keep" and isinstance(row["fault"], str):
        # No error: a file may break after somebody decided on it, and a fault of one scan stops
        # nothing.
        print(f"quality: {row['scan_id']} cannot be kept: {row['fault']}", file=sys.stderr)
        return "fail", (
            f"{row['fault']}; kept by a person{because}, but there is no brain of this scan to keep"
        )
    machine = row["machine_verdict"]
    if isinstance(row["machine_reason"], str):
        machine += f": {row['machine_reason']}"
    if decision == "keep":
        return "pass", f"kept by a person{because}; the machine said {machine}"
    return "fail", f"dropped by a person{because}; the machine said {machine}"


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


def _cohort_correlation(
    frame: pd.DataFrame, folder: Path, settings: dict[str, Any]
) -> list[float | None]:
    """Correlate each brain with the mean of all others that are brains at all.

    The mean is over scans without a fault that pass the limit on the template's correlation,
    the scan itself left out; voxels count where at least half of those brains have tissue.
    """
    usable = [not isinstance(fault, str) for fault in frame["fault"]]
    limit = float(settings["min_template_correlation"])
    similar = frame.get("template_correlation", pd.Series(np.nan, index=frame.index)) >= limit
    counted = [bool(a and b) for a, b in zip(usable, similar, strict=True)]
    total: np.ndarray | None = None
    present: np.ndarray | None = None
    for scan_id in frame["scan_id"][counted]:
        brain = _brain(folder, scan_id).astype(np.float64)
        if total is None or present is None:
            total, present = np.zeros_like(brain), np.zeros_like(brain)
        if brain.shape != total.shape:
            raise InputError(f"{scan_id}: its brain is on another grid than the others; run again")
        total += brain
        present += brain > 0
    number = sum(counted)
    if total is None or present is None or number < 3:
        return [None] * len(frame)
    where = present >= number / 2
    result: list[float | None] = []
    for scan_id, has_brain, in_mean in zip(frame["scan_id"], usable, counted, strict=True):
        if not has_brain:
            result.append(None)
            continue
        brain = _brain(folder, scan_id).astype(np.float64)
        others = (total - brain if in_mean else total)[where]
        values = brain[where]
        flat = values.std() == 0 or others.std() == 0
        result.append(None if flat else float(np.corrcoef(values, others)[0, 1]))
    return result


def _volume_ratio(frame: pd.DataFrame, people: pd.DataFrame, minimum: int) -> list[float | None]:
    """Brain volume over what this cohort has at that age and sex; 1 is as expected.

    What is expected is a least-squares fit of the log of the volume on sex, age and its square,
    over scans with a volume, an age and a sex, without those further than three robust SD from
    it. With fewer than three times `minimum` such scans nothing is expected.
    """
    if "brain_volume_ml" not in frame:
        return [None] * len(frame)
    at = people.reindex(frame["scan_id"])
    decades = at["age"].to_numpy(dtype=float) / 10.0
    sex = at["sex"].map({"F": 0.0, "M": 1.0}).to_numpy(dtype=float)
    volume = frame["brain_volume_ml"].to_numpy(dtype=float)
    log_volume = np.log(np.where(volume > 0, volume, np.nan))
    terms = np.column_stack([np.ones(len(frame)), sex, decades, decades**2])
    known = np.isfinite(log_volume) & np.isfinite(terms).all(axis=1)
    used = known.copy()
    off = np.full(len(frame), np.nan)
    for _ in range(4):
        if used.sum() < 3 * minimum:
            return [None] * len(frame)
        found = np.linalg.lstsq(terms[used], log_volume[used], rcond=None)[0]
        off = log_volume - terms @ found
        spread = 1.4826 * float(np.median(np.abs(off[used])))
        used = known & (np.abs(off) <= 3 * max(spread, 0.01))
    return [float(np.exp(value)) if fits else None for value, fits in zip(off, known, strict=True)]


def _brain(folder: Path, scan_id: str) -> np.ndarray:
    import nibabel

    path = derivative(folder, scan_id, BRAIN)
    try:
        return nibabel.load(path).get_fdata(dtype=np.float32)
    except (FileNotFoundError, EOFError, nibabel.filebasedimages.ImageFileError):
        raise InputError(f"{path}: the brain of {scan_id} is missing or cut short") from None


def _find_twins(frame: pd.DataFrame, people: pd.DataFrame, fails: dict[str, list[str]]) -> None:
    """Find identical images: of one person the first is kept, of two people none."""
    known = frame[frame["voxels_sha256"].notna()]
    for _, group in known.groupby("voxels_sha256", sort=True):
        names = sorted(group["scan_id"])
        if len(names) < 2:
            continue
        persons = {
            (people.at[name, "dataset"], people.at[name, "participant_id"]) for name in names
        }
        if len(persons) == 1:
            for name in names[1:]:
                fails[name].append(f"the same image as {names[0]}, which is kept")
        else:
            for name in names:
                others = ", ".join(other for other in names if other != name)
                fails[name].append(
                    f"the same image as {others}, of another person: nobody can tell whose it is"
                )


def _check_limits(
    frame: pd.DataFrame, settings: dict[str, Any], fails: dict[str, list[str]]
) -> None:
    low_volume, high_volume = (float(value) for value in settings["brain_volume_range"])
    limits = (
        ("template_overlap", "the brain mask does not fit: overlap with the template"),
        ("template_correlation", "no brain, or badly aligned: correlation with the template"),
        ("cohort_correlation", "unlike the other brains: correlation with their mean"),
        ("core_in_mask", "the brain mask leaves out brain: its share of the brain's core"),
        ("brain_in_view", "much of the brain is cut off or without signal: share seen"),
        ("tissue_contrast", "no T1w contrast between grey and white matter:"),
    )
    for column, words in limits:
        if column not in frame:
            continue
        limit = float(settings[f"min_{column}"])
        for scan_id, value in zip(frame["scan_id"], frame[column], strict=True):
            if value is not None and value < limit:
                fails[scan_id].append(f"{words} {value:.2f} is below {limit:g}")
    if "brain_volume_ml" in frame:
        for scan_id, value in zip(frame["scan_id"], frame["brain_volume_ml"], strict=True):
            if value < low_volume or value > high_volume:
                fails[scan_id].append(
                    f"brain volume {value:.0f} ml is outside {low_volume:g} to {high_volume:g} ml"
                )


def _check_lie(frame: pd.DataFrame, settings: dict[str, Any], warns: dict[str, list[str]]) -> None:
    """Show heads that lie as nobody lies in a scanner.

    Slices counted the wrong way are a turn and a mirror image. The template is symmetric, so where
    the turned head is registered well its brain can be used; but left and right are swapped.
    """
    limit = float(settings["max_rotation"])
    for scan_id, angle in zip(
        frame["scan_id"], frame.get("rotation_degrees", [np.nan] * len(frame)), strict=True
    ):
        if angle > limit:
            warns[scan_id].append(
                "by its header the person lay upside down or on the side: check the header, left "
                f"and right may be swapped too (rotation_degrees {angle:.0f} is above {limit:g})"
            )


def _check_outliers(
    frame: pd.DataFrame,
    sites: pd.Series,
    settings: dict[str, Any],
    fails: dict[str, list[str]],
    warns: dict[str, list[str]],
) -> None:
    site = sites.reindex(frame["scan_id"]).to_numpy()
    # Scans that fail a limit would widen the spread that the others are measured by.
    sound = np.array([not fails[scan_id] for scan_id in frame["scan_id"]])
    minimum = int(settings["min_site_scans"])
    # Those scans are judged all the same: that says why they look as they do.
    judgeable = np.array([not isinstance(fault, str) for fault in frame["fault"]])
    groups: list[tuple[str, np.ndarray, np.ndarray]] = []  # name, scans judged, scans compared
    small = np.zeros(len(frame), dtype=bool)
    for name in sorted({name for name in site if isinstance(name, str)}):
        here = site == name
        if (here & sound).sum() >= minimum:
            groups.append((f"at site {name}", here & judgeable, here & sound))
        else:
            small |= here
    small |= np.array([not isinstance(name, str) for name in site])
    everyone = sound.sum() >= minimum
    found: dict[str, list[tuple[Rule, bool, str]]] = {scan_id: [] for scan_id in fails}
    for rule in RULES:
        if rule.measure not in frame:
            continue
        values = frame[rule.measure].to_numpy(dtype=float)
        worst: dict[str, tuple[float, str]] = {}
        judged = list(groups)
        if everyone:
            whom = judgeable if rule.everywhere else judgeable & small
            judged.append(("of all scans", whom, sound))
        for name, whom, compared in judged:
            reference = values[compared & np.isfinite(values)]
            if len(reference) < minimum:
                continue
            middle = float(np.median(reference))
            spread = max(1.4826 * float(np.median(np.abs(reference - middle))), rule.floor)
            for position in np.flatnonzero(whom & np.isfinite(values)):
                z = (values[position] - middle) / spread
                bad = {"low": -z, "high": z, "both": abs(z)}[rule.direction]
                scan_id = frame["scan_id"].iloc[position]
                text = (
                    f"{rule.words} ({rule.measure} {values[position]:.3g}, "
                    f"median {name} {middle:.3g}, {abs(z):.1f} robust SD)"
                )
                if bad > worst.get(scan_id, (0.0, ""))[0]:
                    worst[scan_id] = (bad, text)
        for scan_id, (bad, text) in worst.items():
            if bad > float(settings["outlier_warn"]):
                found[scan_id].append((rule, bad > float(settings["outlier_fail"]), text))
    for scan_id, outliers in found.items():
        poor_picture = any(not rule.everywhere for rule, _, _ in outliers)
        for rule, extreme, text in outliers:
            # A brain far from the others may be an old or a sick one: that alone is no reason to
            # leave it out. With a picture that is poor as well, it is.
            serious = extreme and (poor_picture or not rule.everywhere)
            (fails if serious else warns)[scan_id].append(text)

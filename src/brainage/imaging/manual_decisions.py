"""Manual decisions on scans: they override the automatic verdict.

They come last, for the scans that they name and for no other: means, medians and spreads are those
of the machine's verdicts, so that no decision on one scan moves the verdict on another.
"""

from __future__ import annotations

import sys

import pandas as pd

from brainage.core.named_scans import read_decisions


def apply_decisions(result: pd.DataFrame, decisions: str | None) -> pd.DataFrame:
    """Add manual decision, comment, and the verdict and reason that count.

    Parameters
    ----------
    result
        One row a scan: scan_id, fault, machine_verdict, machine_reason.
    decisions
        Path of the table of decisions (:data:`QC_DECISIONS`), or None.

    Raises
    ------
    InputError
        Where a decision is none, or on a scan that there is not.
    """
    result = result.assign(
        verdict=result["machine_verdict"],
        reason=result["machine_reason"],
        decision=pd.Series(None, result.index, object),
        comment=pd.Series(None, result.index, object),
    )
    if decisions is None:
        return result
    decided = read_decisions(decisions, set(result["scan_id"]))
    changed = 0
    for at in result.index[result["scan_id"].isin(list(decided))]:
        row = result.loc[at]
        decision, comment = decided[row["scan_id"]]
        verdict, reason = _verdict(row, decision, comment)
        result.loc[at, ["verdict", "reason", "decision", "comment"]] = [
            verdict,
            reason,
            decision,
            comment,
        ]
        changed += (verdict == "fail") != (row["machine_verdict"] == "fail")
    print(
        f"quality: manual decisions on {len(decided)} scans, {changed} of them against the "
        "automatic verdict",
        file=sys.stderr,
    )
    return result


def _verdict(row: pd.Series, decision: str, comment: str | None) -> tuple[str, str]:
    """Return verdict and reason of a scan with a manual decision."""
    why = (comment or "").strip(" .;")
    because = f" ({why})" if why else ""
    if decision == "keep" and isinstance(row["fault"], str):
        # No error: a file may break after somebody decided on it, and a fault of one scan stops
        # nothing.
        print(f"quality: {row['scan_id']} cannot be kept: {row['fault']}", file=sys.stderr)
        return "fail", (
            f"{row['fault']}; kept by manual decision{because}, but there is no brain image of "
            "this scan"
        )
    automatic = row["machine_verdict"]
    if isinstance(row["machine_reason"], str):
        automatic += f": {row['machine_reason']}"
    word, verdict = ("kept", "pass") if decision == "keep" else ("dropped", "fail")
    return verdict, f"{word} by manual decision{because}; automatic verdict: {automatic}"

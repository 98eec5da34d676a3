"""The results of quality control, and why scans were set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.reporting import words
from brainage.reporting.section import Block, Downloads, Link, Printed, Report, Section, Text
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

CHOICE = Section(
    label="Quality control",
    sentence="how many scans passed, and why others did not",
    order=90,
    short="Quality",
)
MAX_REASONS = 12


def reason(tables: Tables, settings: Settings) -> str | None:
    """Return None: every study has scans that were judged."""
    return None


def blocks(report: Report) -> list[Block]:
    """Return the counts, the table of reasons and the way to the quality page."""
    printed = table(report.tables)
    return [
        Text(sentence(report.tables)),
        *([printed] if printed.rows else []),
        Link("All scans with mask and registration", "qc/index.html"),
        Downloads(("qc",)),
    ]


def _set_aside(tables: Tables) -> pd.Series:
    """Return why scans whose image did not fail are not used; every scan counts once."""
    scans, qc = tables["scans"], tables["qc"]
    failed = scans["scan_id"].isin(qc.loc[qc["verdict"] == "fail", "scan_id"])
    return scans.loc[scans["set_aside"].notna() & ~failed, "set_aside"]


def sentence(tables: Tables) -> str:
    """Return the counts of verdicts, of scans set aside and of manual decisions."""
    qc, aside = tables["qc"], _set_aside(tables)
    counts = {
        verdict: int((qc["verdict"] == verdict).sum()) for verdict in ("pass", "warn", "fail")
    }
    text = (
        f"Of {words.count(len(qc), 'scan')}, {counts['pass']} passed, {counts['warn']} "
        f"passed with a warning and {counts['fail']} failed; failed scans are not used in any "
        "analysis."
    )
    if len(aside):
        were = words.count(len(aside), "of those that passed was", "of those that passed were")
        text += f" {were} set aside for another reason, such as a missing age."
    decided = list(qc["decision"].dropna())
    if decided:
        automatic = qc["machine_verdict"].fillna(qc["verdict"])
        otherwise = int(((automatic == "fail") != (qc["verdict"] == "fail")).sum())
        text += (
            f" There are manual decisions on {words.count(len(decided), 'scan')} "
            f"({decided.count('keep')} to keep, {decided.count('drop')} to drop), {otherwise} of "
            "them against the automatic verdict; manual decisions override it."
        )
    return text


def table(tables: Tables) -> Printed:
    """Return how many scans were set aside, failed or warned for each kind of reason."""
    qc = tables["qc"]
    rows = []
    for step, texts in (
        ("set aside", _set_aside(tables)),
        ("fail", qc.loc[qc["verdict"] == "fail", "reason"].fillna("no reason given")),
        ("warn", qc.loc[qc["verdict"] == "warn", "reason"].fillna("no reason given")),
    ):
        found = texts.astype(str).map(words.brief_reason).value_counts()
        listed = sorted(found.items(), key=lambda item: (-item[1], str(item[0])))
        rows += [[str(text), step, str(n)] for text, n in listed[:MAX_REASONS]]
        others = sum(n for _, n in listed[MAX_REASONS:])
        rows += [["other reasons", step, str(others)]] if others else []
    return Printed("Scans by reason.", ["Reason", "Verdict", "Scans"], rows, {2})

"""The tables of imaging: measures, regional volumes, verdicts, and manual decisions on them."""

from __future__ import annotations

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import SCAN_ID

UNEXPECTED = "unexpected:"  # begins the fault of a scan at which the program broke off
VERDICTS = ("pass", "warn", "fail")
DECISIONS = ("keep", "drop")

MEASURES = Table(
    "measures.tsv",
    "What imaging measured on each scan of a chunk: one further column per measure.",
    (
        SCAN_ID,
        Column("fault", "text", "why there is no brain image of this scan", required=False),
        Column(
            "voxels_sha256",
            "text",
            "SHA-256 of scaled values and shape: equal for duplicate images",
            required=False,
        ),
    ),
    key=("scan_id",),
    open_ended=True,
)

REGIONS = Table(
    "regions.tsv",
    "Regional volumes of each brain, in mm³ in the head's own space: one further column each.",
    (SCAN_ID,),
    key=("scan_id",),
    open_ended=True,
)

EXCLUSIONS = Table(
    "exclude.tsv",
    "Scans that are never read (imaging.exclude).",
    (
        SCAN_ID,
        Column("reason", "text", "why, for the quality page", required=False, may_lack=True),
    ),
    key=("scan_id",),
)

QC_DECISIONS = Table(
    "qc_decisions.tsv",
    "Manual decisions on scans, saved from the quality page: they override the automatic verdict.",
    (
        SCAN_ID,
        Column("decision", "text", "keep or drop", allowed=DECISIONS),
        Column("comment", "text", "reason for the decision", required=False, may_lack=True),
    ),
    key=("scan_id",),
)

QC = Table(
    "qc.tsv",
    "Quality of each scan: one column per measure, a verdict, and the reason in words.",
    (
        SCAN_ID,
        Column("verdict", "text", "pass, warn or fail: the verdict that counts", allowed=VERDICTS),
        Column("reason", "text", "why, in words", required=False),
        Column(
            "decision",
            "text",
            "manual decision on this scan, which overrides the automatic verdict",
            required=False,
            allowed=DECISIONS,
            may_lack=True,
        ),
        Column("comment", "text", "reason for the decision", required=False, may_lack=True),
        Column(
            "machine_verdict",
            "text",
            "automatic verdict, from the measures alone",
            required=False,
            allowed=VERDICTS,
            may_lack=True,
        ),
        Column("machine_reason", "text", "why, in words", required=False, may_lack=True),
        Column(
            "fault",
            "text",
            "why there is no brain image of this scan, which then cannot be kept",
            required=False,
            may_lack=True,
        ),
    ),
    key=("scan_id",),
    open_ended=True,
)

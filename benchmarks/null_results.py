"""What came out of false_positives.py: counts, verdicts against bounds, and their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from markdown_table import markdown
from null_questions import CONSERVATIVE, Answer, Question
from scipy import stats
from unkind_cohorts import Cell

SIGNIFICANT = 0.05
# Share of cohorts that may be refused: where nothing is unkind, and where only what the statistics
# can deal with is.
REFUSED_KIND, REFUSED_UNKIND = 0.01, 0.05
MUST_ANSWER = {"site shares 70/30", "older patients", "spread by age", "slope spreads"}


@dataclass(frozen=True)
class Result:
    """What came out of one question in one cell.

    Attributes
    ----------
    cell, question
        Of which it is.
    hits, answered
        Significant tests, or intervals that hold the truth, and cohorts answered.
    refused
        Number of cohorts that were refused for each reason.
    null
        Whether no effect was planted.
    """

    cell: Cell
    question: Question
    hits: int
    answered: int
    refused: Counter[str]
    null: bool

    @property
    def asked(self) -> int:
        """Cohorts in which the question arises."""
        return self.answered + self.refused.total()

    @property
    def interval(self) -> tuple[float, float]:
        """Exact binomial 95 % interval of the share."""
        found = stats.binomtest(self.hits, self.answered).proportion_ci()
        return float(found.low), float(found.high)

    @property
    def share_verdict(self) -> str:
        """Say whether the share is inside its bounds: held, open, conservative or missed."""
        kind = self.question.kind
        if not self.answered or not (self.null or kind.interval):
            return ""
        (lowest, highest), (low, high) = kind.bounds_at(self.cell.size), self.interval
        if kind.interval and low > highest and self.hits / self.answered <= CONSERVATIVE:
            return "conservative"
        if high < lowest or low > highest:
            return "missed"
        return "held" if lowest <= self.hits / self.answered <= highest else "open"

    @property
    def may_refuse(self) -> float | None:
        """Share of cohorts that may be refused; None where no bound is set."""
        smaller = min(self.cell.people)
        if not self.cell.unkind and smaller >= 20:
            return REFUSED_KIND
        alone = len(self.cell.unkind) == 1 and self.cell.unkind[0] in MUST_ANSWER
        return REFUSED_UNKIND if alone and smaller >= 60 else None

    @property
    def refused_too_often(self) -> bool:
        """Whether too many were refused, beyond the exact interval."""
        if self.may_refuse is None or not self.asked:
            return False
        found = stats.binomtest(self.refused.total(), self.asked).proportion_ci()
        return bool(found.low > self.may_refuse)

    @property
    def verdict(self) -> str:
        """The verdict on the share, and on refusals where these are too many."""
        words = [self.share_verdict, "refused too often" if self.refused_too_often else ""]
        return ", ".join(word for word in words if word)

    @property
    def missed(self) -> bool:
        """Whether a bound is missed."""
        return self.share_verdict == "missed" or self.refused_too_often

    @property
    def missed_in_words(self) -> str:
        """The share, where it misses its bounds, and whether too many were refused."""
        words = [f"{self.hits / self.answered:.0%}"] if self.share_verdict == "missed" else []
        return ", ".join([*words, *(["refused too often"] if self.refused_too_often else [])])


def result(cell: Cell, question: Question, answers: Iterable[Answer], null: bool) -> Result:
    """Count the answers to one question in one cell; `null` is whether no effect was planted."""
    known = [answer for answer in answers if answer is not None]
    given = [answer for answer in known if not isinstance(answer, str)]
    hits = sum(a if isinstance(a, bool) else a < SIGNIFICANT for a in given)
    refused = Counter(answer for answer in known if isinstance(answer, str))
    return Result(cell, question, int(hits), len(given), refused, null)


def printed(rows: Sequence[Result]) -> str:
    """Return all results as a table in Markdown, and after it what is missed, by question."""
    table = []
    for row in rows:
        low, high = row.question.kind.bounds_at(row.cell.size)
        counted = row.null or row.question.kind.interval
        table.append(
            {
                "people": row.cell.size,
                "unkind": row.cell.unkindness,
                "question": row.question.name,
                "counted": "95 % interval holds" if row.question.kind.interval else "p < 0.05",
                "cohorts": row.asked,
                "answered": row.answered,
                "refused": "; ".join(f"{n}: {why}" for why, n in row.refused.most_common()),
                "share": f"{row.hits / row.answered:.1%}" if row.answered else "",
                "exact interval": "{:.1%} to {:.1%}".format(*row.interval) if row.answered else "",
                "bounds": f"{low:.1%} to {high:.1%}" if counted else "",
                "verdict": row.verdict,
            }
        )
    lines = [markdown(pd.DataFrame(table)), ""]
    missed = [row for row in rows if row.missed]
    lines.append(f"Bounds missed: {len(missed)} of {len(rows)}")
    for name in dict.fromkeys(row.question.name for row in missed):
        cells = [
            f"{row.cell.name} ({row.missed_in_words})"
            for row in missed
            if row.question.name == name
        ]
        lines.append(f"- {name}: {'; '.join(cells)}")
    return "\n".join(lines)

"""False positives and coverage of the statistics on cohorts in which nothing is there to be found.

Each cell is a pair of group sizes with what is unkind in its cohorts (unkind_cohorts.py): sites,
ages, few calibration people, a bent prediction, spreads, scanner changes, dropout, missing sex.
Controls and patients have the same mean gap and slope, so that 5 % of the tests should have
p < 0.05, and 95 % of the intervals should hold the truth (null_questions.py says what is asked).
Printed are the cohorts of each cell that were answered, those that were refused with the reason,
and the share with its exact binomial 95 % interval. A bound is missed where it lies outside this
interval, and then the exit status is 1.

    python benchmarks/false_positives.py --work DIR [--cohorts 10000] [--processes 2]
    python benchmarks/false_positives.py --work DIR --cells "60+20 *" "* kind" --questions "AUC*"
    python benchmarks/false_positives.py --work DIR --years 3 --slope 1   (power)
    python benchmarks/false_positives.py --quick   (two minutes)

Answers are kept in DIR, and the same command goes on where it was interrupted; more cohorts add to
what is there. What another code would answer otherwise is asked anew.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_table import markdown
from null_questions import CONSERVATIVE, QUESTIONS, Answer, Question, Tables, codes
from scipy import stats
from threadpoolctl import threadpool_limits
from unkind_cohorts import Cell, Effect, all_cells, draw, main_cells

from brainage.core.files import InputError, atomic_write

SIGNIFICANT = 0.05
KEPT_EVERY = 60.0  # seconds, of a cell's answers while they grow
# Share of cohorts that may be refused: where nothing is unkind, and where only what the statistics
# can deal with is.
REFUSED_KIND, REFUSED_UNKIND = 0.01, 0.05
MUST_ANSWER = {"site shares 70/30", "older patients", "spread by age", "slope spreads"}


@dataclass(frozen=True)
class Plan:
    """What a run asks: so many cohorts of each cell, and where the answers are kept."""

    questions: tuple[Question, ...]
    cohorts: int
    seed: int
    effect: Effect
    work: Path
    codes: dict[str, str]

    def path(self, cell: Cell) -> Path:
        """File of a cell's answers."""
        return self.work / (re.sub(r"[^A-Za-z0-9+]+", "_", cell.name) + ".json.gz")

    def about(self, cell: Cell) -> dict[str, Any]:
        """What all answers of a file have in common."""
        return {"cell": cell.name, "seed": self.seed, "effect": list(astuple(self.effect))}


def kept(plan: Plan, cell: Cell) -> dict[str, dict[str, Any]]:
    """Read the answers of a cell that are there: of each question its `code` and its `answers`.

    Raises
    ------
    InputError
        The file is of another seed or effect.
    """
    path = plan.path(cell)
    if not path.exists():
        return {}
    content = json.loads(gzip.decompress(path.read_bytes()))
    questions: dict[str, dict[str, Any]] = content.pop("questions")
    if content != plan.about(cell):
        raise InputError(
            f"{path}: these answers are of {content}, asked for is {plan.about(cell)}; "
            "give another folder (--work)"
        )
    return questions


def keep(plan: Plan, cell: Cell, questions: dict[str, dict[str, Any]]) -> None:
    """Write the answers of a cell, all or nothing."""
    text = json.dumps({**plan.about(cell), "questions": questions})
    with atomic_write(plan.path(cell)) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))


def ask_cell(plan: Plan, cell: Cell) -> Counter[str]:
    """Ask what is not answered yet in a cell; return CPU seconds of each question and of drawing.

    The first of several questions about one table is the one that makes it.
    """
    questions = kept(plan, cell)
    for question in plan.questions:
        code = plan.codes[question.name]
        if questions.get(question.name, {}).get("code") != code:
            questions[question.name] = {"code": code, "answers": []}
    answers: dict[str, list[Answer]] = {n: found["answers"] for n, found in questions.items()}
    seconds: Counter[str] = Counter()
    saved = time.monotonic()
    for number in range(plan.cohorts):
        due = [
            question
            for question in plan.questions
            if len(answers[question.name]) == number < question.kind.wanted(cell.size, plan.cohorts)
        ]
        if not due:
            continue
        started = time.process_time()
        tables = Tables(draw(cell, plan.seed, number, plan.effect))
        seconds["drawing"] += time.process_time() - started
        for question in due:
            started = time.process_time()
            try:
                answer = question.ask(tables)
            except Exception as error:
                error.add_note(f"{question.name} of cohort {number} of {cell.name}")
                raise
            seconds[question.name] += time.process_time() - started
            seconds[f"{question.name} #"] += 1
            short = float(f"{answer:.4g}") if isinstance(answer, float) else answer
            answers[question.name].append(short)
        seconds["drawing #"] += 1
        if time.monotonic() - saved > KEPT_EVERY:
            keep(plan, cell, questions)
            saved = time.monotonic()
    if seconds:
        keep(plan, cell, questions)
    return seconds


def _start_worker() -> None:
    """Keep to one thread, and out of the way of garbage collection what stays.

    Holm's correction of statsmodels collects garbage each time, which would take most of all time.
    """
    threadpool_limits(1)
    gc.collect()
    gc.freeze()


def ask(plan: Plan, cells: Sequence[Cell], processes: int) -> None:
    """Ask all cells, the largest first, and say on stderr how long it takes."""
    plan.work.mkdir(parents=True, exist_ok=True)
    seconds: Counter[str] = Counter()
    ordered = sorted(cells, key=lambda cell: -sum(cell.people))

    def done(number: int, cell: Cell, found: Counter[str]) -> None:
        seconds.update(found)
        drawn = int(found["drawing #"])
        print(f"{number} of {len(cells)}: {cell.name}, {drawn} cohorts drawn", file=sys.stderr)

    if processes == 1:
        _start_worker()
        for number, cell in enumerate(ordered, start=1):
            done(number, cell, ask_cell(plan, cell))
    else:
        with ProcessPoolExecutor(processes, initializer=_start_worker) as pool:
            futures = {pool.submit(ask_cell, plan, cell): cell for cell in ordered}
            for number, future in enumerate(as_completed(futures), start=1):
                done(number, futures[future], future.result())
    for name in [name for name in seconds if f"{name} #" in seconds]:
        count = int(seconds[f"{name} #"])
        print(f"{name}: {1000 * seconds[name] / count:.1f} ms CPU a cohort", file=sys.stderr)


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


def result(plan: Plan, cell: Cell, question: Question, answers: Iterable[Answer]) -> Result:
    """Count the answers to one question in one cell."""
    known = [answer for answer in answers if answer is not None]
    given = [answer for answer in known if not isinstance(answer, str)]
    hits = sum(a if isinstance(a, bool) else a < SIGNIFICANT for a in given)
    refused = Counter(answer for answer in known if isinstance(answer, str))
    return Result(cell, question, int(hits), len(given), refused, plan.effect.none)


def results(plan: Plan, cells: Sequence[Cell]) -> list[Result]:
    """Count what is kept, cell by cell."""
    found = []
    for cell in cells:
        questions = kept(plan, cell)
        for question in plan.questions:
            wanted = question.kind.wanted(cell.size, plan.cohorts)
            found.append(result(plan, cell, question, questions[question.name]["answers"][:wanted]))
    return [row for row in found if row.asked]


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
            f"{row.cell.name} ({row.verdict if row.refused_too_often else ''}"
            f"{f'{row.hits / row.answered:.0%}' if row.share_verdict == 'missed' else ''})"
            for row in missed
            if row.question.name == name
        ]
        lines.append(f"- {name}: {'; '.join(cells)}")
    return "\n".join(lines)


def arguments(given: Sequence[str] | None) -> tuple[Plan, list[Cell], int]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, help="folder in which answers are kept")
    parser.add_argument("--cohorts", type=int, default=10_000, help="of each cell, at most")
    parser.add_argument("--cells", nargs="+", help="their names, or patterns such as '60+20 *'")
    parser.add_argument("--questions", nargs="+", help="their names, or patterns")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--years", type=float, default=0.0, help="planted in patients' gaps")
    parser.add_argument("--slope", type=float, default=0.0, help="planted, in years per year")
    parser.add_argument("--quick", action="store_true", help="the fixed part of two minutes")
    args = parser.parse_args(given)
    if min(args.cohorts, args.processes) < 1 or args.seed < 0:
        parser.error("--cohorts and --processes must be at least 1, and --seed at least 0")
    if not args.quick and args.work is None:
        parser.error("name a folder for the answers: --work DIR")
    cells, questions, cohorts = main_cells(), list(QUESTIONS), args.cohorts
    if args.quick:
        cells = [cell for cell in cells if cell.name in QUICK_CELLS]
        questions = [question for question in questions if question.kind.sizes is None]
        cohorts = QUICK_COHORTS
    if args.cells:
        cells = chosen(args.cells, list(all_cells()), parser)
    if args.questions:
        questions = chosen(args.questions, list(QUESTIONS), parser)
    work = args.work or Path(tempfile.mkdtemp(prefix="false_positives_"))
    effect = Effect(args.years, args.slope)
    return Plan(tuple(questions), cohorts, args.seed, effect, work, codes()), cells, args.processes


def chosen(patterns: Sequence[str], known: list[Any], parser: argparse.ArgumentParser) -> list[Any]:
    """Return what has a name that fits one of the patterns."""
    for pattern in patterns:
        if not any(fnmatchcase(one.name, pattern) for one in known):
            names = ", ".join(one.name for one in known)
            parser.error(f"{pattern!r} fits no name; there are: {names}")
    return [one for one in known if any(fnmatchcase(one.name, pattern) for pattern in patterns)]


QUICK_COHORTS = 60
QUICK_CELLS = (
    "60+60 site shares",
    "60+20 few calibration people",
    "60+60 bent prediction",
    "20+20 scanner changes",
    "200+15 slope spreads",
    "60+20 all together",
)


def main(given: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit status."""
    plan, cells, processes = arguments(given)
    try:
        ask(plan, cells, processes)
        rows = results(plan, cells)
    except InputError as error:
        sys.exit(f"error: {error}")
    print(printed(rows))
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    sys.exit(main())

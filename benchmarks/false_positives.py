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
    python benchmarks/false_positives.py --work DIR --cells "60+20 *, *"   (two or more unkind)
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
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from null_questions import QUESTIONS, Answer, Question, Tables, codes
from null_results import Result, printed, result
from threadpoolctl import threadpool_limits
from unkind_cohorts import Cell, Effect, all_cells, draw, main_cells

from brainage.core.files import InputError, atomic_write

KEPT_EVERY = 60.0  # seconds, of a cell's answers while they grow

# What catches most of what has been wrong, beside a cell in which little may be refused.
QUICK_COHORTS = 60
QUICK_CELLS = (
    "60+20 kind",
    "60+20 site shares",
    "60+20 few calibration people",
    "60+20 bent prediction",
    "20+20 scanner changes",
    "200+15 slope spreads",
    "60+20 all together",
)


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


def ask_cell(plan: Plan, cell: Cell) -> dict[str, list[float]]:
    """Ask what is not answered yet in a cell; return CPU seconds of each question, and of drawing.

    The first of several questions about one table is the one that makes it.
    """
    questions = kept(plan, cell)
    for question in plan.questions:
        code = plan.codes[question.name]
        if questions.get(question.name, {}).get("code") != code:
            questions[question.name] = {"code": code, "answers": []}
    answers: dict[str, list[Answer]] = {n: found["answers"] for n, found in questions.items()}
    seconds: dict[str, list[float]] = defaultdict(list)
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
        seconds["drawing"].append(time.process_time() - started)
        for question in due:
            started = time.process_time()
            try:
                answer = question.ask(tables)
            except Exception as error:
                error.add_note(f"{question.name} of cohort {number} of {cell.name}")
                raise
            seconds[question.name].append(time.process_time() - started)
            short = float(f"{answer:.4g}") if isinstance(answer, float) else answer
            answers[question.name].append(short)
        if time.monotonic() - saved > KEPT_EVERY:
            keep(plan, cell, questions)
            saved = time.monotonic()
    if seconds:
        keep(plan, cell, questions)
    return seconds


def _start_worker() -> None:
    """Keep to one thread, and keep what stays from being looked at by each garbage collection.

    Holm's correction of statsmodels collects garbage each time, which would take most of the time.
    """
    threadpool_limits(1)
    gc.collect()
    gc.freeze()


def ask(plan: Plan, cells: Sequence[Cell], processes: int) -> None:
    """Ask all cells, the largest first, and say on stderr how long it takes."""
    plan.work.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, list[float]] = defaultdict(list)
    ordered = sorted(cells, key=lambda cell: -sum(cell.people))

    def done(number: int, cell: Cell, found: dict[str, list[float]]) -> None:
        for name, own in found.items():
            seconds[name] += own
        drawn = len(found.get("drawing", []))
        print(f"{number} of {len(cells)}: {cell.name}, {drawn} cohorts drawn", file=sys.stderr)

    if processes == 1:
        _start_worker()
        for number, cell in enumerate(ordered, start=1):
            done(number, cell, ask_cell(plan, cell))
        gc.unfreeze()
    else:
        with ProcessPoolExecutor(processes, initializer=_start_worker) as pool:
            futures = {pool.submit(ask_cell, plan, cell): cell for cell in ordered}
            for number, future in enumerate(as_completed(futures), start=1):
                done(number, futures[future], future.result())
    for name, own in seconds.items():
        print(f"{name}: {1000 * sum(own) / len(own):.1f} ms CPU a cohort", file=sys.stderr)


def results(plan: Plan, cells: Sequence[Cell]) -> list[Result]:
    """Count what is kept, cell by cell."""
    found = []
    for cell in cells:
        questions = kept(plan, cell)
        for question in plan.questions:
            wanted = question.kind.wanted(cell.size, plan.cohorts)
            answers = questions[question.name]["answers"][:wanted]
            found.append(result(cell, question, answers, plan.effect.none))
    return [row for row in found if row.asked]


def arguments(given: Sequence[str] | None, temporary: str) -> tuple[Plan, list[Cell], int]:
    """Read the command line; the quick part needs no folder of the user's."""
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
    work = args.work or Path(temporary)
    effect = Effect(args.years, args.slope)
    return Plan(tuple(questions), cohorts, args.seed, effect, work, codes()), cells, args.processes


def chosen(patterns: Sequence[str], known: list[Any], parser: argparse.ArgumentParser) -> list[Any]:
    """Return what has a name that fits one of the patterns.

    A name with a comma, of several things unkind, fits patterns with a comma alone.
    """

    def fits(name: str, pattern: str) -> bool:
        return fnmatchcase(name, pattern) and ("," in name) == ("," in pattern)

    for pattern in patterns:
        if not any(fits(one.name, pattern) for one in known):
            names = "; ".join(one.name for one in known if "," not in one.name)
            parser.error(f"{pattern!r} fits no name; there are: {names}")
    return [one for one in known if any(fits(one.name, pattern) for pattern in patterns)]


def main(given: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit status."""
    with tempfile.TemporaryDirectory() as temporary:
        plan, cells, processes = arguments(given, temporary)
        try:
            ask(plan, cells, processes)
            rows = results(plan, cells)
        except InputError as error:
            sys.exit(f"error: {error}")
    print(printed(rows))
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    sys.exit(main())

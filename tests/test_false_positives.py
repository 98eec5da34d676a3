"""benchmarks/false_positives.py: its cohorts, its bookkeeping and its verdicts."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from itertools import combinations

import false_positives
import numpy as np
import pytest
import unkind_cohorts
from false_positives import Plan, ask, results
from null_questions import CONSERVATIVE, INTERVAL, QUESTIONS, TEST, Question, Tables, codes, p_of
from null_results import Result, printed, result
from unkind_cohorts import CONTROL, PATIENT, UNKIND, Cell, Cohort, Effect, draw, interaction_cells

from brainage.core.files import InputError
from brainage.core.subjects import PERSON, first_scans

LARGE = "300+150"
OF_GROUPS = next(question for question in QUESTIONS if question.name == "group difference")


def cohort(*unkind: str, number: int = 0, effect: Effect | None = None) -> Cohort:
    return draw(Cell(LARGE, unkind), 1, number, effect)


def by_group(cohort: Cohort, column: str, of: str = "mean") -> tuple[float, float]:
    """A statistic of the first scans of controls and of patients."""
    first = first_scans(cohort.experiment.scans)
    values = first.groupby("diagnosis")[column].agg(of)
    return float(values[CONTROL]), float(values[PATIENT])


def test_a_cohort_follows_from_its_seed_its_cell_and_its_number_alone():
    one, same = (draw(Cell("20+20", ("older patients",)), 7, 3) for _ in range(2))
    assert one.experiment.scans.equals(same.experiment.scans)
    assert np.array_equal(one.embedding, same.embedding)
    for other in (
        draw(Cell("20+20", ("older patients",)), 8, 3),
        draw(Cell("20+20", ("older patients",)), 7, 4),
        draw(Cell("20+20"), 7, 3),
    ):
        ages = other.experiment.scans["age"].to_numpy()[:20]
        assert not np.isclose(ages, one.experiment.scans["age"].to_numpy()[:20]).any()


@pytest.mark.slow
def test_nothing_is_the_matter_unless_an_effect_is_planted():
    planted = Effect(years=3, slope=2)
    null = [by_group(cohort(number=i), "gap_cole") for i in range(20)]
    moved = [by_group(cohort(number=i, effect=planted), "gap_cole") for i in range(20)]
    # Of a cohort the SD of a mean is 0.4 to 0.7 years: 4, 7 and 1.5 years over so many people, and
    # the error of the correction.
    assert np.allclose(np.mean(null, axis=0), 0, atol=0.5)
    # The draws are the same, and the estimated alpha is a little off.
    assert np.allclose(np.mean(moved, axis=0) - np.mean(null, axis=0), [0, 3], atol=0.05)

    def contrast(effect: Effect) -> float:
        return Tables(cohort(effect=effect)).contrast()["estimate"]

    assert contrast(planted) - contrast(Effect()) == pytest.approx(2, abs=0.2)


def test_the_gaps_are_corrected_with_constants_estimated_from_calibration_people():
    drawn = cohort("few calibration people")
    people = drawn.calibration
    assert len(people) in (20, 40) and people["age"].between(57, 73).all()
    alpha, beta = np.polyfit(people["age"], people["predicted_age"], 1)
    scans = drawn.experiment.scans
    expected = (scans["predicted_age"] - alpha * scans["age"] - beta) / alpha
    assert np.allclose(scans["gap_cole"], expected)
    assert abs(alpha - unkind_cohorts.ALPHA) > 1e-3 and len(cohort().calibration) == 200


def test_each_unkindness_is_what_it_says_and_none_is_in_a_kind_cohort():
    kind = cohort()
    at_first = (first_scans(kind.experiment.scans)["site"] == "null/A").mean()
    assert at_first == 0.5 and abs(np.subtract(*by_group(kind, "age"))) < 2
    assert kind.experiment.scans["sex"].notna().all()
    assert not kind.experiment.scans["scanner"].str.contains("new").any()

    first = first_scans(cohort("site shares").experiment.scans)
    shares = (first["site"] == "null/A").groupby(first["diagnosis"]).mean()
    assert shares[CONTROL] == 0.8 and shares[PATIENT] == pytest.approx(0.2)

    controls, patients = by_group(cohort("older patients"), "age")
    assert patients - controls == pytest.approx(10, abs=2)

    people = cohort("bent prediction").calibration
    assert np.polyfit(people["age"], people["gap_cole"], 2)[0] == pytest.approx(0.014, abs=0.006)

    people = cohort("spread by age").calibration
    old = people["age"] > 70
    assert people["gap_cole"][old].std() > 1.8 * people["gap_cole"][people["age"] < 60].std()

    first = first_scans(cohort("missing sex").experiment.scans)
    missing = first["sex"].isna().groupby(first["diagnosis"]).mean()
    assert missing[CONTROL] < 0.1 and missing[PATIENT] > 0.6


def test_visits_are_unkind_as_they_say():
    scans = cohort("scanner changes").experiment.scans
    new = scans["scanner"].str.contains("new")
    assert not new[scans["session_id"] == "ses-0"].any()
    last = scans[scans["session_id"] == "ses-2"]
    shares = last["scanner"].str.contains("new").groupby(last["diagnosis"]).mean()
    assert shares[CONTROL] < 0.2 and shares[PATIENT] > 0.55

    def spread(drawn: Cohort) -> np.ndarray:
        complete = drawn.experiment.scans.pivot_table(
            index=[*PERSON, "diagnosis"], columns="session_id", values="gap_cole"
        )
        change = (complete["ses-2"] - complete["ses-0"]).groupby("diagnosis").std() / 2
        return change[[CONTROL, PATIENT]].to_numpy()

    # Of two scans without change the SD of the slope is 1.5 / sqrt(2) = 1.06.
    assert np.allclose(spread(cohort()), np.hypot(1.06, 0.5), atol=0.15)
    assert np.allclose(spread(cohort("slope spreads")), np.hypot(1.06, [0.3, 1.5]), atol=0.25)

    scans = cohort("dropout by gap").experiment.scans
    patients = scans[scans["diagnosis"] == PATIENT]
    visits = patients.groupby("participant_id").size()
    baseline = patients.drop_duplicates("participant_id").set_index("participant_id")["gap_cole"]
    assert (visits[baseline > 3] == 1).mean() > 0.4 > 0.2 > (visits[baseline < -3] == 1).mean()


def test_interactions_are_a_fraction_of_resolution_four():
    cells = interaction_cells()
    assert len({cell.name for cell in cells}) == 32
    signs = np.array([[1 if name in cell.unkind else -1 for name in UNKIND] for cell in cells])
    assert not signs.sum(axis=0).any()
    pairs = [signs[:, a] * signs[:, b] for a, b in combinations(range(len(UNKIND)), 2)]
    assert not (signs.T @ np.array(pairs).T).any()  # no effect is mixed up with one of two


def of(hits: int, answered: int, cell: Cell, question: Question = OF_GROUPS, refused: int = 0):
    return Result(
        cell, question, hits, answered, Counter({"few": refused} if refused else {}), True
    )


def test_a_bound_is_missed_where_it_is_outside_the_exact_interval():
    cell = Cell("60+20", ("site shares",))
    verdicts = [of(hits, 200, cell).verdict for hits in (0, 3, 10, 18, 22)]
    # 0 to 1.8 %, 0.3 to 4.3 %, 2.4 to 9.0 %, 5.4 to 13.9 % and 7.0 to 16.2 % of 200
    assert verdicts == ["missed", "open", "held", "open", "missed"]
    assert of(26, 1000, Cell("8+8")).verdict == "held"
    assert of(26, 1000, Cell("20+20")).verdict == "open"
    held = replace(OF_GROUPS, kind=INTERVAL)
    verdicts = [of(hits, 1000, cell, held).verdict for hits in (900, 950, 986, 998)]
    assert verdicts == ["missed", "held", "conservative", "missed"] and CONSERVATIVE == 0.99
    assert of(0, 0, cell, refused=200).verdict == ""


def test_what_must_be_answered_may_not_be_refused_too_often():
    assert of(50, 1000, Cell("20+20"), refused=30).verdict == "held, refused too often"
    assert of(50, 1000, Cell("20+20"), refused=10).verdict == "held"
    assert of(50, 1000, Cell("8+8"), refused=900).verdict == "held"
    older = ("older patients",)
    assert of(50, 1000, Cell("60+60", older), refused=100).missed
    assert not of(50, 1000, Cell("60+20", older), refused=100).missed
    assert not of(50, 1000, Cell("60+60", (*older, "missing sex")), refused=100).missed


def plan(folder, cohorts=4, questions=(OF_GROUPS,), seed=5, effect=None):
    names = {question.name: "code" for question in questions}
    return Plan(tuple(questions), cohorts, seed, effect or Effect(), folder, names)


@pytest.mark.slow
def test_a_run_goes_on_where_it_ended_on_any_number_of_processes(tmp_path):
    cells = [Cell("8+8")]
    whole = plan(tmp_path / "whole")
    ask(whole, cells, 1)
    ask(plan(tmp_path / "parts", cohorts=2), cells, 1)
    parts = plan(tmp_path / "parts")
    ask(parts, cells, 2)
    written = whole.path(cells[0]).read_bytes()
    assert parts.path(cells[0]).read_bytes() == written
    answers = json.loads(gzip.decompress(written))["questions"]["group difference"]["answers"]
    tables = Tables(draw(cells[0], 5, 2))
    assert len(answers) == 4 and answers[2] == pytest.approx(p_of(tables.difference()), rel=1e-3)


def test_what_is_there_is_asked_anew_only_where_its_code_is_another(tmp_path):
    cell, asked = Cell("8+8"), Counter()

    def counting(name: str) -> Question:
        def answer(tables: Tables) -> float:
            asked[name] += 1
            return 0.01

        return Question(name, TEST, (), answer)

    first = plan(tmp_path, questions=[counting("one"), counting("two")])
    ask(first, [cell], 1)
    assert asked == {"one": 4, "two": 4}
    ask(replace(first, codes={"one": "another", "two": "code"}), [cell], 1)
    assert asked == {"one": 8, "two": 4}
    for other in (replace(first, seed=6), replace(first, effect=Effect(1))):
        with pytest.raises(InputError, match=r"8\+8_kind.*another folder"):
            ask(other, [cell], 1)
    assert [row.verdict for row in results(first, [cell])] == ["missed"] * 2


def test_a_missed_bound_is_printed_and_is_the_exit_status(tmp_path, monkeypatch, capsys):
    command = ["--work", str(tmp_path), "--cells", "8+8 kind", "--cohorts", "2"]
    assert false_positives.main([*command, "--questions", "group diff*", "slopes"]) == 0
    out = capsys.readouterr().out
    assert "described, not tested: N people with" in out and "Bounds missed: 0 of 2" in out
    wrong = Question("wrong", TEST, (), lambda tables: 0.001)
    monkeypatch.setattr(false_positives, "QUESTIONS", (wrong,))
    monkeypatch.setattr(false_positives, "codes", lambda: {"wrong": "code"})
    assert false_positives.main([*command[:-1], "9"]) == 1
    assert "wrong: 8+8 kind (100%)" in capsys.readouterr().out


def test_cells_are_chosen_by_patterns_and_several_things_unkind_by_a_comma(tmp_path, capsys):
    def cells(*patterns: str) -> list[Cell]:
        given = ["--work", str(tmp_path), "--cells", *patterns]
        return false_positives.arguments(given, "")[1]

    one = cells("60+20 *")
    assert len(one) == 13 and all(len(cell.unkind) in (0, 1, len(UNKIND)) for cell in one)
    two = cells("60+20 older patients, bent prediction")
    assert [cell.unkind for cell in two] == [("older patients", "bent prediction")]
    assert two[0].conditions.patients_older == 10 and two[0].conditions.bend == 1.4
    assert len(false_positives.arguments(["--work", str(tmp_path)], "")[1]) == 66
    with pytest.raises(SystemExit):
        cells("9+9*")
    assert "'9+9*' fits no name" in capsys.readouterr().err


def test_planted_effects_make_power_of_tests_and_leave_bounds_of_intervals():
    answers = [0.01] * 60 + [0.5] * 40
    power = result(Cell("20+20"), OF_GROUPS, answers, null=False)
    assert (power.hits, power.answered, power.verdict) == (60, 100, "")
    held = [True] * 60 + [False] * 40
    interval = replace(OF_GROUPS, kind=INTERVAL)
    assert result(Cell("20+20"), interval, held, null=False).missed
    assert "60.0%" in printed([power])


def test_each_question_has_its_own_hash_and_a_name_of_its_own():
    found = codes()
    assert [*found] == [question.name for question in QUESTIONS]
    assert len({*found.values()}) == len(QUESTIONS)

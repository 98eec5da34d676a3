"""The quality page."""

import json

import pandas as pd
import pytest

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import QC
from brainage.core.tables import read_table, write_table
from brainage.reporting.quality_page import _short, write_quality_page
from tests.reporting.conftest import check_page, empty, files_of


def write(inputs, root, settings):
    write_quality_page(inputs["qc"], inputs["scans"], inputs["derivatives"], root, settings)
    return check_page(root / "index.html", root)


def cards_of(page):
    return [
        attributes for tag, attributes in page.tags if tag == "li" and "data-verdict" in attributes
    ]


def test_everyone_is_there_once_and_the_worst_come_first(study, settings, tmp_path):
    page = write(study, tmp_path / "qc", settings)
    qc = read_table(study["qc"], QC)
    cards = cards_of(page)
    assert sorted(card["id"] for card in cards) == sorted(qc["scan_id"])
    order = {"fail": 0, "warn": 1, "pass": 2}
    verdicts = [order[card["data-verdict"]] for card in cards]
    assert verdicts == sorted(verdicts)
    assert "passed, but not used 1" in page.text
    assert page.text.count("Not used: no age in the tables") == 1
    for reason in qc["reason"].dropna():
        assert reason[1:] in page.text


def test_pictures_are_copied_and_a_missing_one_is_told(study, settings, tmp_path):
    page = write(study, tmp_path / "qc", settings)
    qc = read_table(study["qc"], QC)
    assert len(list((tmp_path / "qc" / "pictures").glob("*.png"))) == len(qc) - 1
    assert page.text.count("No picture: ") == 1
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == len(qc) - 1
    for attributes in pictures:
        assert attributes["loading"] == "lazy"
        assert (tmp_path / "qc" / attributes["src"]).is_file()


@pytest.mark.slow
def test_same_input_gives_the_same_bytes(study, settings, tmp_path):
    write(study, tmp_path / "one", settings)
    write(study, tmp_path / "two", settings)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


@pytest.mark.slow
def test_the_browser_keeps_words_under_one_name_while_scans_come_and_go(
    study, edited, settings, tmp_path
):
    def name(inputs, folder):
        page = write(inputs, tmp_path / folder, settings)
        return next(own["data-study"] for tag, own in page.tags if own.get("id") == "scans")

    before = name(study, "before")
    assert name(edited(qc=lambda frame: frame.iloc[5:]), "fewer") == before
    settings["report"]["title"] = "Another study"
    assert name(study, "other") != before


def measures_of(root):
    text = (root / "index.html").read_text()
    return json.loads(text.split('id="measures">')[1].split("</script>")[0])


def test_every_measure_of_every_scan_is_there_with_its_distribution(study, settings, tmp_path):
    page = write(study, tmp_path / "qc", settings)
    qc = read_table(study["qc"], QC).set_index("scan_id")
    data = measures_of(tmp_path / "qc")
    names = [measure["name"] for measure in data["measures"]]
    assert len(names) == 5
    column = names.index("correlation with the other brains")
    measure = data["measures"][column]
    good = qc.loc[qc["verdict"] != "fail", "cohort_correlation"]
    assert measure["median"] == pytest.approx(good.median(), abs=5e-4)
    assert measure["low"] == pytest.approx(good.quantile(0.05), abs=5e-4)
    assert sum(measure["bins"]) == len(good)
    for card, values in zip(cards_of(page), data["values"], strict=True):
        value = qc.loc[card["id"], "cohort_correlation"]
        assert values[column] == (None if value != value else pytest.approx(value, abs=5e-4))


def test_no_rows_make_a_page(edited, settings, tmp_path):
    page = write(edited(qc=empty, scans=empty), tmp_path / "qc", settings)
    assert "No scan reached quality control" in page.text


def test_hostile_words_are_escaped(edited, settings, tmp_path):
    attack = "\"><script>alert('x')</script>&"

    def change(frame):
        frame.loc[frame["verdict"] == "fail", "reason"] = attack
        return frame

    def site(frame):
        return frame.assign(site=attack)

    page = write(edited(qc=change, scans=site), tmp_path / "qc", settings)
    assert attack in page.text
    assert "<script>alert" not in (tmp_path / "qc" / "index.html").read_text()


@pytest.mark.slow
def test_a_manual_decision_is_shown_with_the_automatic_verdict(edited, settings, tmp_path):
    scan_id, attack = "demo_sub-C006_ses-1", '"><script>alert(1)</script>'

    def keep(frame):
        frame["machine_verdict"] = frame["verdict"]
        reason = f"kept by manual decision ({attack}); automatic verdict: fail: motion"
        word = ["pass", reason, "keep", attack]
        rows = frame["scan_id"] == scan_id
        frame.loc[rows, ["verdict", "reason", "decision", "comment"]] = word
        return frame

    inputs = edited(qc=keep)
    settings["quality"] = {"decisions": "/home/doezeman/qc_decisions.tsv"}
    page = write(inputs, tmp_path / "qc", settings)
    card = next(card for card in cards_of(page) if card["id"] == scan_id)
    told = {name: card[f"data-{name}"] for name in ("verdict", "machine", "decision", "comment")}
    assert told == {"verdict": "pass", "machine": "fail", "decision": "keep", "comment": attack}
    assert "pass (manual decision)" in page.text
    assert "automatic verdict: fail: motion" in page.text
    assert "with a manual decision 1" in page.text
    assert "now qc_decisions.tsv" in page.text
    assert "doezeman" not in page.text
    assert sum("data-decision" in card for card in cards_of(page)) == 1

    # What it is compared with does not move by it.
    write(edited(), tmp_path / "before", settings)
    compared = [
        sorted((m["name"], *m["bins"]) for m in measures_of(tmp_path / name)["measures"])
        for name in ("qc", "before")
    ]
    assert compared[0] == compared[1]


def test_measures_without_a_distribution_do_no_harm(edited, settings, tmp_path):
    def odd(frame):
        only_failed = frame["snr_wm"].where(frame["verdict"] == "fail")
        endless = frame["cnr"].where(frame.index != 5, float("inf"))
        return frame.assign(only_failed=only_failed, endless=endless, constant=0.25)

    write(edited(qc=odd), tmp_path / "qc", settings)
    data = measures_of(tmp_path / "qc")
    names = [measure["name"] for measure in data["measures"]]
    assert names[-2:] == ["endless", "constant"]
    assert sum(values[-2] is None for values in data["values"]) == 1
    constant = data["measures"][-1]
    assert constant["start"] < 0.25 < constant["end"]


def test_the_numbers_cannot_end_their_script(edited, settings, tmp_path):
    page = write(
        edited(qc=lambda frame: frame.assign(**{"</script><b>": 1.5})), tmp_path / "qc", settings
    )
    assert "b" not in dict(page.tags)
    assert measures_of(tmp_path / "qc")["measures"][-1]["name"] == "</script><b>"


@pytest.mark.slow
def test_two_thousand_scans_stay_under_five_megabytes(settings, tmp_path):
    ids = [f"demo_sub-{i:05d}_ses-1" for i in range(2000)]
    people = pd.DataFrame(
        {
            "scan_id": ids,
            "dataset": "demo",
            "participant_id": [f"sub-{i:05d}" for i in range(2000)],
            "t1w": "image.nii.gz",
            "age": 50.0,
            "age_top_coded": False,
            "healthy": True,
            "always_healthy": True,
            "site": "demo/a site with a long name, 3 T",
        }
    ).reindex(columns=SCANS.names)
    qc = pd.DataFrame({"scan_id": ids, "verdict": "pass", "reason": None})
    for measure in range(25):
        qc[f"some_measure_{measure}"] = [((i * 37 + measure) % 101) / 100 for i in range(2000)]
    write_table(people, tmp_path / "scans.tsv", SCANS)
    write_table(qc, tmp_path / "qc.tsv", QC)
    inputs = {"qc": tmp_path / "qc.tsv", "scans": tmp_path / "scans.tsv", "derivatives": tmp_path}
    write(inputs, tmp_path / "page", settings)
    assert (tmp_path / "page" / "index.html").stat().st_size < 5_000_000


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1450.4, 1450),
        (0.41234, 0.412),
        (21.664, 21.66),
        (0.01234567, 0.0123),
        (-0.0000001, 0),
        (float("nan"), None),
    ],
)
def test_measures_have_about_four_digits(value, number):
    assert _short(value) == number
